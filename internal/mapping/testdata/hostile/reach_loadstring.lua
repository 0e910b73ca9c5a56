-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "loadstring"
function map(record)
  local x = loadstring('return 1')
end
