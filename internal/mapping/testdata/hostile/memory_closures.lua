-- Many functions that are kept: memory or time ends first.
-- verdict: map.stopped
-- says: the script
function map(record)
  if record.trouble then
    local t = {}
    for i = 1, 1e9 do t[i] = function() return t, i end end
  end
  return { first_name = record.name }
end
