-- One member of the gym becomes one client of inTandem. `rosterd lua` describes
-- what a script may use, `rosterd map test` tries it.
function map(record, context)
  return {
    first_name = record.first_name,
    last_name = record.last_name,
    email = record.email,
  }
end
