-- Names that nobody defines, and what is assigned.
local unused = 1
local used, _meant = 2, 3
local function title(s) return text.titel(s) end
local function self_only(n) if n then return self_only(n - 1) end end
helper = 1

function map(record, context)
  count = 1
  text = "x"
  local status = text.lower(recrod.status)
  local mail = email.normalise(record.e_mail) or string.uper(record.x)
  for i, v in pairs(record) do used = i end
  if os then skip("x") end
  do
    local mail = 2
  end
  return {
    firstname = title(record.first), emial = record.first:trim(), phone = "1", phone = 2,
    ["last name"] = record.last:uper(), phone2 = text:trim("x"), start = recrod.x .. recrod.y .. unknwon.z,
  }
end
local _joined = join(", ", "a") .. title("b") .. e164("c")
