-- A usual e-mail pattern, on letters only.
-- verdict: map.error
-- says: string.match gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    local s = ('a'):rep(20000):match('[%w._]+@[%w.]+%.%a+')
  end
  return { first_name = record.name }
end
