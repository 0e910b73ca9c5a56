-- No Lua at all.
-- verdict: refused
-- says: syntax error
function map(record
  return } {
