-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "coroutine"
function map(record)
  local x = coroutine.create(map)
end
