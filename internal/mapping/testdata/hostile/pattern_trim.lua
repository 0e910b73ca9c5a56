-- The usual trim, on a text with many blanks inside.
-- verdict: map.error
-- says: string.match gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    local s = (('a'):rep(10) .. (' '):rep(20000) .. 'b'):match('^%s*(.-)%s*$')
  end
  return { first_name = record.name }
end
