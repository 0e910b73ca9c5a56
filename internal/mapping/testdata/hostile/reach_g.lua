-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "_G"
function map(record)
  local x = _G.os.exit()
end
