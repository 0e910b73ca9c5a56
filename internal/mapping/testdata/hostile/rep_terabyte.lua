-- One call asks for more memory than there is.
-- verdict: map.error
-- says: the text would be longer than 1 MiB
function map(record)
  if record.trouble then
    local s = string.rep('x', 1e11)
  end
  return { first_name = record.name }
end
