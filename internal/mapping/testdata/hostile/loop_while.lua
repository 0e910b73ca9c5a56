-- A loop without an end.
-- verdict: map.stopped
-- says: the script took longer than 1s for one record
function map(record)
  if record.trouble then
    while true do end
  end
  return { first_name = record.name }
end
