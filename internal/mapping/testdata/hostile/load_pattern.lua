-- A pattern at the top level.
-- verdict: refused
-- says: string.find gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern
local s = ('a'):rep(20000):find('.-.-.-.-b')
function map() end
