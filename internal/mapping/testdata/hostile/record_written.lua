-- A record cannot be written.
-- verdict: map.error
-- says: the record is read-only
function map(record)
  if record.trouble then
    record.name = 'x'
  end
  return { first_name = record.name }
end
