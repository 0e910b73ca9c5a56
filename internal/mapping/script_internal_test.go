package mapping

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// newTestEngine loads a script for an account of two clubs.
func newTestEngine(t *testing.T, source string) *engine {
	t.Helper()
	c := Context{
		Account: "acme", Job: "acme/launch", Country: "CA", ClubsRequired: true,
		Clubs: map[string]Club{"": {Key: "downtown", Name: "Downtown"}, "2": {Key: "thames", Country: "GB"}},
	}
	e, err := newEngine(t.Context(), Script{Name: "x.lua", Source: []byte(source)}, c, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e
}

// mapIn maps one record, written as in a case.
func mapIn(t *testing.T, e *engine, in string) (roster.MappedRecord, []string) {
	t.Helper()
	page, err := casePage(sdk.KindMember, []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	mapped := e.mapPage(page, rowSet{to: 1}, func(int) {})
	return mapped.Records[0], mapped.Fields
}

func TestAScriptIsToldTheKindOfEachRecord(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `function map(record, context) return { first_name = context.kind } end`)
	for _, kind := range []sdk.Kind{sdk.KindProspect, sdk.KindMember} {
		page, err := casePage(kind, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		got := string(e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0].Data)
		if want := `{"first_name":"` + string(kind) + `","external_id":"1"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAScriptsResultBecomesOneObjectInAFixedOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ result, in, want, key string }{
		"every type": {
			`{ first_name = "Ann", vip = true, staff = false, visits = 12, rate = 2.5, gone = null, left = nil }`, `{}`,
			`{"first_name":"Ann","gone":null,"rate":2.5,"staff":false,"vip":true,"visits":12,"external_id":"1"}`, "1",
		},
		"the source id is the key": {`{ first_name = "Ann" }`, `{"@id": "m-7"}`, `{"first_name":"Ann","external_id":"m-7"}`, "m-7"},
		"a key of the script's own": {
			`{ first_name = "Ann", external_id = "x" .. record.id }`, `{"@id": "7"}`, `{"first_name":"Ann","external_id":"x7"}`, "x7",
		},
		"a number as key": {`{ first_name = "Ann", external_id = 4 }`, `{}`, `{"first_name":"Ann","external_id":4}`, "4"},
		"null as key":     {`{ first_name = "Ann", external_id = null }`, `{}`, `{"first_name":"Ann","external_id":"1"}`, "1"},
		"escapes": {
			`{ first_name = record.a }`, `{"a": "q\" b\\ n\n t\t c\u0001 é <&>"}`,
			`{"first_name":"q\" b\\ n\n t\t c\u0001 é <&>","external_id":"1"}`, "1",
		},
		"broken UTF-8":        {`{ first_name = "a\255b" }`, `{}`, "{\"first_name\":\"a\uFFFDb\",\"external_id\":\"1\"}", "1"},
		"numbers are text":    {`{ first_name = record.n }`, `{"n": 12345678901234567890}`, `{"first_name":"12345678901234567890","external_id":"1"}`, "1"},
		"a column wins":       {`{ first_name = record.id .. record.club }`, `{"@id": "7", "id": "a", "club": "b"}`, `{"first_name":"ab","external_id":"7"}`, "7"},
		"the record's club":   {`{ first_name = record.club }`, `{"@club": "2"}`, `{"first_name":"thames","external_id":"1"}`, "1"},
		"nested JSON":         {`{ first_name = record.o.a[2].b }`, `{"o": {"a": [1, {"b": "deep"}]}}`, `{"first_name":"deep","external_id":"1"}`, "1"},
		"null of the source":  {`{ first_name = "Ann", gone = record.n == null }`, `{"n": null}`, `{"first_name":"Ann","gone":true,"external_id":"1"}`, "1"},
		"an absent field":     {`{ first_name = "Ann", gone = record.n == nil }`, `{}`, `{"first_name":"Ann","gone":true,"external_id":"1"}`, "1"},
		"the context":         {`{ first_name = context.clubs[record.club].name .. context.country .. context.kind }`, `{}`, `{"first_name":"DowntownCAmember","external_id":"1"}`, "1"},
		"tostring is stable":  {`{ first_name = tostring({}) .. tostring(map) .. string.format("%s", record) }`, `{}`, `{"first_name":"tablefunctionrecord","external_id":"1"}`, "1"},
		"methods of texts":    {`{ first_name = record.a:upper() }`, `{"a": "ann"}`, `{"first_name":"ANN","external_id":"1"}`, "1"},
		"pcall catches":       {`{ first_name = tostring(pcall(error, "x")) }`, `{}`, `{"first_name":"false","external_id":"1"}`, "1"},
		"a fraction, a minus": {`{ first_name = "A", a = -3, b = 0.1, c = 1e15 }`, `{}`, `{"a":-3,"b":0.1,"c":1000000000000000,"first_name":"A","external_id":"1"}`, "1"},
	} {
		e := newTestEngine(t, "function map(record, context) return "+test.result+" end")
		got, fields := mapIn(t, e, test.in)
		if string(got.Data) != test.want || got.Key != test.key {
			t.Errorf("%s: %s with key %q (%s), want %s with key %q", name, got.Data, got.Key, got.Reason, test.want, test.key)
		}
		if !json.Valid(got.Data) {
			t.Errorf("%s: %s is no JSON", name, got.Data)
		}
		for _, field := range fields {
			if field == "external_id" {
				t.Errorf("%s: the key field is one of the fields", name)
			}
		}
	}
}

func TestARecordThatIsNotMappedSaysWhy(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 300)
	for name, test := range map[string]struct {
		body, in string
		verdict  roster.Verdict
		code     string
		reason   string
		line     int
	}{
		"nil with a reason":   {`return nil, "no wish"`, `{}`, roster.VerdictSkipped, "", "no wish", 0},
		"nil alone":           {`return nil`, `{}`, roster.VerdictSkipped, "", "the script returned no record", 0},
		"skip":                {"\nskip('gone')", `{}`, roster.VerdictSkipped, "", "gone", 2},
		"return skip":         {"\n\nreturn skip('gone')", `{}`, roster.VerdictSkipped, "", "gone", 3},
		"skip through pcall":  {`pcall(function() skip("gone") end) return {first_name = "A"}`, `{}`, roster.VerdictSkipped, "", "gone", 1},
		"reject":              {`reject("no wish")`, `{}`, roster.VerdictRejected, roster.CodeMapRejected, "no wish", 1},
		"a long reason":       {`skip(record.a)`, `{"a": "` + long + `"}`, roster.VerdictSkipped, "", long[:400], 1},
		"no first name":       {`return {first_name = "  "}`, `{}`, roster.VerdictRejected, roster.CodeFreezeMissing, "first_name is missing", 0},
		"null first name":     {`return {first_name = null}`, `{}`, roster.VerdictRejected, roster.CodeFreezeMissing, "first_name is missing", 0},
		"a table as field":    {`return {first_name = "A", tags = {}}`, `{}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua:1: field tags is a table; a field is text, a number, true, false or null", 1},
		"the record as field": {`return {first_name = record}`, `{}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua:1: field first_name is a record; a field is text, a number, true, false or null", 1},
		"a computed name":     {`return {first_name = "A", [record.a] = {}}`, `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua: field with a computed name is a table; a field is text, a number, true, false or null", 0},
		"infinity":            {`return {first_name = "A", n = 1/0}`, `{}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua:1: field n is a number that is not finite or beyond 2^53; use text for long ids", 1},
		"a bool as key":       {`return {first_name = "A", external_id = true}`, `{}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua:1: field external_id is a boolean; an id is text or a whole number", 1},
		"a text as result":    {`return "Ann"`, `{}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua: map returned a string, not a table of fields", 0},
		"a list as result":    {`return {"Ann"}`, `{}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua: the table that map returned has a key that is no text", 0},
		"an unknown club":     {`return {first_name = "A"}`, `{"@club": "77"}`, roster.VerdictRejected, roster.CodeMapClub, "the record's club is not one of the connection's clubs", 0},
		"writes the record":   {`record.a = 1`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: the record is read-only", 1},
		"writes the context":  {`context.a = 1`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: the context is read-only", 1},
		"writes the library":  {`text.a = 1`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: the library is read-only", 1},
		"hijacks texts":       {`getmetatable("").__index = 1`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: attempt to index a boolean value (field '__index')", 1},
		"indexes nil":         {"\nreturn {first_name = record.a.name}", `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:2: attempt to index a nil value (field 'name')", 2},
		"indexes by a value":  {`local t; return t[record.a]`, `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: attempt to index a nil value (field '…')", 1},
		"raises a value":      {`error("bad " .. record.a)`, `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: the script raised an error whose text is not shown, because it may hold values of the record", 1},
		"raises a literal":    {`error("no plan")`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: no plan", 1},
		"raises a table":      {`error({a = record.a})`, `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: the script raised an error that is no text", 1},
		"compares":            {`return record.a < 3`, `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: attempt to compare string with number", 1},
		"adds":                {`return record.a + 3`, `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: cannot perform add operation between string and number", 1},
		"a bad argument":      {`return text.trim({})`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: text.trim: the first argument is no text", 1},
		"a bad layout":        {`return date.parse("x", "on monday")`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: date.parse: the second argument is no layout: one is made of YYYY YY MMMM MMM MM M DD D HH mm ss and signs", 1},
		"a wide format":       {`return string.format("%999999d", 1)`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: bad argument #1 to format (width or precision too long)", 1},
		"a long concat":       {`local s = ("x"):rep(1000000) return table.concat({s, s})`, `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: the text would be longer than 1 MiB", 1},
	} {
		e := newTestEngine(t, "function map(record, context) "+test.body+" end")
		got, _ := mapIn(t, e, test.in)
		if got.Verdict != test.verdict || got.Code != test.code || got.Reason != test.reason || test.line > 0 && got.Line != test.line {
			t.Errorf("%s: verdict %d, code %q, line %d\n got %q\nwant %q", name, got.Verdict, got.Code, got.Line, got.Reason, test.reason)
		}
		if test.verdict == roster.VerdictRejected && !json.Valid(got.Payload) {
			t.Errorf("%s: payload %q is no JSON", name, got.Payload)
		}
		if strings.Contains(got.Reason, "secret") {
			t.Errorf("%s: the reason holds a value of the record", name)
		}
	}
}

func TestARejectedRecordComesWholeAsJSON(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `function map() reject("x") end`)
	got, _ := mapIn(t, e, `{"@id": "7", "@club": "2", "b": true, "j": [1, {"x": null}], "n": 1.50, "s": "é\"", "z": null}`)
	want := `{"id":"7","club":"2","fields":{"b":true,"j":[1, {"x": null}],"n":1.50,"s":"é\"","z":null}}`
	if diff := cmp.Diff(want, string(got.Payload)); diff != "" {
		t.Error(diff)
	}
}

func TestPairsWalksTheRecordInOrder(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `function map(record)
		local s = ""
		for name, value in pairs(record) do s = s .. name .. "=" .. tostring(value) .. ";" end
		for k, v in pairs({7}) do s = s .. k .. v end
		return { first_name = s }
	end`)
	got, _ := mapIn(t, e, `{"c": "3", "a": 1, "b": null}`)
	if want := `{"first_name":"a=1;b=null;c=3;17","external_id":"1"}`; string(got.Data) != want {
		t.Errorf("%s (%s), want %s", got.Data, got.Reason, want)
	}
}

func TestAFaultyScriptIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source, message string
		line            int
	}{
		"syntax":             {"function map(r)\n  return { a != 1 }\nend", `syntax error near "!"`, 2},
		"no end":             {"function map(r)\n  return 1", "syntax error: the script ends in the middle of a statement", 0},
		"no map":             {"function mapp(r) end", "the script neither returns a plan nor has a function `map`", 0},
		"map is no function": {"map = 3", "the script neither returns a plan nor has a function `map`", 0},
		"global in map":      {"function map(r)\n  count = 1\nend", `assignment to the global "count" inside a function`, 2},
		"unknown name":       {"function map(r)\n  return { a = recordd.a }\nend", `unknown name "recordd"`, 2},
		"files":              {"function map(r)\n io.open('/etc/passwd') end", `unknown name "io"`, 2},
		"loaders":            {"local f = loadstring('return 1')\nfunction map(r) end", `unknown name "loadstring"`, 1},
		"replaces library":   {"text = {}\nfunction map(r) end", `"text" is part of the library and cannot be replaced`, 1},
		"fails at the top":   {"local t\nlocal x = t.name\nfunction map(r) end", "attempt to index a nil value (field 'name')", 2},
		"never loads":        {"while true do end", "the script did not finish loading within 1s", 0},
		"too deep":           {"function map(r)\n return " + strings.Repeat("{", 300) + strings.Repeat("}", 300) + " end", "blocks or brackets nest deeper than 200 levels", 2},
		"too deep in words":  {strings.Repeat("do ", 300) + strings.Repeat("end ", 300), "blocks or brackets nest deeper than 200 levels", 1},
		"too large":          {strings.Repeat("-- x\n", 20000), "the script has 100000 bytes, at most 65536 are allowed", 0},
	} {
		fault, ok := errors.AsType[*ScriptError](Check("x.lua", []byte(test.source)))
		if !ok || fault.Message != test.message || fault.Line != test.line || fault.File != "x.lua" {
			t.Errorf("%s: %+v, want line %d: %s", name, fault, test.line, test.message)
		}
	}
	for name, source := range map[string]string{
		"brackets in texts":    "local s = '" + strings.Repeat("(", 300) + "' -- " + strings.Repeat("{", 300) + "\nlocal l = [==[" + strings.Repeat("{", 300) + "]==]\nfunction map(r) return s, l end",
		"functions of its own": "local function f(x) return x end\nplans = {gold = 1}\nfunction g(x) return plans[f(x)] end\nfunction map(r) return g(r.plan) end",
	} {
		if err := Check("x.lua", []byte(source)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzCheckNeverPanics(f *testing.F) {
	f.Add("function map(r) return { a = r.a } end")
	f.Add("local t = {[[x]], 'y', \"z\"} -- [=[ c ]=]\nfunction map() end")
	f.Fuzz(func(t *testing.T, source string) {
		if _, err := compile(Script{Name: "x.lua", Source: []byte(source)}); err != nil {
			if _, ok := errors.AsType[*ScriptError](err); !ok {
				t.Errorf("%v is no ScriptError", err)
			}
		}
	})
}
