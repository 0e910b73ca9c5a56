package mapping

import (
	"math"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// function is one function of the library. It stands once in the table that
// [functions] returns; from there come the function for Lua code, the method on
// a field of a plan, the documentation and the editor's definitions.
type function struct {
	// table is the global that holds it, empty for a global function.
	table, name string
	// method is its name behind a field of a plan; empty for none. The field is
	// then the first argument.
	method string
	// params name the arguments: "sep", an optional "[country]", or "..." for
	// any number more. The field that a method stands behind is the argument s,
	// or the first one where none has that name.
	params string
	// returns is what comes out where something comes out: text, number, bool,
	// list, or value for any of them.
	returns string
	// doc says what it returns, in a few words.
	doc string
	fn  func(e *engine, args []value) value
}

// functions is the library. The functions of fields share one rule: nothing in
// (nil, null, a blank text) is nil out, so that an empty cell leaves the target
// field out.
func functions() []function {
	return slices.Concat(
		textFunctions(), moreTextFunctions(), nameFunctions(), contactFunctions(), dateFunctions(), placeFunctions(),
		moneyFunctions(), listFunctions(), regexFunctions(), lookupFunctions(), choiceFunctions(), conditionFunctions(),
	)
}

func textFunctions() []function {
	return []function{
		{"text", "trim", "trim", "s", "text", "without white space at both ends", onText(trim)},
		{"text", "title", "title", "s", "text", "\"o'NEIL\" and \"JANE\" as names; mixed case is kept", onText(titleName)},
		{"text", "lower", "lower", "s", "text", "in small letters", onText(lowerText)},
		{"text", "upper", "upper", "s", "text", "in capitals", onText(upperText)},
		{"text", "digits", "digits", "s", "text", "only the digits", onText(digits)},
		{"text", "join", "", "sep, ...", "text", "the parts that are not blank, with sep between them", joinTexts},
	}
}

func contactFunctions() []function {
	return []function{
		{"email", "normalize", "email", "s", "text", "an address with its domain in small letters", onText(normalizeEmail)},
		{"email", "key", "email_key", "s", "text", "a key to compare addresses by: all in small letters", onText(emailKey)},
		{"phone", "e164", "phone", "s, [country]", "text", "+15551234567; the country is the club's if not given", onPhone((*phoneBook).normalize)},
		{"phone", "national", "national", "s, [country]", "text", "(555) 123-4567, as it is written in its own country", onPhone((*phoneBook).national)},
		{"phone", "extension", "extension", "s, [country]", "text", "the extension behind a number: 12 of 555-123-4567 x12", onPhone((*phoneBook).extension)},
		{"address", "join", "", "...", "text", "the parts that are not blank, with commas", joinedAddress},
		{"address", "part", "address_part", "s, n", "text", "part n of an address in one line or several; -1 is the last, and blank parts do not count", partOfAddress},
		{"address", "parts", "address_parts", "s", "list", "the parts of an address in one line or several", partsOfAddress},
	}
}

func dateFunctions() []function {
	return []function{
		{"date", "parse", "date", "s, ...", "text", "YYYY-MM-DD, by layouts like \"DD/MM/YYYY\"", parsedDate},
		{"date", "year", "year", "s, ...", "number", "the year of a date, by layouts like those of date.parse", dateYear},
	}
}

func choiceFunctions() []function {
	return []function{
		{"", "first", "", "...", "value", "the first argument that is not blank", firstValue},
		{"", "is", "is", "s, ...", "bool", "whether s is one of the texts behind it", isOneOf},
		{"", "present", "present", "s", "bool", "whether there is something that is not blank", func(_ *engine, args []value) value {
			return boolValue(!isNothing(argument(args, 0)))
		}},
		{"", "absent", "absent", "s", "bool", "whether there is nothing, or something blank", func(_ *engine, args []value) value {
			return boolValue(isNothing(argument(args, 0)))
		}},
	}
}

func conditionFunctions() []function {
	return []function{
		{"", "all", "", "...", "bool", "whether all arguments hold", func(_ *engine, args []value) value {
			return boolValue(!slices.ContainsFunc(args, func(v value) bool { return !v.isTrue() }))
		}},
		{"", "any", "", "...", "bool", "whether one of the arguments holds", func(_ *engine, args []value) value {
			return boolValue(slices.ContainsFunc(args, value.isTrue))
		}},
		{"", "no", "", "condition", "bool", "whether it does not hold", func(_ *engine, args []value) value {
			return boolValue(!argument(args, 0).isTrue())
		}},
		{"", "lt", "lt", "a, b", "bool", "whether a is a number smaller than b", compare(func(a, b float64) bool { return a < b })},
		{"", "le", "le", "a, b", "bool", "whether a is a number not larger than b", compare(func(a, b float64) bool { return a <= b })},
		{"", "gt", "gt", "a, b", "bool", "whether a is a number larger than b", compare(func(a, b float64) bool { return a > b })},
		{"", "ge", "ge", "a, b", "bool", "whether a is a number not smaller than b", compare(func(a, b float64) bool { return a >= b })},
	}
}

// subject is the argument whose place the field takes in a method.
func (f *function) subject() int {
	return max(slices.Index(strings.Split(f.params, ", "), "s"), 0)
}

// argument returns an argument, or nothing for one that was not given.
func argument(args []value, i int) value {
	if i < len(args) {
		return args[i]
	}
	return value{}
}

// badArgument is the error for an argument of the wrong type.
func badArgument(i int, want string) value {
	ordinals := []string{"first", "second", "third", "fourth"}
	which := "one"
	if i < len(ordinals) {
		which = ordinals[i]
	}
	return faultValue("the " + which + " argument is no " + want)
}

// onText makes a function of one text.
func onText(fn func(string) string) func(*engine, []value) value {
	return func(_ *engine, args []value) value {
		text, ok := argument(args, 0).asText()
		if !ok {
			return badArgument(0, "text")
		}
		if text == "" {
			return value{}
		}
		return textValue(fn(text))
	}
}

// joinTexts joins the arguments behind the first.
func joinTexts(_ *engine, args []value) value {
	sep, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	return joinValues(args, 1, sep)
}

// joinedAddress joins the parts of an address.
func joinedAddress(_ *engine, args []value) value {
	var buffer [8]string
	parts := buffer[:0]
	for i, arg := range args {
		part, ok := arg.asText()
		if !ok {
			return badArgument(i, "text")
		}
		if part = trim(part); part != "" {
			parts = append(parts, part)
		}
	}
	return textValue(joinParts(parts))
}

// joinValues joins the arguments from one on that are not blank, trimmed.
func joinValues(args []value, from int, sep string) value {
	var buffer [128]byte
	joined := buffer[:0]
	for i := from; i < len(args); i++ {
		part, ok := args[i].asText()
		if !ok {
			return badArgument(i, "text")
		}
		if part = trim(part); part == "" {
			continue
		}
		if len(joined) > 0 {
			joined = append(joined, sep...)
		}
		joined = append(joined, part...)
	}
	return textValue(string(joined))
}

// wholeArgument returns an argument that is a whole number.
func wholeArgument(args []value, i int) (int, bool) {
	n, ok := argument(args, i).asNumber()
	return int(n), ok && n == math.Trunc(n) && math.Abs(n) <= math.MaxInt32
}

// onPhone makes a function of a phone number. One without a country code
// belongs to the given country, else to the record's club's, else to the
// account's.
func onPhone(fn func(p *phoneBook, s, region string) string) func(*engine, []value) value {
	return func(e *engine, args []value) value {
		text, ok := argument(args, 0).asText()
		if !ok {
			return badArgument(0, "text")
		}
		region, ok := argument(args, 1).asText()
		if !ok {
			return badArgument(1, "text")
		}
		if text == "" {
			return value{}
		}
		if region = strings.ToUpper(trim(region)); region == "" {
			region = e.country()
		}
		return textValue(fn(&e.phones, text, region))
	}
}

// country is the country of the record's club, else of the account.
func (e *engine) country() string {
	if e.club.Country != "" {
		return e.club.Country
	}
	return e.context.Country
}

// firstValue is first for Lua code, where every argument is a value already.
func firstValue(_ *engine, args []value) value {
	for _, arg := range args {
		if !isNothing(arg) {
			return arg
		}
	}
	return value{}
}

// isOneOf compares texts letter by letter, without the white space around them.
func isOneOf(_ *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return boolValue(false)
	}
	text = trim(text)
	for i := 1; i < len(args); i++ {
		other, ok := args[i].asText()
		if !ok {
			return badArgument(i, "text")
		}
		if text == trim(other) && !args[0].isNone() {
			return boolValue(true)
		}
	}
	return boolValue(false)
}

