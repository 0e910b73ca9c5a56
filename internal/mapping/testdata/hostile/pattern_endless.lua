-- A pattern of a hundred thousand choices.
-- verdict: map.error
-- says: the pattern is longer than 4 KiB
function map(record)
  if record.trouble then
    local s = ('a'):find(('a?'):rep(100000))
  end
  return { first_name = record.name }
end
