-- The ten fields of ten_fields.lua as a plan.
return mapping{
  first_name = source.first:title(),
  last_name = source.last:title(),
  email = source.e_mail:email(),
  phone = first(source.mobile:phone(), source.home_phone:phone()),
  address = address.join(source.street, source.city, source.zip),
  Birthday = source.birthdate:date("YYYY-MM-DD"),
  Joined = source.joined:date("MM/DD/YYYY"),
  Gender = source.gender:trim(),
  Plan = source.plan:trim(),
  status = source.status:lower(),
}
