-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "newproxy"
function map(record)
  local x = newproxy(true)
end
