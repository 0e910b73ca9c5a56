local a = 1
function map(record)
  return { a = "é" = 1 }
end
