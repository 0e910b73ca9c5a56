-- Eight lazy steps on 28 letters, twice.
-- verdict: map.error
-- says: string.find gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    local s = ('a'):rep(60):find('.-a.-a.-a.-a.-a.-a.-a.-ab')
  end
  return { first_name = record.name }
end
