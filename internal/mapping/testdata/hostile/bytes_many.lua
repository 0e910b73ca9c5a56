-- The same from a text.
-- verdict: map.error
-- says: overflow
function map(record)
  if record.trouble then
    local a = ('x'):rep(1000000):byte(1, -1)
  end
  return { first_name = record.name }
end
