-- From one club-management system's people to another's. Both call their fields
-- by the same names; what differs is how tidy the values are.
--
-- Staff members and lead sources pass through it, too: a staff member is known at
-- the target by the e-mail address, a lead source by its name.
--
-- This is a plan: on the left the name of a field of the target, on the right
-- where its value comes from. A field without a value is left out.
--
-- Try a change with:  rosterd map test scripts/prospects_to_club.lua

-- Members and those who were: everybody else is a prospect.
local joined = source.type:lower():is("member", "ex_member")

return mapping{
  -- Whoever became a member is in the other list. A reason is shown in the run's
  -- report, so it must not name anybody.
  when(source.converted_to:present(), skip("is a member already")),

  first_name = source.first_name:title(),
  last_name = source.last_name:title(),
  email = source.email:email(),
  mobile = source.mobile:phone(source.country:country()),
  city = source.city:trim(),
  country = source.country:country(),
  birthdate = source.birthdate:date("YYYY-MM-DD"),

  -- A member has no trial.
  trial_start = when(joined, nil, source.trial_start:date("YYYY-MM-DD")),
  trial_end = when(joined, nil, source.trial_end:date("YYYY-MM-DD")),

  -- The name of a lead source.
  name = source.name:trim(),

  -- The ids here of the staff member and of the lead source: rosterd sends the ids
  -- that the target has for them, or none where there is no link.
  owner = source.owner_id:trim(),
  lead_source = source.lead_source_id:trim(),

  -- active or inactive. Another status is a person's decision, so the record goes
  -- into quarantine instead of being guessed.
  status = when(source.status:lower():is("active", "inactive"), source.status:lower(),
    when(source.status:absent(), "active", reject("a status that the mapping does not know"))),
  type = when(source.name:present(), nil, when(joined, source.type:lower(), "prospect")),
}
