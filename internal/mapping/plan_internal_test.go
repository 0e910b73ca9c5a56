package mapping

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestAPlanMapsARecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ plan, in, want string }{
		"methods":           {`first_name = source.first:trim():title()`, `{"first": " ANN "}`, `{"first_name":"Ann","external_id":"1"}`},
		"functions":         {`first_name = text.title(source.first)`, `{"first": "ANN"}`, `{"first_name":"Ann","external_id":"1"}`},
		"an empty field":    {`first_name = "Ann", email = source.e:email()`, `{"e": "nobody"}`, `{"first_name":"Ann","external_id":"1"}`},
		"first":             {`first_name = "A", phone = first(source.m:phone(), source.h:phone())`, `{"m": "x", "h": "416 555 0123"}`, `{"first_name":"A","phone":"+14165550123","external_id":"1"}`},
		"the club's phones": {`first_name = "A", phone = source.m:phone()`, `{"@club": "2", "m": "07911 123456"}`, `{"first_name":"A","phone":"+447911123456","external_id":"1"}`},
		"join":              {`first_name = text.join(" ", source.a, source.b, "x")`, `{"a": " Ann ", "b": ""}`, `{"first_name":"Ann x","external_id":"1"}`},
		"address":           {`first_name = "A", address = address.join(source.s, source.c)`, `{"s": "1 Main St,", "c": "Toronto"}`, `{"address":"1 Main St, Toronto","first_name":"A","external_id":"1"}`},
		"a date":            {`first_name = "A", born = source.d:date("DD/MM/YYYY", "YYYY-MM-DD")`, `{"d": "31/12/1990"}`, `{"born":"1990-12-31","first_name":"A","external_id":"1"}`},
		"when":              {`first_name = "A", status = when(source.s:lower():is("active", "gold"), "lead", "inactive")`, `{"s": "GOLD"}`, `{"first_name":"A","status":"lead","external_id":"1"}`},
		"when without else": {`first_name = "A", vip = when(source.s:is("x"), true)`, `{"s": "y"}`, `{"first_name":"A","external_id":"1"}`},
		"constants":         {`first_name = "A", n = 4, yes = true, gone = null, c = const("x"):upper()`, `{}`, `{"c":"X","first_name":"A","gone":null,"n":4,"yes":true,"external_id":"1"}`},
		"joining with ..":   {`first_name = source.a .. "-" .. source.b`, `{"a": "x", "b": "y"}`, `{"first_name":"x-y","external_id":"1"}`},
		"a calculation":     {`first_name = "A", cents = source.price * 100 + 1`, `{"price": "2.5"}`, `{"cents":251,"first_name":"A","external_id":"1"}`},
		"comparing numbers": {`first_name = "A", old = source.age:ge(65), young = all(source.age:lt(18), source.age:present())`, `{"age": 70}`, `{"first_name":"A","old":true,"young":false,"external_id":"1"}`},
		"no, any, absent":   {`first_name = "A", a = no(source.x:absent()), b = any(source.x:absent(), source.y:absent())`, `{"x": "1"}`, `{"a":true,"b":true,"first_name":"A","external_id":"1"}`},
		"a field by call":   {`first_name = call(function(record, context) return record.a .. context.country end)`, `{"a": "x"}`, `{"first_name":"xCA","external_id":"1"}`},
		"a column named id": {`first_name = source.id .. source.club`, `{"@id": "7"}`, `{"first_name":"7downtown","external_id":"7"}`},
		"a key of its own":  {`first_name = "A", external_id = "g" .. source.id`, `{"@id": "7"}`, `{"first_name":"A","external_id":"g7"}`},
		"a spaced name":     {`first_name = source["First Name"]`, `{"First Name": "Ann"}`, `{"first_name":"Ann","external_id":"1"}`},
	} {
		e := newTestEngine(t, "return mapping{ "+test.plan+" }")
		got, _ := mapIn(t, e, test.in)
		if string(got.Data) != test.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Data, got.Reason, test.want)
		}
	}
}

func TestAPlanThatMapsNoRecordSaysWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plan, in string
		verdict  roster.Verdict
		code     string
		reason   string
		line     int
	}{
		"a rule skips":     {"\n when(source.s:is(\"gone\"), skip(\"gone from the list\")),\n first_name = source.a", `{"s": "gone"}`, roster.VerdictSkipped, "", "gone from the list", 2},
		"a rule rejects":   {"\n when(source.s:absent(), reject(\"no status\")),\n first_name = source.a", `{}`, roster.VerdictRejected, roster.CodeMapRejected, "no status", 2},
		"a field rejects":  {"\n first_name = first(source.a, reject(\"nameless\"))", `{}`, roster.VerdictRejected, roster.CodeMapRejected, "nameless", 2},
		"a missing field":  {"first_name = source.a", `{}`, roster.VerdictRejected, roster.CodeFreezeMissing, "first_name is missing", 0},
		"no number":        {"first_name = \"A\",\n n = source.a * 2", `{"a": "secret"}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:2: *: a value in a calculation is no number", 2},
		"an error in call": {"\n first_name = call(function(record) return record.a.b.c end)", `{}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:2: attempt to index a nil value (field 'b')", 2},
		"a table":          {"first_name = source.a:title()", `{"a": [1]}`, roster.VerdictRejected, roster.CodeMapError, "x.lua:1: text.title: the first argument is no text", 1},
		"too much of it":   {"first_name = source.a", `{"a": [1]}`, roster.VerdictRejected, roster.CodeMapInvalid, "x.lua:1: field first_name is a table; a field is text, a number, true, false or null", 1},
	} {
		e := newTestEngine(t, "return mapping{ "+test.plan+" }")
		got, _ := mapIn(t, e, test.in)
		if got.Verdict != test.verdict || got.Code != test.code || got.Reason != test.reason || got.Line != test.line {
			t.Errorf("%s: verdict %d, code %q, line %d, %q", name, got.Verdict, got.Code, got.Line, got.Reason)
		}
	}
}

func TestAFaultyPlanIsFoundWhenItIsLoaded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script, want string
		line         int
	}{
		"an unknown method":     {"return mapping{\n a = source.b:titel() }", "a field has no method titel; it has ", 2},
		"a bad layout":          {"return mapping{\n a = source.b:date(\"on monday\") }", "date.parse: the second argument is no layout", 2},
		"compared with ==":      {"return mapping{\n a = when(source.b == \"x\", 1) }", "the condition of when is decided before any record is there", 2},
		"compared with <":       {"return mapping{\n a = source.b < source.c }", "fields are compared with :lt()", 2},
		"a function as a field": {"return mapping{\n a = function() end }", "a function cannot stand in a plan; wrap Lua code as call(", 1},
		"a rule that is none":   {"return mapping{\n \"x\" }", "a rule of the mapping is written when(", 1},
		"source in a function":  {"local x = (function() return source end)()\nx = x.a\nfunction map(r) return 1 end\nreturn mapping{}", "a plan and a function `map`", 0},
		"written":               {"source.a = 1\nreturn mapping{}", "", 1},
	} {
		_, err := newEngine(t.Context(), Script{Name: "x.lua", Source: []byte(test.script)}, Context{}, roster.ImportTarget(sdk.KindMember))
		fault, ok := errors.AsType[*ScriptError](err)
		if !ok || !strings.Contains(fault.Message, test.want) || fault.Line != test.line {
			t.Errorf("%s: %v, want line %d: %s", name, err, test.line, test.want)
		}
	}
}

func TestPartsOfAPlanAreRefusedWhileRecordsAreMapped(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`source.a`, `mapping{}`, `call(function() end)`} {
		e := newTestEngine(t, "function map() return { first_name = "+body+" } end")
		got, _ := mapIn(t, e, `{}`)
		if got.Code != roster.CodeMapError || !strings.Contains(got.Reason, "belongs to a plan") {
			t.Errorf("%s: code %q, %q", body, got.Code, got.Reason)
		}
	}
}

// TestPlansAndFunctionsGiveTheSame applies every function of the library to the
// same arguments in both forms.
func TestPlansAndFunctionsGiveTheSame(t *testing.T) {
	t.Parallel()
	for _, f := range functions() {
		t.Run(f.fullName(), func(t *testing.T) {
			t.Parallel()
			most := len(strings.Split(f.params, ", "))
			if strings.HasSuffix(f.params, "...") {
				most += 2
			}
			for count := range most + 1 {
				sameInBothForms(t, f, count)
			}
		})
	}
}

// sameInBothForms compares the forms for many records, with that many
// arguments.
func sameInBothForms(t *testing.T, f function, count int) {
	t.Helper()
	args := make([]string, count)
	for i := range args {
		args[i] = sampleArgument(f, i)
	}
	call := `first_name = "A", x = ` + f.fullName() + "(" + strings.Join(args, ", ") + ")"
	forms := map[string]string{"plan": "return mapping{ " + strings.ReplaceAll(call, "record.", "source.") + " }"}
	if i := f.subject(); f.method != "" && count > i {
		others := slices.Delete(slices.Clone(args), i, i+1)
		method := args[i] + ":" + f.method + "(" + strings.Join(others, ", ") + ")"
		forms["method"] = `return mapping{ first_name = "A", x = ` + strings.ReplaceAll(method, "record.", "source.") + " }"
	}
	records := sampleRecords()
	want := mapAll(t, "function map(record) return { "+call+" } end", records)
	for form, script := range forms {
		if diff := cmp.Diff(want, mapAll(t, script, records)); diff != "" {
			t.Errorf("%s (-function +%s):\n%s", script, form, diff)
		}
	}
}

