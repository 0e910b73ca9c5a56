function map(record)
  return { first_name = "x }
end
