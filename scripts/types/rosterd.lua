---@meta
-- Written by `rosterd lua init`, which keeps its hands off when this was edited: 49835a18b5b1c403

--- Empty by intent: the target's field is emptied.
---@class rosterd.Null
null = {}

--- One location of the account.
---@class rosterd.Club
---@field key string
---@field id string
---@field name? string
---@field country? string
---@field timezone? string

--- What a function is told beside the record.
---@class rosterd.Context
---@field account string
---@field job string
---@field kind string
---@field country? string
---@field timezone? string
---@field clubs table<string, rosterd.Club>

--- The source record. Numbers arrive as text.
---@class rosterd.Record
---@field id string
---@field club? string
---@field [string] any

--- The fields of the source record, in a plan.
---@class rosterd.Source
---@field id rosterd.Field
---@field club rosterd.Field
---@field [string] rosterd.Field

---@type rosterd.Source
source = {}

--- The target record: its fields, and in a plan its rules.
---@class rosterd.Target
---@field [any] any
---@field first_name? any
---@field last_name? any
---@field email? any
---@field phone? any
---@field address? any
---@field status? any
---@field opt_in? any
---@field external_id? any
---@field matters? any

--- Ends the script: what each target field is made of.
---@param target rosterd.Target
---@return table
function mapping(target) end

--- In a plan: the second where the condition holds, else the third.
---@param condition any
---@param yes any
---@param no? any
---@return rosterd.Field
function when(condition, yes, no) end

--- Lua code for one field of a plan.
---@param fn fun(record: rosterd.Record, context: rosterd.Context): any
---@return rosterd.Field
function call(fn) end

--- A fixed value in a plan, which then has methods.
---@param value any
---@return rosterd.Field
function const(value) end

--- Wants no target record.
---@param reason? string
---@return any
function skip(reason) end

--- Puts the record into quarantine.
---@param reason? string
---@return any
function reject(reason) end

--- A field of a plan.
---@class rosterd.Field
---@operator concat(any): rosterd.Field
---@operator add(any): rosterd.Field
---@operator sub(any): rosterd.Field
---@operator mul(any): rosterd.Field
---@operator div(any): rosterd.Field
local Field = {}

--- without white space at both ends
---@return rosterd.Field
function Field:trim() end

--- "o'NEIL" and "JANE" as names; mixed case is kept
---@return rosterd.Field
function Field:title() end

--- in small letters
---@return rosterd.Field
function Field:lower() end

--- in capitals
---@return rosterd.Field
function Field:upper() end

--- only the digits
---@return rosterd.Field
function Field:digits() end

--- a key to compare by: small letters, no accents, single spaces
---@return rosterd.Field
function Field:fold() end

--- "Gold & Plus" as gold-plus
---@return rosterd.Field
function Field:slug() end

--- at most n characters, none cut in two
---@param n any
---@return rosterd.Field
function Field:truncate(n) end

--- every from replaced by to, letter by letter
---@param from any
---@param to any
---@return rosterd.Field
function Field:replace(from, to) end

--- part n between separators; -1 is the last, and "" separates at white space
---@param sep any
---@param n any
---@return rosterd.Field
function Field:part(sep, n) end

--- the given names in a whole name; the whole name where that is not certain
---@return rosterd.Field
function Field:first_name() end

--- the family name in a whole name; nil where that is not certain
---@return rosterd.Field
function Field:last_name() end

--- an address with its domain in small letters
---@return rosterd.Field
function Field:email() end

--- a key to compare addresses by: all in small letters
---@return rosterd.Field
function Field:email_key() end

--- +15551234567; the country is the club's if not given
---@param country? any
---@return rosterd.Field
function Field:phone(country) end

--- (555) 123-4567, as it is written in its own country
---@param country? any
---@return rosterd.Field
function Field:national(country) end

--- the extension behind a number: 12 of 555-123-4567 x12
---@param country? any
---@return rosterd.Field
function Field:extension(country) end

--- part n of an address in one line or several; -1 is the last, and blank parts do not count
---@param n any
---@return rosterd.Field
function Field:address_part(n) end

--- the parts of an address in one line or several
---@return rosterd.Field
function Field:address_parts() end

