-- Many large texts that are kept: memory or time ends first.
-- verdict: map.stopped
-- says: the script
function map(record)
  if record.trouble then
    local t = {}
    for i = 1, 1e9 do t[i] = ('x'):rep(1048576) .. i end
  end
  return { first_name = record.name }
end
