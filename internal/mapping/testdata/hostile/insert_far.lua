-- The same through the library.
-- verdict: mapped
function map(record)
  if record.trouble then
    local t = {}
    table.insert(t, 60000000, 1)
  end
  return { first_name = record.name }
end
