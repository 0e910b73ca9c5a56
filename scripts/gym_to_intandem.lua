-- From the gym's member list to inTandem clients.
--
-- This is a plan. Each line says where one field of a client comes from: on the
-- left the name of the field at inTandem, on the right its value. source.first
-- is the column "first" of the member list, and what stands behind a colon is
-- done with it, from left to right. A field without a value is left out.
--
-- Two dashes begin a comment. Try a change with:
--   rosterd map test scripts/gym_to_intandem.lua

-- A value that is used more than once gets a name.
local status = source.status:lower()

return mapping{
  -- Members that must not be imported. The reason is shown in the run's report,
  -- so it must not name anybody.
  when(status:is("deleted"), skip("deleted in the gym's list")),
  when(status:is("test"), skip("a test member")),

  -- The list is typed in capitals: "O'NEIL" becomes "O'Neil". A member without a
  -- first name is put into quarantine, because inTandem requires one.
  first_name = source.first:title(),
  last_name = source.last:title(),

  -- Something that is no e-mail address is left out, not guessed.
  email = source.e_mail:email(),

  -- The mobile number, or else the one at home, written as +15195550123. A
  -- number without a country code belongs to the country of the club.
  phone = first(source.mobile:phone(), source.home_phone:phone()),

  -- One line, made of the parts that are there.
  address = address.join(source.street, source.city, source.zip),

  -- external_id is left out on purpose: it is then the member's number in the
  -- list (member_no), so that the next import updates the same client.
}