--- YYYY-MM-DD, by layouts like "DD/MM/YYYY"
---@param ... any
---@return rosterd.Field
function Field:date(...) end

--- the year of a date, by layouts like those of date.parse
---@param ... any
---@return rosterd.Field
function Field:year(...) end

--- the code of two letters of a country, by its code or by its name: CA, CAN, Kanada
---@return rosterd.Field
function Field:country() end

--- the English name of a country, by its code or by a name
---@return rosterd.Field
function Field:country_name() end

--- the code of a state or province of the US, Canada or Australia: ON; nil elsewhere
---@param country? any
---@return rosterd.Field
function Field:state(country) end

--- "$1,234.50" as 1234.50; decimal is "." or ",", and without it 1,234 is nil
---@param decimal? any
---@return rosterd.Field
function Field:money(decimal) end

--- the sum of the amounts that are there
---@param ... any
---@return rosterd.Field
function Field:plus(...) end

--- a less b
---@param b any
---@return rosterd.Field
function Field:minus(b) end

--- a with n decimals; half a unit goes away from zero
---@param n any
---@return rosterd.Field
function Field:round(n) end

--- the amount in hundredths: 12.50 as 1250; nil where that is no whole number
---@return rosterd.Field
function Field:cents() end

--- -1, 0 or 1 for less, equal, more
---@param b any
---@return rosterd.Field
function Field:compare(b) end

--- the parts of a text that are not blank, trimmed
---@param sep any
---@return rosterd.Field
function Field:split(sep) end

--- the elements that are not blank, with sep between them
---@param sep any
---@return rosterd.Field
function Field:join(sep) end

--- the first element that is not blank
---@return rosterd.Field
function Field:head() end

--- how many elements are not blank
---@return rosterd.Field
function Field:count() end

--- whether one of the elements is that text; case and accents do not count
---@param wanted any
---@return rosterd.Field
function Field:contains(wanted) end

--- of the first table whose key is wanted, the field "value" or the one named
---@param key any
---@param wanted any
---@param field? any
---@return rosterd.Field
function Field:pick(key, wanted, field) end

--- the field of a table by its name, and so on into nested ones
---@param ... any
---@return rosterd.Field
function Field:get(...) end

--- whether the RE2 pattern is found in s
---@param pattern any
---@return rosterd.Field
function Field:re_match(pattern) end

--- the first group of the first match, or the whole match without groups
---@param pattern any
---@return rosterd.Field
function Field:re_find(pattern) end

--- every match replaced; $1 is the first group
---@param pattern any
---@param to any
---@return rosterd.Field
function Field:re_replace(pattern, to) end

--- from a CSV file below scripts_dir: of the row whose first column is s, the second column or the one named
---@param table any
---@param default? any
---@param column? any
---@return rosterd.Field
function Field:lookup(table, default, column) end

--- whether s is one of the texts behind it
---@param ... any
---@return rosterd.Field
function Field:is(...) end

--- whether there is something that is not blank
---@return rosterd.Field
function Field:present() end

--- whether there is nothing, or something blank
---@return rosterd.Field
function Field:absent() end

--- whether a is a number smaller than b
---@param b any
---@return rosterd.Field
function Field:lt(b) end

--- whether a is a number not larger than b
---@param b any
---@return rosterd.Field
function Field:le(b) end

--- whether a is a number larger than b
---@param b any
---@return rosterd.Field
function Field:gt(b) end

--- whether a is a number not smaller than b
---@param b any
---@return rosterd.Field
function Field:ge(b) end

text = {}

--- without white space at both ends
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.trim(s) end

--- "o'NEIL" and "JANE" as names; mixed case is kept
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.title(s) end

--- in small letters
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.lower(s) end

--- in capitals
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.upper(s) end

--- only the digits
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.digits(s) end

--- the parts that are not blank, with sep between them
---@param sep any
---@param ... any
---@return string?
---@overload fun(sep: rosterd.Field, ...: any): rosterd.Field
function text.join(sep, ...) end

--- a key to compare by: small letters, no accents, single spaces
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.fold(s) end

