return {
  first_name = source.first:title(),
}
