-- A count that is no number.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local s = ('ab'):rep(0 / 0)
  end
  return { first_name = record.name }
end
