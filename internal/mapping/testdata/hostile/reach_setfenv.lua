-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "setfenv"
function map(record)
  local x = setfenv(1, {})
end
