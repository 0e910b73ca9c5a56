package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
		"too much of it":   {"first_name = source.a", `{"a": [1]}`, roster.VerdictRejected, roster.CodeMapInvalid, "field first_name is a table; a field is text, a number, true, false or null", 0},
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
	all := functions()
	texts := rapid.SampledFrom([]string{
		"", " ", "ANN o'neil", " Ann@Example.COM ", "416 555 0123", "+44 7911 123456", "31/12/1990", "1990-12-31", "12", "-3.5", "gold", "é å", "x\"y",
	})
	rapid.Check(t, func(t *rapid.T) {
		f := all[rapid.IntRange(0, len(all)-1).Draw(t, "function")]
		args := make([]string, rapid.IntRange(1, 3).Draw(t, "count"))
		record := map[string]string{}
		for i := range args {
			args[i] = string(rune('a' + i))
			record[args[i]] = texts.Draw(t, "argument")
		}
		if f.name == "parse" { // its layouts stand in the script
			args = args[:1]
		}
		in, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		lua := `first_name = "A", x = ` + f.fullName() + "(record." + strings.Join(args, ", record.") + ")"
		want := mapOnce(t, "function map(record) return { "+lua+" } end", in)
		got := mapOnce(t, "return mapping{ "+strings.ReplaceAll(lua, "record.", "source.")+" }", in)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s of %s (-function +plan):\n%s", f.fullName(), in, diff)
		}
		if f.method == "" {
			return
		}
		method := `first_name = "A", x = source.` + args[0] + ":" + f.method + "("
		for i, arg := range args[1:] {
			if i > 0 {
				method += ", "
			}
			method += "source." + arg
		}
		if diff := cmp.Diff(want, mapOnce(t, "return mapping{ "+method+") }", in)); diff != "" {
			t.Fatalf(":%s of %s (-function +method):\n%s", f.method, in, diff)
		}
	})
}

// mapOnce maps one record with a script of its own.
func mapOnce(t *rapid.T, script string, in []byte) string {
	t.Helper()
	c := Context{Country: "CA"}
	e, err := newEngine(context.Background(), Script{Name: "x.lua", Source: []byte(script)}, c, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(script, err)
	}
	defer e.close()
	page, err := casePage(sdk.KindMember, in)
	if err != nil {
		t.Fatal(err)
	}
	r := e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0]
	return string(r.Data) + r.Code
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
