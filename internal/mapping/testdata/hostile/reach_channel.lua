-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "channel"
function map(record)
  local x = channel.make()
end
