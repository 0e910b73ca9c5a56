-- What would reach out of the script is not there.
-- verdict: refused
-- says: unknown name "package"
function map(record)
  local x = package.loaded.os.exit()
end
