package mapping

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// multiEngine loads a script for clients with matters.
func multiEngine(tb testing.TB, source string, form sdk.MatterForm) *engine {
	tb.Helper()
	target := roster.ImportTarget(sdk.KindMember).WithMatters(form)
	e, err := newEngine(tb.Context(), Script{Name: "x.lua", Source: []byte(source)}, Context{}, target)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.close)
	return e
}

func TestMattersBecomeAListWithinTheirClient(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result string
		form   sdk.MatterForm
		want   string
		fields []string
	}{
		"the keys of a form that says nothing": {
			result: `{ first_name = "Ann", matters = { { plan = "gold", name = " Gold " }, { name = 7, active = false, left = null, gone = nil } }, zip = "1" }`,
			want: `{"first_name":"Ann","zip":"1","matters":[{"name":"Gold","plan":"gold"},{"name":"7","active":false,"left":null}],` +
				`"external_id":"1"}`,
			fields: []string{"first_name", "zip", "matters[].name", "matters[].plan", "matters[].active", "matters[].left"},
		},
		"the connection's keys": {
			result: `{ first_name = "Ann", matters = { { name = "Gold", a = 1 } } }`,
			form:   sdk.MatterForm{Key: "deals \"x\"", Name: "title"},
			want:   `{"first_name":"Ann","deals \"x\"":[{"title":"Gold","a":1}],"external_id":"1"}`,
			fields: []string{"first_name", "matters[].title", "matters[].a"},
		},
		"none":          {result: `{ first_name = "Ann", matters = {} }`, want: `{"first_name":"Ann","external_id":"1"}`, fields: []string{"first_name"}},
		"none, by nil":  {result: `{ first_name = "Ann", matters = nil }`, want: `{"first_name":"Ann","external_id":"1"}`, fields: []string{"first_name"}},
		"like a client": {result: `{ first_name = "Ann", name = "x", matters = { { name = "y", first_name = "z" } } }`, want: `{"first_name":"Ann","name":"x","matters":[{"name":"y","first_name":"z"}],"external_id":"1"}`, fields: []string{"first_name", "name", "matters[].name", "matters[].first_name"}},
	} {
		got, fields := mapIn(t, multiEngine(t, "function map() return "+test.result+" end", test.form), `{}`)
		if string(got.Data) != test.want || !json.Valid(got.Data) {
			t.Errorf("%s: %s (%s), want %s", name, got.Data, got.Reason, test.want)
		}
		if diff := cmp.Diff(test.fields, fields); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", name, diff)
		}
	}
}

func TestMattersThatCannotBeWrittenRejectTheirClient(t *testing.T) {
	t.Parallel()
	many := `(function() local all = {} for i = 1, 51 do all[i] = { name = "m" .. i } end return all end)()`
	large := `(function() local all = {} for i = 1, 50 do all[i] = { name = "m" .. i, note = string.rep("x", 9000) } end return all end)()`
	for matters, reason := range map[string]string{
		`"gold"`:         "field matters is a string; it is a list of tables",
		`null`:           "field matters is a null; it is a list of tables",
		`{ name = "a" }`: "field matters is no list",
		`{ { name = "a" }, nil, { name = "b" } }`: "field matters is no list",
		`{ "gold" }`:                                         "a matter is a string, not a table of fields",
		`{ { plan = "gold" } }`:                              "a matter has no name",
		`{ { name = " " } }`:                                 "a matter has no name",
		`{ { name = null } }`:                                "a matter has no name",
		`{ { name = true } }`:                                "the name of a matter is a boolean; it is text",
		`{ { name = "a" }, { name = "a " } }`:                "two matters have the same name",
		`{ { name = "a", title = "b" } }`:                    "the key under which the connection holds its name",
		`{ { name = "a", plan = {} } }`:                      "field plan of a matter is a table",
		`{ { name = "a", ["x" .. "y"] = function() end } }`:  "field with a computed name of a matter is a function",
		`{ { name = "a", [1] = "b" } }`:                      "a matter has a key that is no text",
		`{ { name = "a", [""] = "b" } }`:                     "a matter has a field with an empty",
		many:                                                 "more than 50 matters",
		large:                                                "larger than 256 KiB",
		`{ { name = "a" } }, clients = 1`:                    "the key under which the connection holds matters",
		`{ { name = "a" } }, ["matters[].x"] = 1`:            "empty, overlong or malformed name",
		`setmetatable({ {} }, { __index = { name = "a" } })`: "a matter has no name",
	} {
		e := multiEngine(t, `function map() return { first_name = "Ann", matters = `+matters+` } end`, sdk.MatterForm{Key: "clients", Name: "title"})
		got, _ := mapIn(t, e, `{"secret": "s3cret"}`)
		if got.Verdict != roster.VerdictRejected || got.Code != roster.CodeMapInvalid || !strings.Contains(got.Reason, reason) {
			t.Errorf("%s: %v %s %q %s, want %q", matters, got.Verdict, got.Code, got.Reason, got.Data, reason)
		}
		if !strings.Contains(string(got.Payload), "s3cret") {
			t.Errorf("%s: payload %s, want the source record", matters, got.Payload)
		}
	}
}

