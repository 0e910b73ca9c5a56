-- Tables that look into each other.
-- verdict: map.error
-- says: too many recursions in
function map(record)
  if record.trouble then
    local t = {}
    t.__index = t
    setmetatable(t, t)
    local x = t.x
  end
  return { first_name = record.name }
end
