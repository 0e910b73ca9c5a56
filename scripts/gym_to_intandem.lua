function map(record, context)
  return { first_name = record.first }
end
