-- A width that asks for a gigabyte.
-- verdict: map.error
-- says: width or precision too long
function map(record)
  if record.trouble then
    local s = string.format('%999999999d', 1)
  end
  return { first_name = record.name }
end
