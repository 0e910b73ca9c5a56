-- The same through an iterator.
-- verdict: map.error
-- says: string.gmatch gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    for s in ('a'):rep(20000):gmatch('.-.-.-.-b') do end
  end
  return { first_name = record.name }
end
