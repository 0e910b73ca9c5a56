local t = nil
t.x = 1
function map(record) return {} end
