-- From the gym's member list to inTandem clients.
--
-- This function is called once for each member. `record` is the member as the
-- list has it: record.first is the column "first". What the function returns is
-- the client for inTandem: on the left the name of the field there, on the
-- right its value. A field without a value is left out.
--
-- Try a change with:  rosterd map test scripts/gym_to_intandem.lua

function map(record, context)
  -- Members that must not be imported. The reason is shown in the run's report,
  -- so it must not name anybody.
  local status = text.lower(record.status)
  if status == "deleted" then
    skip("deleted in the gym's list")
  end
  if status == "test" then
    skip("a test member")
  end

  return {
    -- The list is typed in capitals: "O'NEIL" becomes "O'Neil". A member without
    -- a first name is put into quarantine, because inTandem requires one.
    first_name = text.title(record.first),
    last_name = text.title(record.last),

    -- Something that is no e-mail address is left out, not guessed.
    email = email.normalize(record.e_mail),

    -- The mobile number, or else the one at home, written as +15195550123. A
    -- number without a country code belongs to the country of the club.
    phone = phone.e164(record.mobile) or phone.e164(record.home_phone),

    -- One line, made of the parts that are there.
    address = address.join(record.street, record.city, record.zip),
  }

  -- external_id is left out on purpose: it is then the member's number in the
  -- list (member_no), so that the next import updates the same client.
end
