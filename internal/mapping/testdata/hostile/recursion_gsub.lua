-- A replacement that calls gsub.
-- verdict: map.error
-- says: overflow
function map(record)
  if record.trouble then
    local function f() return (('x'):gsub('x', f)) end
    f()
  end
  return { first_name = record.name }
end
