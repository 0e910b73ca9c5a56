-- A module outside of the folder.
-- verdict: refused
-- says: "../../etc/passwd" is no name of a module
local m = require("../../etc/passwd")
function map() end
