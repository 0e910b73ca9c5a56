-- A loop whose errors are caught.
-- verdict: map.stopped
-- says: the script took longer than 1s for one record
function map(record)
  if record.trouble then
    while true do pcall(function() while true do error('x') end end) end
  end
  return { first_name = record.name }
end
