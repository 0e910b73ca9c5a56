-- The methods of all texts cannot be replaced.
-- verdict: map.error
function map(record)
  if record.trouble then
    getmetatable('').__index = function() return 'x' end
  end
  return { first_name = record.name }
end
