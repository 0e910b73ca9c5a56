-- More patterns than are kept compiled.
-- verdict: mapped
function map(record)
  if record.trouble then
    for i = 1, 5000 do local s = ('x'):find('[a-f]+' .. i) end
  end
  return { first_name = record.name }
end
