-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "module"
function map(record)
  local x = module('x')
end
