-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "io"
function map(record)
  local x = io.open('/etc/passwd')
end
