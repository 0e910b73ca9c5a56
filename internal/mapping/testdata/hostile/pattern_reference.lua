-- A capture that may be any part of the text.
-- verdict: map.error
-- says: string.find gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    local s = ('a'):rep(5000):find('(.+)%1b')
  end
  return { first_name = record.name }
end
