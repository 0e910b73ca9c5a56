-- A result longer than a record may be.
-- verdict: map.invalid
function map(record)
  if record.trouble then
    local t = { first_name = 'x' }
    for i = 1, 6 do t['f' .. i] = ('x'):rep(1000000) end
    return t
  end
  return { first_name = record.name }
end