// compare compares numbers; nothing and what is no number compare as false.
func compare(holds func(a, b float64) bool) func(*engine, []value) value {
	return func(_ *engine, args []value) value {
		a, okA := argument(args, 0).asNumber()
		b, okB := argument(args, 1).asNumber()
		return boolValue(okA && okB && holds(a, b))
	}
}

// calculate is an operator between numbers: nothing in is nothing out.
func calculate(of func(a, b float64) float64) func(*engine, []value) value {
	return func(_ *engine, args []value) value {
		if argument(args, 0).isNone() || argument(args, 1).isNone() {
			return value{}
		}
		a, okA := args[0].asNumber()
		b, okB := args[1].asNumber()
		if !okA || !okB {
			return faultValue("a value in a calculation is no number")
		}
		n := of(a, b)
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return faultValue("a calculation has no finite result")
		}
		return numberValue(n)
	}
}

// operators are what Lua's own operators mean between fields of a plan.
func operators() map[string]function {
	concat := func(_ *engine, args []value) value {
		a, okA := argument(args, 0).asText()
		b, okB := argument(args, 1).asText()
		if !okA || !okB {
			return faultValue("a value that is joined with .. is no text")
		}
		if argument(args, 0).kind == kindText || argument(args, 1).kind == kindText {
			// An empty text stays one, as with Lua's own operator.
			return value{kind: kindText, text: a + b}
		}
		return textValue(a + b)
	}
	return map[string]function{
		"__concat": {name: "..", fn: concat},
		"__add":    {name: "+", fn: calculate(func(a, b float64) float64 { return a + b })},
		"__sub":    {name: "-", fn: calculate(func(a, b float64) float64 { return a - b })},
		"__mul":    {name: "*", fn: calculate(func(a, b float64) float64 { return a * b })},
		"__div":    {name: "/", fn: calculate(func(a, b float64) float64 { return a / b })},
	}
}

// fullName is how a script calls the function.
func (f *function) fullName() string {
	if f.table == "" {
		return f.name
	}
	return f.table + "." + f.name
}

// apply calls a function. Its error tells which function it was; line is where
// in the script, or zero.
func (e *engine) apply(f *function, args []value, line int) value {
	v := f.fn(e, args)
	if v.kind == kindFault {
		e.failed, e.failedLine = nil, line
		v.text = f.fullName() + ": " + v.text
	}
	return v
}

// luaFunction is the function as Lua code calls it. While a script is loaded,
// an argument that is a field of a plan makes the call a part of the plan.
func (e *engine) luaFunction(f *function) lua.LGFunction {
	return func(l *lua.LState) int {
		n := l.GetTop()
		args := e.args[:0]
		for i := 1; i <= n; i++ {
			if e.building && isExpression(l.Get(i)) {
				return e.buildApplication(l, f)
			}
			args = append(args, e.valueOf(l.Get(i)))
		}
		e.args = args
		v := e.apply(f, args, 0)
		if v.kind == kindFault {
			l.RaiseError("%s", v.text)
		}
		l.Push(e.toLua(v))
		return 1
	}
}
