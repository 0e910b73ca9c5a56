-- Many tables that are kept: its memory or its time ends first.
-- verdict: map.stopped
-- says: the script
function map(record)
  if record.trouble then
    local t = {}
    for i = 1, 1e9 do t[i] = { i, {} } end
  end
  return { first_name = record.name }
end
