-- An error that tells of the record.
-- verdict: map.error
-- says: whose text is not shown
function map(record)
  if record.trouble then
    error('no plan for ' .. record.name)
  end
  return { first_name = record.name }
end
