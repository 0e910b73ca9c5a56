-- A replacement far longer than the text.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local s = ('x'):rep(100000):gsub('.', ('y'):rep(100000))
  end
  return { first_name = record.name }
end
