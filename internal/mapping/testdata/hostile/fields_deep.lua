-- A result that nests deep.
-- verdict: map.invalid
function map(record)
  if record.trouble then
    local t = {}
    for i = 1, 100000 do t = { t } end
    return { first_name = 'x', deep = t }
  end
  return { first_name = record.name }
end
