-- One place far out in a table costs one place.
-- verdict: mapped
function map(record)
  if record.trouble then
    local t = {}
    t[67108863] = 1
    t[60000000] = 2
  end
  return { first_name = record.name }
end
