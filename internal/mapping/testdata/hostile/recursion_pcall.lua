-- A function that calls itself protected.
-- verdict: map.error
-- says: overflow
function map(record)
  if record.trouble then
    local function f() local ok, err = pcall(f) error(err, 0) end
    f()
  end
  return { first_name = record.name }
end
