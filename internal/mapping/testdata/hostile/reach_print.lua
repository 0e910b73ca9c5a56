-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "print"
function map(record)
  local x = print('x')
end
