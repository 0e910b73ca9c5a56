-- Ten fields of the simulated club platform as a plan.
return mapping{
  first_name = source.first:title(),
  last_name = source.last:title(),
  email = source.e_mail:email(),
  mobile = source.mobile:phone(),
  home_phone = source.home_phone:phone(),
  address1 = address.join(source.street, source.city),
  zip = source.zip:trim(),
  birthdate = source.birthdate:date("YYYY-MM-DD"),
  gender = source.gender:trim(),
  status = source.status:lower(),
}
