-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "debug"
function map(record)
  local x = debug.traceback()
end
