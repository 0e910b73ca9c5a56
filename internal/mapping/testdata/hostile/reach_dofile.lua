-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "dofile"
function map(record)
  local x = dofile('/etc/passwd')
end
