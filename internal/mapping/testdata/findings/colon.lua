function map(record)
  return { first_name: record.first }
end