func TestMattersAreRejectedWhereTheUploadIsSingle(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `function map(record) return { first_name = "Ann", matters = record.m } end`)
	got, _ := mapIn(t, e, `{"m": [{"name": "Gold"}]}`)
	if got.Verdict != roster.VerdictRejected || !strings.Contains(got.Reason, "`upload: multi`") {
		t.Errorf("%v %q, want a rejection that names upload: multi", got.Verdict, got.Reason)
	}
	got, _ = mapIn(t, e, `{"m": "a field of the business"}`)
	if string(got.Data) != `{"first_name":"Ann","matters":"a field of the business","external_id":"1"}` {
		t.Errorf("%s (%s)", got.Data, got.Reason)
	}
}

func TestMattersCannotTakeTheKeyOfTheClientsID(t *testing.T) {
	t.Parallel()
	e := multiEngine(t, `function map() return { first_name = "Ann", matters = { { name = "a" } } } end`, sdk.MatterForm{Key: "external_id"})
	if got, _ := mapIn(t, e, `{}`); got.Verdict != roster.VerdictRejected || !strings.Contains(got.Reason, "set matters.key") {
		t.Errorf("%v %q %s", got.Verdict, got.Reason, got.Data)
	}
}

func TestMattersAreValidJSONAndTheSameBytesForTheSameRecord(t *testing.T) {
	t.Parallel()
	const source = `function map(record) return { first_name = "Ann", matters = record.m } end`
	engines := []*engine{multiEngine(t, source, sdk.MatterForm{}), multiEngine(t, source, sdk.MatterForm{})}
	values := rapid.OneOf(
		rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Int().AsAny(), rapid.Float64Range(-1e12, 1e12).AsAny(), rapid.Just[any](nil),
	)
	matter := rapid.MapOfN(rapid.OneOf(rapid.StringN(1, 20, 40), rapid.SampledFrom([]string{"plan", "fee", "from"})), values, 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(matter, 1, 6).Draw(t, "matters")
		for i := range list {
			list[i]["name"] = fmt.Sprint(i, "-", rapid.String().Draw(t, "name"))
		}
		in, err := json.Marshal(map[string]any{"m": list})
		if err != nil {
			t.Fatal(err)
		}
		var bytes []string
		for _, e := range engines {
			bytes = append(bytes, mattersOf(t, e, in, list))
		}
		if bytes[0] != bytes[1] {
			t.Fatalf("%s and %s for the same record", bytes[0], bytes[1])
		}
	})
}

// mattersOf maps a record and wants its matters to be those of the list.
func mattersOf(t *rapid.T, e *engine, in []byte, list []map[string]any) string {
	page, err := casePage(sdk.KindMember, in)
	if err != nil {
		t.Fatal(err)
	}
	got := e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0]
	var client struct{ Matters []map[string]any }
	if err := json.Unmarshal(got.Data, &client); err != nil {
		t.Fatalf("%s (%s): %v", got.Data, got.Reason, err)
	}
	if len(client.Matters) != len(list) {
		t.Fatalf("%d matters of %d in %s", len(client.Matters), len(list), got.Data)
	}
	for i, matter := range client.Matters {
		if len(matter) != len(list[i]) {
			t.Fatalf("matter %d has the fields %v, want those of %v", i, matter, list[i])
		}
	}
	return string(got.Data)
}

func FuzzMattersNeverBecomeMalformedJSON(f *testing.F) {
	f.Add(`{{name="a"}}`, "matters", "name")
	f.Add(`{{name="a\255",["b\0"]=1/0},{name="b"}}`, "x\"y", "\xff")
	f.Fuzz(func(t *testing.T, list, key, name string) {
		source := `function map() return { first_name = "Ann", matters = ` + list + ` } end`
		target := roster.ImportTarget(sdk.KindMember).WithMatters(sdk.MatterForm{Key: key, Name: name})
		e, err := newEngine(t.Context(), Script{Name: "x.lua", Source: []byte(source)}, Context{}, target)
		if err != nil {
			t.Skip()
		}
		defer e.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e.lua.SetContext(ctx)
		page, err := casePage(sdk.KindMember, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		first := e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0]
		again := e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0]
		if ctx.Err() != nil {
			t.Skip()
		}
		if first.Verdict == roster.VerdictMapped && !json.Valid(first.Data) {
			t.Errorf("%q is no JSON", first.Data)
		}
		if string(first.Data) != string(again.Data) || first.Verdict != again.Verdict {
			t.Errorf("%q and %q for the same record", first.Data, again.Data)
		}
	})
}
