-- A module that was not handed over.
-- verdict: refused
-- says: it was not read with the script
local m = require("nothing")
function map() end
