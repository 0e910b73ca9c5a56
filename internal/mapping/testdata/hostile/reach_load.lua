-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "load"
function map(record)
  local x = load('return 1')
end
