-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "collectgarbage"
function map(record)
  local x = collectgarbage()
end