--- "Gold & Plus" as gold-plus
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function text.slug(s) end

--- at most n characters, none cut in two
---@param s any
---@param n any
---@return string?
---@overload fun(s: rosterd.Field, n: any): rosterd.Field
function text.truncate(s, n) end

--- every from replaced by to, letter by letter
---@param s any
---@param from any
---@param to any
---@return string?
---@overload fun(s: rosterd.Field, from: any, to: any): rosterd.Field
function text.replace(s, from, to) end

--- part n between separators; -1 is the last, and "" separates at white space
---@param s any
---@param sep any
---@param n any
---@return string?
---@overload fun(s: rosterd.Field, sep: any, n: any): rosterd.Field
function text.part(s, sep, n) end

name = {}

--- the given names in a whole name; the whole name where that is not certain
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function name.first(s) end

--- the family name in a whole name; nil where that is not certain
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function name.last(s) end

email = {}

--- an address with its domain in small letters
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function email.normalize(s) end

--- a key to compare addresses by: all in small letters
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function email.key(s) end

phone = {}

--- +15551234567; the country is the club's if not given
---@param s any
---@param country? any
---@return string?
---@overload fun(s: rosterd.Field, country: any): rosterd.Field
function phone.e164(s, country) end

--- (555) 123-4567, as it is written in its own country
---@param s any
---@param country? any
---@return string?
---@overload fun(s: rosterd.Field, country: any): rosterd.Field
function phone.national(s, country) end

--- the extension behind a number: 12 of 555-123-4567 x12
---@param s any
---@param country? any
---@return string?
---@overload fun(s: rosterd.Field, country: any): rosterd.Field
function phone.extension(s, country) end

address = {}

--- the parts that are not blank, with commas
---@param ... any
---@return string?
function address.join(...) end

--- part n of an address in one line or several; -1 is the last, and blank parts do not count
---@param s any
---@param n any
---@return string?
---@overload fun(s: rosterd.Field, n: any): rosterd.Field
function address.part(s, n) end

--- the parts of an address in one line or several
---@param s any
---@return table?
---@overload fun(s: rosterd.Field): rosterd.Field
function address.parts(s) end

date = {}

--- YYYY-MM-DD, by layouts like "DD/MM/YYYY"
---@param s any
---@param ... any
---@return string?
---@overload fun(s: rosterd.Field, ...: any): rosterd.Field
function date.parse(s, ...) end

--- the year of a date, by layouts like those of date.parse
---@param s any
---@param ... any
---@return number?
---@overload fun(s: rosterd.Field, ...: any): rosterd.Field
function date.year(s, ...) end

country = {}

--- the code of two letters of a country, by its code or by its name: CA, CAN, Kanada
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function country.code(s) end

--- the English name of a country, by its code or by a name
---@param s any
---@return string?
---@overload fun(s: rosterd.Field): rosterd.Field
function country.name(s) end

state = {}

--- the code of a state or province of the US, Canada or Australia: ON; nil elsewhere
---@param s any
---@param country? any
---@return string?
---@overload fun(s: rosterd.Field, country: any): rosterd.Field
function state.code(s, country) end

money = {}

--- "$1,234.50" as 1234.50; decimal is "." or ",", and without it 1,234 is nil
---@param s any
---@param decimal? any
---@return string?
---@overload fun(s: rosterd.Field, decimal: any): rosterd.Field
function money.parse(s, decimal) end

--- the sum of the amounts that are there
---@param a any
---@param ... any
---@return string?
---@overload fun(a: rosterd.Field, ...: any): rosterd.Field
function money.add(a, ...) end

--- a less b
---@param a any
---@param b any
---@return string?
---@overload fun(a: rosterd.Field, b: any): rosterd.Field
function money.sub(a, b) end

--- a with n decimals; half a unit goes away from zero
---@param a any
---@param n any
---@return string?
---@overload fun(a: rosterd.Field, n: any): rosterd.Field
function money.round(a, n) end

--- the amount in hundredths: 12.50 as 1250; nil where that is no whole number
---@param a any
---@return string?
---@overload fun(a: rosterd.Field): rosterd.Field
function money.cents(a) end

