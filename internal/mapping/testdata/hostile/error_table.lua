-- An error that is a table.
-- verdict: map.error
-- says: an error that is no text
function map(record)
  if record.trouble then
    error({ secret = record.name })
  end
  return { first_name = record.name }
end
