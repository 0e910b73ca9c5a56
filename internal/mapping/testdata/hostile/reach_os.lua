-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "os"
function map(record)
  local x = os.exit(7)
end
