function map(record)
  if record.a then
    return { first_name = record.a }
end
