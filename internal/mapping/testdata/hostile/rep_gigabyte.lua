-- One call asks for a gigabyte.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local s = string.rep('a', 2 ^ 30)
  end
  return { first_name = record.name }
end
