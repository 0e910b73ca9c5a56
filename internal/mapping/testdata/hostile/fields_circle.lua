-- A result that contains itself.
-- verdict: map.invalid
function map(record)
  if record.trouble then
    local t = { first_name = 'x' }
    t.t = t
    return t
  end
  return { first_name = record.name }
end
