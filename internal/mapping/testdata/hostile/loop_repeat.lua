-- A loop without an end.
-- verdict: map.stopped
-- says: the script took longer than 1s for one record
function map(record)
  if record.trouble then
    repeat local x = 1 until false
  end
  return { first_name = record.name }
end
