-- From one club-management system's prospects to another's. Both call their
-- fields by the same names; what differs is how tidy the values are.
--
-- This is a plan: on the left the name of a field of the target, on the right
-- where its value comes from. A field without a value is left out.
--
-- Try a change with:  rosterd map test scripts/prospects_to_club.lua

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
  trial_start = source.trial_start:date("YYYY-MM-DD"),
  trial_end = source.trial_end:date("YYYY-MM-DD"),

  -- active or inactive. Another status is a person's decision, so the record goes
  -- into quarantine instead of being guessed.
  status = when(source.status:lower():is("active", "inactive"), source.status:lower(),
    when(source.status:absent(), "active", reject("a status that the mapping does not know"))),
  type = "prospect",
}
