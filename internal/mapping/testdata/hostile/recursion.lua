-- A function that calls itself.
-- verdict: map.error
-- says: stack overflow
function map(record)
  if record.trouble then
    local function f() return 1 + f() end
    local x = f()
  end
  return { first_name = record.name }
end
