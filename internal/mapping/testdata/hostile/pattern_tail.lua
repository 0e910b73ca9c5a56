-- The usual trim of the end, on a text with many blanks inside.
-- verdict: map.error
-- says: string.gsub gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
function map(record)
  if record.trouble then
    local s = ((' '):rep(20000) .. 'b'):gsub('%s+$', '')
  end
  return { first_name = record.name }
end
