-- A plan's methods and operators.
local status = source.status:lowr()
local strict = true
local phone = strict and source.cell:phone() or source.home
if status then skip("x") end

return mapping{
  when(status == "gone", skip("gone")),
  when(not status, skip("none")),
  first_name = source.first:trim():titel(),
  Last_Name = const("x"):uper(),
  email = source.a or source.b,
  address = address.join(source.a, source["b c"]):trimm(),
  phone = phone,
  note = call(function(record) return source.first .. record.last:title() .. record.last:upper() end),
  code = source.n * 2 < 3,
  [1 + 1] = source.a and "x",
}
