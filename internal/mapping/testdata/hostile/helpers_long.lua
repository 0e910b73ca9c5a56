-- Helpers on texts far longer than a field.
-- verdict: mapped
function map(record)
  if record.trouble then
    local s = ('É1 '):rep(20000)
    local t = { text.title(s), text.trim(s), text.lower(s), text.digits(s), email.normalize(s .. '@x.org'), phone.e164(s), address.join(s, s) }
    return { first_name = 'x' }
  end
  return { first_name = record.name }
end
