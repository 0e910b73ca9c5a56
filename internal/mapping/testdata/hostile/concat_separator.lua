-- A long separator, used often.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local t = {}
    for i = 1, 2000 do t[i] = '' end
    local s = table.concat(t, ('x'):rep(100000))
  end
  return { first_name = record.name }
end
