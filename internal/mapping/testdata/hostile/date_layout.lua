-- A layout far longer than a date.
-- verdict: mapped
function map(record)
  if record.trouble then
    local s = date.parse(('1'):rep(100000), ('YYYYMMDD'):rep(10000))
    return { first_name = 'x' }
  end
  return { first_name = record.name }
end
