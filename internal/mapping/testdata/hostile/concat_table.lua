-- A text joined of many.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local t = {}
    for i = 1, 2000 do t[i] = ('x'):rep(10000) end
    local s = table.concat(t)
  end
  return { first_name = record.name }
end
