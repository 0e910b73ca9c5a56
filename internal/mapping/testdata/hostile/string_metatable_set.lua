-- Nor their metatable.
-- verdict: map.error
function map(record)
  if record.trouble then
    setmetatable('', {})
  end
  return { first_name = record.name }
end
