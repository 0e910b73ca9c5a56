-- A script that maps nothing.
-- verdict: refused
local function map() end
