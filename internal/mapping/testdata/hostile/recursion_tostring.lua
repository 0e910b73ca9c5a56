-- A text of a table that asks for its text.
-- verdict: map.error
-- says: overflow
function map(record)
  if record.trouble then
    local mt = {}
    mt.__tostring = function(t) return tostring(t) end
    local s = tostring(setmetatable({}, mt))
  end
  return { first_name = record.name }
end