--- -1, 0 or 1 for less, equal, more
---@param a any
---@param b any
---@return number?
---@overload fun(a: rosterd.Field, b: any): rosterd.Field
function money.compare(a, b) end

lists = {}

--- the parts of a text that are not blank, trimmed
---@param s any
---@param sep any
---@return table?
---@overload fun(s: rosterd.Field, sep: any): rosterd.Field
function lists.split(s, sep) end

--- the elements that are not blank, with sep between them
---@param l any
---@param sep any
---@return string?
---@overload fun(l: rosterd.Field, sep: any): rosterd.Field
function lists.join(l, sep) end

--- the first element that is not blank
---@param l any
---@return any
---@overload fun(l: rosterd.Field): rosterd.Field
function lists.first(l) end

--- how many elements are not blank
---@param l any
---@return number?
---@overload fun(l: rosterd.Field): rosterd.Field
function lists.count(l) end

--- whether one of the elements is that text; case and accents do not count
---@param l any
---@param wanted any
---@return boolean
---@overload fun(l: rosterd.Field, wanted: any): rosterd.Field
function lists.contains(l, wanted) end

--- of the first table whose key is wanted, the field "value" or the one named
---@param l any
---@param key any
---@param wanted any
---@param field? any
---@return any
---@overload fun(l: rosterd.Field, key: any, wanted: any, field: any): rosterd.Field
function lists.pick(l, key, wanted, field) end

--- the field of a table by its name, and so on into nested ones
---@param l any
---@param ... any
---@return any
---@overload fun(l: rosterd.Field, ...: any): rosterd.Field
function get(l, ...) end

re = {}

--- whether the RE2 pattern is found in s
---@param s any
---@param pattern any
---@return boolean
---@overload fun(s: rosterd.Field, pattern: any): rosterd.Field
function re.match(s, pattern) end

--- the first group of the first match, or the whole match without groups
---@param s any
---@param pattern any
---@return string?
---@overload fun(s: rosterd.Field, pattern: any): rosterd.Field
function re.find(s, pattern) end

--- every match replaced; $1 is the first group
---@param s any
---@param pattern any
---@param to any
---@return string?
---@overload fun(s: rosterd.Field, pattern: any, to: any): rosterd.Field
function re.replace(s, pattern, to) end

--- from a CSV file below scripts_dir: of the row whose first column is s, the second column or the one named
---@param table any
---@param s any
---@param default? any
---@param column? any
---@return string?
---@overload fun(table: rosterd.Field, s: any, default: any, column: any): rosterd.Field
function lookup(table, s, default, column) end

--- the first argument that is not blank
---@param ... any
---@return any
function first(...) end

--- whether s is one of the texts behind it
---@param s any
---@param ... any
---@return boolean
---@overload fun(s: rosterd.Field, ...: any): rosterd.Field
function is(s, ...) end

--- whether there is something that is not blank
---@param s any
---@return boolean
---@overload fun(s: rosterd.Field): rosterd.Field
function present(s) end

--- whether there is nothing, or something blank
---@param s any
---@return boolean
---@overload fun(s: rosterd.Field): rosterd.Field
function absent(s) end

--- whether all arguments hold
---@param ... any
---@return boolean
function all(...) end

--- whether one of the arguments holds
---@param ... any
---@return boolean
function any(...) end

--- whether it does not hold
---@param condition any
---@return boolean
---@overload fun(condition: rosterd.Field): rosterd.Field
function no(condition) end

--- whether a is a number smaller than b
---@param a any
---@param b any
---@return boolean
---@overload fun(a: rosterd.Field, b: any): rosterd.Field
function lt(a, b) end

--- whether a is a number not larger than b
---@param a any
---@param b any
---@return boolean
---@overload fun(a: rosterd.Field, b: any): rosterd.Field
function le(a, b) end

--- whether a is a number larger than b
---@param a any
---@param b any
---@return boolean
---@overload fun(a: rosterd.Field, b: any): rosterd.Field
function gt(a, b) end

--- whether a is a number not smaller than b
---@param a any
---@param b any
---@return boolean
---@overload fun(a: rosterd.Field, b: any): rosterd.Field
function ge(a, b) end

