-- A format of many long texts.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local x = ('x'):rep(1000000)
    local s = string.format('%s%s%s', x, x, x)
  end
  return { first_name = record.name }
end
