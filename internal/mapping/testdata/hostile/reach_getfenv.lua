-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "getfenv"
function map(record)
  local x = getfenv(1)
end
