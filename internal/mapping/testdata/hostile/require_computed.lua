-- A module whose name comes from a record.
-- verdict: refused
-- says: require takes the name of a module in quotes and nothing else
function map(record)
  return require(record.name)
end
