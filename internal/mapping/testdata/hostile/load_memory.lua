-- The script's own top level takes all memory.
-- verdict: refused
local s = ('x'):rep(1048576)
while true do s = s .. s end
function map() end
