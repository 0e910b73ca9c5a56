-- Four lazy steps on a long text.
-- verdict: map.error
-- says: string.find gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    local s = ('a'):rep(20000):find('.-.-.-.-b')
  end
  return { first_name = record.name }
end
