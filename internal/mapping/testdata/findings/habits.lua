-- What people write who know another language.
local a = source.first.title
local b = source.last.upper()
local c = source.address.city
local d = source:mail()
local e = "VIP: " + source.first
local f = "12" + source.n
local g = email(source.mail)
local h = mobile
mapping{ first_name = first(a, b, c, d, e, f, g, h) }
