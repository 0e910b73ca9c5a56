-- A result with too many fields.
-- verdict: map.invalid
-- says: field
function map(record)
  if record.trouble then
    local t = { first_name = 'x' }
    for i = 1, 5000 do t['f' .. i] = i end
    return t
  end
  return { first_name = record.name }
end
