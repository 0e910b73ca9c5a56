function map(record, context)
  if record.status == "deleted" then
    skip("deleted in the list")
  end
  return {
    first_name = record.first,
    last_name = record.last,
    email = email.normalize(record.mail),
  }
end