// sampleArgument is a field, or what a plan needs as a constant.
func sampleArgument(f function, i int) string {
	params := strings.Split(f.params, ", ")
	name := params[min(i, len(params)-1)]
	switch {
	case f.table == "date" && i > 0:
		return `"DD/MM/YYYY"`
	case name == "n":
		return "2"
	case name == "table":
		return `"cities.csv"`
	case name == "[column]":
		return `"zone"`
	case name == "pattern":
		return `"(\\w+)\\s+"`
	}
	return "record." + string(rune('a'+i))
}

// sampleRecords have the fields a to e in many combinations.
func sampleRecords() []string {
	samples := []string{
		`""`, `" "`, `"ANN o'neil"`, `" Ann@Example.COM "`, `"416 555 0123 x9"`, `"+44 7911 123456"`, `"31/12/1990"`, `"1990-12-31"`, `"12"`, `"-3.5"`,
		`"gold"`, `"é å"`, `"x\"y"`, `null`, `"$1,234.50"`, `"Kanada"`, `"Ontario"`, `"O"`, `"a,b;c"`, `["a","b",null,"é"]`, `{"k":"v"}`, `[{"label":"Locker","value":7}]`,
		`true`, `12345678901234567890`, `"Toronto"`, `","`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	var records []string
	for _, a := range samples {
		for range 4 {
			record := `{"a": ` + a
			for _, name := range "bcde" {
				record += `, "` + string(name) + `": ` + samples[random.IntN(len(samples))]
			}
			records = append(records, record+"}")
		}
	}
	return append(records, "{}")
}

// mapAll maps records one by one. A fault that a plan has when it is loaded a
// function has with every record.
func mapAll(t *testing.T, script string, records []string) []string {
	t.Helper()
	e, err := newEngine(t.Context(), sampleScript(script), Context{Country: "CA"}, roster.ImportTarget(sdk.KindMember))
	if _, ok := errors.AsType[*ScriptError](err); ok && strings.HasPrefix(script, "return") {
		return slices.Repeat([]string{roster.CodeMapError}, len(records))
	}
	if err != nil {
		t.Fatal(script, err)
	}
	defer e.close()
	out := make([]string, len(records))
	for i, record := range records {
		got, _ := mapIn(t, e, record)
		out[i] = string(got.Data) + got.Code
	}
	return out
}

func sampleScript(source string) Script {
	tables := map[string][]byte{"cities.csv": []byte("city,region,zone\nToronto,Ontario,east\nANN O'NEIL,x,y\né å,z,\n")}
	return Script{Name: "x.lua", Source: []byte(source), Tables: tables}
}

func TestAPlanIsReadWithoutBeingRun(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `return mapping{
  when(source.status:lower():is("deleted"), skip("deleted")),
  first_name = source.first:trim():title(),
  phone = first(source.mobile:phone(), source.home:phone()),
  kind = "member",
  note = call(function(record) return record.x end),
}`)
	want := []Lineage{
		{Sources: []string{"status"}, Steps: []string{"lower", "is", "when"}, Line: 2, Decides: "skip", Reason: "deleted"},
		{Field: "first_name", Sources: []string{"first"}, Steps: []string{"trim", "title"}, Line: 3},
		{Field: "kind", Sources: []string{}, Constant: true},
		{Field: "note", Sources: []string{}, Line: 6, Code: true},
		{Field: "phone", Sources: []string{"mobile", "home"}, Steps: []string{"phone.e164", "phone.e164", "first"}, Line: 4},
	}
	if diff := cmp.Diff(want, e.plan.lineage()); diff != "" {
		t.Errorf("lineage (-want +got):\n%s", diff)
	}
}

func TestNamesThatAreNoColumnAreTold(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		`return mapping{ first_name = source.first, email = source.email, club = source.club }`,
		`function map(record) return { first_name = record.first, email = record.email, x = record[record.first], id = record.id } end`,
	} {
		e := newTestEngine(t, script)
		page, err := casePage(sdk.KindMember, []byte(`{"first": "Ann", "e_mail": "ann@example.com"}`))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := e.mapPage(page, rowSet{to: 1}, func(int) {}).Unknown
			if diff := cmp.Diff([]string{"email"}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", script, diff)
			}
		}
	}
}
