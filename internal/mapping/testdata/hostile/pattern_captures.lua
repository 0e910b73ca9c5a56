-- More captures than Lua has.
-- verdict: map.error
-- says: too many captures
function map(record)
  if record.trouble then
    local s = ('x'):rep(40):match(('(x)'):rep(33))
  end
  return { first_name = record.name }
end
