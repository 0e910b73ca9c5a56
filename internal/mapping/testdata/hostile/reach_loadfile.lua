-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "loadfile"
function map(record)
  local x = loadfile('/etc/passwd')
end
