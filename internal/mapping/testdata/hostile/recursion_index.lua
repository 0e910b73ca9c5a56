-- A table that asks itself.
-- verdict: map.error
-- says: stack overflow
function map(record)
  if record.trouble then
    local t = setmetatable({}, { __index = function(t, k) return t[k] end })
    local x = t.x
  end
  return { first_name = record.name }
end
