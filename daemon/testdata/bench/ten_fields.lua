-- Ten fields as real mappings have them: trimmed, titled, an e-mail address, a
-- telephone number, a joined address, dates.
function map(record, context)
  return {
    first_name = text.title(record.first),
    last_name = text.title(record.last),
    email = email.normalize(record.e_mail),
    phone = phone.e164(record.mobile) or phone.e164(record.home_phone),
    address = address.join(record.street, record.city, record.zip),
    Birthday = date.parse(record.birthdate, "YYYY-MM-DD"),
    Joined = date.parse(record.joined, "MM/DD/YYYY"),
    Gender = text.trim(record.gender),
    Plan = text.trim(record.plan),
    status = text.lower(record.status),
  }
end
