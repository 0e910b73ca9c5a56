-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "rawset"
function map(record)
  local x = rawset({}, 1, 1)
end
