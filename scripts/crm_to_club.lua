-- From a CRM's prospects and members to a club platform.
--
-- This is a plan: on the left the name of a field on the club platform, on the
-- right where its value comes from. source.FirstName is the CRM's field
-- "FirstName", and what stands behind a colon is done with it, from left to
-- right. A field without a value is left out.
--
-- Try a change with:  rosterd map test scripts/crm_to_club.lua

-- The country, as a code of two letters. The CRM has names, codes and blanks in
-- one column; where there is none, the state is looked for in the club's country.
local country = source.Country:country()

-- The words of the CRM for a status, in small letters and without white space.
local status = source.Status:lower()

-- Who is a member: the CRM says so, or it has the day on which the person became one.
local is_member = any(source.Type:lower():is("member", "client", "customer"), source.MemberSince:present())

return mapping{
  -- People that the club platform must not get. A reason is shown in the run's
  -- report, so it must not name anybody.
  when(source.MergedInto:present(), skip("merged into another person")),
  when(source.Email:email_key():re_match("@test\\."), skip("a test person")),

  -- Most people have a first and a last name. Where a web form has sent only one
  -- field, it is split if it is certain where the last name begins; otherwise
  -- the whole name becomes the first name.
  first_name = first(source.FirstName:title(), source.FullName:first_name():title()),
  last_name = first(source.LastName:title(), when(source.FirstName:absent(), source.FullName:last_name():title())),

  -- active or inactive. A status that is in neither list is a person's decision,
  -- so the record goes into quarantine instead of being guessed.
  status = when(status:is("active", "open", "new", "frozen"), "active",
    when(status:is("inactive", "cancelled", "lost", "expired"), "inactive",
      when(status:absent(), "active", reject("a status that the mapping does not know")))),
  type = when(is_member, "member", "prospect"),

  -- The CRM writes dates in two ways, by which form they were typed into.
  birthdate = source.Birthdate:date("YYYY-MM-DD", "MM/DD/YYYY"),

  -- The club platform knows M and F. Everything else is left out.
  gender = when(source.Gender:lower():is("m", "male", "man"), "M", when(source.Gender:lower():is("f", "female", "woman"), "F")),

  -- The street's second line is often a part of the first one: "1 Main St, Apt 2".
  address1 = source.Street:part(",", 1),
  address2 = first(source.Street2:trim(), source.Street:part(",", 2)),
  city = source.City:title(),
  zip = source.PostalCode:upper(),
  state = state.code(source.State, country),
  country = country,

  email = source.Email:email(),
  mobile = source.Mobile:phone(country),
  home_phone = source.HomePhone:phone(country),
  work_phone = source.WorkPhone:phone(country),

  -- Cut to what the club platform takes.
  company = source.Company:trim():truncate(60),

  -- A member has no trial.
  trial_start = when(is_member, nil, source.TrialStart:date("YYYY-MM-DD", "MM/DD/YYYY")),
  trial_end = when(is_member, nil, source.TrialEnd:date("YYYY-MM-DD", "MM/DD/YYYY")),

  -- The CRM's ids of the staff member and of the lead source: rosterd sends the
  -- ids that the club platform has for them, or none where there is no link.
  owner = source.OwnerId:trim(),
  lead_source = source.LeadSourceId:trim(),
}
