-- Errors of patterns caught again and again.
-- verdict: map.error
-- says: gave up: the patterns take too many steps on this record; use text.trim, re.* or simpler patterns
function map(record)
  if record.trouble then
    for i = 1, 1000 do pcall(string.find, ('a'):rep(20000), '.-.-.-.-b') end
    local s = ('a'):find('a-b')
  end
  return { first_name = record.name }
end
