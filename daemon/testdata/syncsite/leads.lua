return mapping{
  first_name = source.first,
  last_name = source.last,
  email = source.mail,
  status = "active",
  type = "prospect",
}
