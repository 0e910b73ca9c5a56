-- An iterator that never ends.
-- verdict: map.stopped
-- says: the script took longer than 1s for one record
function map(record)
  if record.trouble then
    for _ in function() return 1 end do end
  end
  return { first_name = record.name }
end
