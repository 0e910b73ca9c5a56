-- A text that doubles: memory or time ends first.
-- verdict: map.stopped
-- says: the script
function map(record)
  if record.trouble then
    local s = ('x'):rep(1048576)
    while true do s = s .. s end
  end
  return { first_name = record.name }
end
