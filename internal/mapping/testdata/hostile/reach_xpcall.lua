-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "xpcall"
function map(record)
  local x = xpcall(map, map)
end
