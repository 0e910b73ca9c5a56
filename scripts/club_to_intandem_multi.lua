-- From a club platform's people to inTandem clients, with a matter for each
-- membership.
--
-- The job needs `upload: multi`. inTandem then keeps several matters under one
-- client; here a matter is one membership of the person.
--
-- `map`, at the end, is called once for each person. `record` is the person as
-- the club platform has it, and record.memberships is a list: what the platform
-- sent as [{"plan": "GOLD", ...}, {"plan": "LOCKER", ...}].
--
-- Try a change with:  rosterd map test scripts/club_to_intandem_multi.lua

-- How the platform's plans are called for people. A plan that is not in this
-- table keeps the platform's name.
local plan_names = {
  GOLD = "Gold membership",
  SILVER = "Silver membership",
  LOCKER = "Locker",
}

-- One membership as a matter. Every matter needs a name that the client's other
-- matters do not have. So the name is made of the plan and the day on which it
-- began: "Gold membership, 2024-03-01".
local function to_matter(membership)
  local plan = text.upper(membership.plan)
  local began = date.parse(membership.start_date, "YYYY-MM-DD", "MM/DD/YYYY")
  return {
    name = text.join(", ", plan_names[plan] or text.title(plan), began),
    Plan = plan_names[plan] or text.title(plan),
    Status = text.lower(membership.status),
    Start = began,
    ["End"] = date.parse(membership.end_date, "YYYY-MM-DD", "MM/DD/YYYY"),
    ["Membership number"] = text.trim(membership.id),
  }
end

-- All memberships of a person that are worth a matter. `ipairs` walks a list from
-- its first element to its last, and `#matters + 1` is the place behind the last
-- one.
local function to_matters(memberships)
  local matters = {}
  -- A person without memberships has none to walk: nil or null.
  if type(memberships) ~= "table" then
    return matters
  end
  for _, membership in ipairs(memberships) do
    -- A trial that was never taken up is nothing to keep.
    if text.lower(membership.status) ~= "void" and text.trim(membership.plan) then
      matters[#matters + 1] = to_matter(membership)
    end
  end
  return matters
end

function map(record, context)
  if record.merged_into and record.merged_into ~= null then
    skip("merged into another person")
  end

  return {
    first_name = text.title(record.given_name),
    last_name = text.title(record.family_name),
    email = email.normalize(record.email),
    phone = phone.e164(record.mobile) or phone.e164(record.phone),
    address = address.join(record.street, record.city, record.postal_code),
    matters = to_matters(record.memberships),
  }

  -- external_id is left out on purpose: it is then the person's id on the club
  -- platform, so that the next import updates the same client.
end
