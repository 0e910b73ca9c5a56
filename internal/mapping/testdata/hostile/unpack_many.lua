-- More values at once than there is room for.
-- verdict: map.error
-- says: overflow
function map(record)
  if record.trouble then
    local a = unpack({}, 1, 1e7)
  end
  return { first_name = record.name }
end
