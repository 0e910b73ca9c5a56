-- A replacement without an end, called by a library function.
-- verdict: map.stopped
-- says: the script took longer than 1s for one record
function map(record)
  if record.trouble then
    local s = ('x'):gsub('x', function() while true do end end)
  end
  return { first_name = record.name }
end
