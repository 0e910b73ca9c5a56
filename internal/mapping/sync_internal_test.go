package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func testKey() digest.Key { return digest.Key{1, 2, 3} }

// syncTarget is a target of people with some fields, which patches and wants a
// name alone.
func syncTarget(policies map[string]roster.FieldPolicy, fields ...sdk.TargetField) roster.MapTarget {
	t := roster.SyncTarget(sdk.KindMember, sdk.TargetKind{Fields: fields}, testKey(), policies, false)
	t.Required = []string{"first_name", "last_name"}
	return t
}

// syncEngine loads the body of a function map for a target.
func syncEngine(tb testing.TB, body string, target roster.MapTarget) *engine {
	tb.Helper()
	source := "local ann = { first_name = 'Ann', last_name = 'Ek' }\n" +
		"local function person(t) for k, v in pairs(ann) do if t[k] == nil then t[k] = v end end return t end\n" +
		"function map(record) " + body + " end"
	e, err := newEngine(tb.Context(), Script{Name: "x.lua", Source: []byte(source)}, Context{}, target)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.close)
	return e
}

// mapRecords maps records, given by their fields, as one page.
func mapRecords(tb rapid.TB, e *engine, in ...string) *roster.Mapped {
	tb.Helper()
	payloads := make([][]byte, len(in))
	for i, fields := range in {
		payloads[i] = fmt.Appendf(nil, `{"id":"m-%d","fields":%s}`, i, fields)
	}
	page, unreadable, err := roster.PayloadPage(e.target.Kind, payloads)
	if err != nil || len(unreadable) > 0 {
		tb.Fatal(err, unreadable)
	}
	return e.mapPage(page, rowSet{to: page.Rows}, func(int) {})
}

// shortsOf are a record's digests by the names of its fields.
func shortsOf(m *roster.Mapped, r roster.MappedRecord) map[string]uint32 {
	shorts := map[string]uint32{}
	next := 0
	for i, name := range m.Fields {
		if r.Fields.Has(i) {
			shorts[name] = r.Shorts[next]
			next++
		}
	}
	return shorts
}

// digestsOf are those of an object, made from its text.
func digestsOf(tb rapid.TB, data []byte) (digest.Sum, map[string]uint32) {
	tb.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		tb.Fatal(err)
	}
	sum, shorts := digest.Sum{}, map[string]uint32{}
	for name, value := range fields {
		f := testKey().Field(name, value)
		sum, shorts[name] = sum.Add(f), f.Short()
	}
	return sum, shorts
}

func TestDigestsAreThoseOfTheFieldsThatAreSent(t *testing.T) {
	t.Parallel()
	e := syncEngine(t, "return person{ vip = record.vip, note = record.note, zip = record.zip, owner = record.boss }", syncTarget(nil))
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Int32().AsAny(), rapid.Just[any](nil))
		var in []string
		for range rapid.IntRange(1, 4).Draw(t, "records") {
			raw, err := json.Marshal(rapid.MapOf(rapid.SampledFrom([]string{"vip", "note", "zip"}), value).Draw(t, "record"))
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, string(raw))
		}
		m := mapRecords(t, e, in...)
		for i, r := range m.Records {
			sum, shorts := digestsOf(t, r.Data)
			if r.Sum != sum {
				t.Fatalf("record %d has the sum %v, want %v", i, r.Sum, sum)
			}
			if diff := cmp.Diff(shorts, shortsOf(m, r)); diff != "" {
				t.Fatalf("record %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestARecordOfASyncHasNoKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	r := mapRecords(t, syncEngine(t, "return person{}", syncTarget(nil)), `{}`).Records[0]
	if want := `{"first_name":"Ann","last_name":"Ek"}`; string(r.Data) != want || r.Key != "m-0" {
		t.Errorf("%s with key %q, want %s", r.Data, r.Key, want)
	}
	target := syncTarget(nil)
	target.Required = nil
	if r := mapRecords(t, syncEngine(t, "return {}", target), `{}`).Records[0]; string(r.Data) != `{}` || r.Sum != (digest.Sum{}) {
		t.Errorf("%s with %v, want nothing", r.Data, r.Sum)
	}
}

func TestReferencesAreTakenOutOfTheRecord(t *testing.T) {
	t.Parallel()
	for result, want := range map[string][2]string{
		`owner = " 17 ", lead_source = 12`: {"17", "12"}, `owner = null`: {}, `lead_source = "web"`: {"", "web"}, `owner = nil`: {},
	} {
		r := mapRecords(t, syncEngine(t, "return person{ "+result+" }", syncTarget(nil)), `{}`).Records[0]
		plain := mapRecords(t, syncEngine(t, "return person{}", syncTarget(nil)), `{}`).Records[0]
		if [2]string{r.Owner, r.LeadSource} != want || string(r.Data) != string(plain.Data) || r.Sum != plain.Sum {
			t.Errorf("%s: owner %q, lead source %q, %s %s", result, r.Owner, r.LeadSource, r.Data, r.Reason)
		}
	}
	for _, bad := range []string{`owner = true`, `lead_source = 1.5`, `owner = {}`, `owner = record`} {
		r := mapRecords(t, syncEngine(t, "return person{ "+bad+" }", syncTarget(nil)), `{}`).Records[0]
		if r.Code != roster.CodeMapInvalid || !strings.HasSuffix(r.Reason, "an id is text or a whole number") {
			t.Errorf("%s: %s %q", bad, r.Code, r.Reason)
		}
	}
	r := mapRecords(t, syncEngine(t, "return person{ owner = 'x' }", roster.ImportTarget(sdk.KindMember)), `{}`).Records[0]
	if !strings.Contains(string(r.Data), `"owner":"x"`) || r.Owner != "" {
		t.Errorf("an import's record is %s with owner %q", r.Data, r.Owner)
	}
}

func TestAFieldThatIsNeverNullIsLeftOutWhereItIsEmpty(t *testing.T) {
	t.Parallel()
	e := syncEngine(t, "return person{ phone = record.phone }", syncTarget(map[string]roster.FieldPolicy{"phone": roster.PolicyNeverNull}))
	m := mapRecords(t, e, `{"phone": null}`, `{"phone": ""}`, `{}`, `{"phone": "+1"}`)
	for _, r := range m.Records[:3] {
		if strings.Contains(string(r.Data), "phone") || len(r.Shorts) != 2 || r.Sum != m.Records[2].Sum {
			t.Errorf("%s with %d digests", r.Data, len(r.Shorts))
		}
	}
	if !strings.Contains(string(m.Records[3].Data), `"phone":"+1"`) || len(m.Records[3].Shorts) != 3 {
		t.Errorf("%s", m.Records[3].Data)
	}
}

func TestAFieldThatIsOnlyFilledChangesARecordOnlyByItsEmptiness(t *testing.T) {
	t.Parallel()
	e := syncEngine(t, "return person{ phone = record.phone }", syncTarget(map[string]roster.FieldPolicy{"phone": roster.PolicyFillIfEmpty}))
	m := mapRecords(t, e, `{"phone": "+1"}`, `{"phone": "+2"}`, `{"phone": null}`, `{"phone": ""}`)
	one, two, null, blank := m.Records[0], m.Records[1], m.Records[2], m.Records[3]
	if string(one.Data) == string(two.Data) || one.Sum != two.Sum || !slices.Equal(one.Shorts, two.Shorts) {
		t.Errorf("%s and %s: %v and %v", one.Data, two.Data, one, two)
	}
	if one.Sum == null.Sum || null.Sum != blank.Sum || !strings.Contains(string(null.Data), `"phone":null`) {
		t.Errorf("%s and %s: %v and %v", null.Data, blank.Data, null.Sum, blank.Sum)
	}
	if digest.WasEmpty(shortsOf(m, one)["phone"]) || !digest.WasEmpty(shortsOf(m, null)["phone"]) || !digest.WasEmpty(shortsOf(m, blank)["phone"]) {
		t.Error("the digests do not say which of the fields were empty")
	}
}

// withNames are the fields of a target that knows names and what is given.
func withNames(fields ...sdk.TargetField) []sdk.TargetField {
	return append([]sdk.TargetField{{Name: "first_name"}, {Name: "last_name"}}, fields...)
}

func TestAValueThatTheTargetDoesNotTakeRejectsItsRecord(t *testing.T) {
	t.Parallel()
	fields := withNames(
		sdk.TargetField{Name: "status", Values: []string{"active", "inactive"}},
		sdk.TargetField{Name: "zip", MaxLength: 5}, sdk.TargetField{Name: "notes", MaxLength: 5, Shorten: true},
	)
	for result, want := range map[string][2]string{
		`status = "active"`:            {},
		`status = null, zip = null`:    {},
		`zip = "ÄÖÜ12", notes = "abc"`: {},
		`zip = true, notes = 12345`:    {},
		`zip = "\1\2\3\4\5"`:           {},
		`zip = "\255\255\255\255\255"`: {},
		`status = "Active"`:            {roster.CodeMapNotAllowed, "field status has a value that the target does not take"},
		`status = 1`:                   {roster.CodeMapNotAllowed, "field status has a value that the target does not take"},
		`status = ""`:                  {roster.CodeMapNotAllowed, "field status has a value that the target does not take"},
		`zip = "ÄÖÜ123"`:               {roster.CodeMapTooLong, "field zip is longer than 5 characters"},
		`zip = 123456`:                 {roster.CodeMapTooLong, "field zip is longer than 5 characters"},
		`notes = 123456`:               {roster.CodeMapTooLong, "field notes is longer than 5 characters"},
	} {
		m := mapRecords(t, syncEngine(t, "return person{ "+result+" }", syncTarget(nil, fields...)), `{"secret":"s3cret"}`)
		r := m.Records[0]
		if got := [2]string{r.Code, strings.TrimPrefix(r.Reason, place("x.lua", r.Line))}; got != want || len(m.Warnings) > 0 {
			t.Errorf("%s: %q with warnings %v, want %q", result, got, m.Warnings, want)
		}
		if want[0] != "" && (r.Stage != roster.StageMap || !strings.Contains(string(r.Payload), "s3cret")) {
			t.Errorf("%s: stage %s, payload %s", result, r.Stage, r.Payload)
		}
		if want[0] == "" && !json.Valid(r.Data) {
			t.Errorf("%s: %s", result, r.Data)
		}
	}
}

func TestAValueThatTheTargetDoesNotTakeIsNamedWithItsLineWhereThatIsKnown(t *testing.T) {
	t.Parallel()
	target := syncTarget(nil, withNames(sdk.TargetField{Name: "zip", MaxLength: 5}, sdk.TargetField{Name: "status", Values: []string{"active"}})...)
	for source, want := range map[string]string{
		"return mapping{ first_name = source.f, last_name = source.f,\n zip = source.zip:trim() }":                                         "x.lua:2: field zip is longer than 5 characters",
		"return mapping{ first_name = source.f, last_name = source.f,\n\n zip = '123456' }":                                                "x.lua:3: field zip is longer than 5 characters",
		"return mapping{ first_name = source.f, last_name = source.f,\n status = 'gone' }":                                                 "x.lua:2: field status has a value that the target does not take",
		"function map(r)\n return { first_name = r.f, last_name = r.f,\n zip = r.zip }\nend":                                               "x.lua:3: field zip is longer than 5 characters",
		"function map(r)\n local t = { first_name = r.f, last_name = r.f }\n t.zip = r.zip\n return t\nend":                                "x.lua:3: field zip is longer than 5 characters",
		"function map(r)\n local t = { first_name = r.f, last_name = r.f }\n t['z' .. 'ip'] = r.zip\n return t\nend":                       "x.lua: field zip is longer than 5 characters",
		"function map(r)\n local t = { first_name = r.f, last_name = r.f, zip = '' }\n t.zip = r.zip\n return t\nend":                      "x.lua: field zip is longer than 5 characters",
		"function map(r)\n if not r.zip then\n return { zip = '' }\n end\n return { first_name = r.f, last_name = r.f, zip = r.zip }\nend": "x.lua:5: field zip is longer than 5 characters",
	} {
		e, err := newEngine(t.Context(), Script{Name: "x.lua", Source: []byte(source)}, Context{}, target)
		if err != nil {
			t.Fatal(err)
		}
		r := mapRecords(t, e, `{"f":"Ann","zip":"s3cret"}`).Records[0]
		if r.Reason != want || r.Line != lineIn(want) {
			t.Errorf("%s:\n%q at line %d, want %q", source, r.Reason, r.Line, want)
		}
		e.close()
	}
}

// lineIn is the line that a reason names, or zero.
func lineIn(reason string) int {
	_, line := cutPlace(reason, "x.lua")
	return line
}

func TestWhatIsChangedToFitTheTargetIsToldOnceAPage(t *testing.T) {
	t.Parallel()
	fields := withNames(sdk.TargetField{Name: "notes", MaxLength: 4, Shorten: true}, sdk.TargetField{Name: "city", MaxLength: 3, Shorten: true})
	e := syncEngine(t, "return person{ notes = record.notes, city = record.city, extra = record.extra and {}, [record.name or 'zip'] = record.zip }", syncTarget(nil, fields...))
	m := mapRecords(t, e, `{}`, `{"notes":"Zoë is here"}`, `{"notes":"éééé","extra":true}`, `{"city":"Oslo","extra":true,"notes":"12345"}`,
		`{"zip":1}`, `{"zip":1,"name":"s3cret"}`)
	want := []string{
		"field notes was cut to 4 characters", "the target has no field extra: it is left out", "field city was cut to 3 characters",
		"the target has no field zip: it is left out", "the target has no field with a computed name: it is left out",
	}
	if diff := cmp.Diff(want, m.Warnings); diff != "" {
		t.Error(diff)
	}
	data := []string{`{"first_name":"Ann","last_name":"Ek"`, `"notes":"Zoë"`, `"notes":"éééé"`, `"city":"Osl"`, `{"first_name":"Ann","last_name":"Ek"}`, `{"first_name":"Ann","last_name":"Ek"}`}
	for i, marks := range [][]uint16{nil, {0}, {1}, {2, 1, 0}, {3}, {4}} {
		r := m.Records[i]
		if diff := cmp.Diff(marks, r.Warnings); diff != "" || !strings.Contains(string(r.Data), data[i]) || strings.Contains(string(r.Data), "extra") {
			t.Errorf("record %d: %s %s\n%s", i, r.Data, r.Reason, diff)
		}
		sum, shorts := digestsOf(t, r.Data)
		if r.Sum != sum || !cmp.Equal(shorts, shortsOf(m, r)) {
			t.Errorf("record %d has digests of something else", i)
		}
	}
	if again := mapRecords(t, e, `{"city":"Oslo"}`); !slices.Equal(again.Warnings, []string{want[2]}) || !slices.Equal(again.Records[0].Warnings, []uint16{0}) {
		t.Errorf("the page behind it: %v %v", again.Warnings, again.Records[0].Warnings)
	}
}

func TestATargetThatEmptiesIsSentOnlyWholeRecords(t *testing.T) {
	t.Parallel()
	info := sdk.TargetKind{Update: sdk.UpdateReplace, Fields: withNames(
		sdk.TargetField{Name: "email", Required: true}, sdk.TargetField{Name: "phone"}, sdk.TargetField{Name: "owner"},
	)}
	policies := map[string]roster.FieldPolicy{"phone": roster.PolicyNeverNull}
	for result, want := range map[string]string{
		`email = "a@b.org", phone = "+1"`: "",
		`phone = "+1"`:                    "email is missing",
		`email = null, phone = "+1"`:      "email is missing",
		`email = "a@b.org"`:               "phone is missing, and the target empties what a record does not carry; null empties it by intent",
		`email = "a@b.org", phone = null`: "phone is missing, and the target empties what a record does not carry; null empties it by intent",
	} {
		r := mapRecords(t, syncEngine(t, "return person{ "+result+" }", roster.SyncTarget(sdk.KindMember, info, testKey(), policies, false)), `{}`).Records[0]
		if r.Reason != want || want != "" && (r.Code != roster.CodeFreezeMissing || r.Stage != roster.StageFreeze) {
			t.Errorf("%s: %s %q, want %q", result, r.Code, r.Reason, want)
		}
	}
	r := mapRecords(t, syncEngine(t, `return person{ email = "a@b.org", phone = null }`, roster.SyncTarget(sdk.KindMember, info, testKey(), nil, false)), `{}`).Records[0]
	if !strings.Contains(string(r.Data), `"phone":null`) {
		t.Errorf("null by intent: %s %s", r.Data, r.Reason)
	}
}

func TestAMappedPageOfASyncComesThroughItsFrame(t *testing.T) {
	t.Parallel()
	e := syncEngine(t, `if record.bad then reject("bad") end
		return person{ notes = record.notes, extra = record.extra, owner = record.boss, lead_source = record.from }`,
		syncTarget(nil, withNames(sdk.TargetField{Name: "notes", MaxLength: 3, Shorten: true})...))
	want := mapRecords(t, e, `{"notes":"abcd","boss":"7"}`, `{"bad":1}`, `{"extra":1,"from":"web"}`, `{"notes":"abcd","extra":1}`)
	body := appendMapped(nil, want, true)
	got, err := parseMapped(body, 4)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range body {
		if _, err := parseMapped(body[:i], 4); err == nil {
			t.Errorf("%d bytes of %d are taken for a page", i, len(body))
		}
	}
}

func TestTwoHalvesOfAPageBecomeOne(t *testing.T) {
	t.Parallel()
	e := syncEngine(t, `return person{ [record.name] = 1, notes = record.notes, extra = record.extra }`, syncTarget(nil))
	e2 := syncEngine(t, `return person{ notes = record.notes, extra = record.extra }`, syncTarget(nil, withNames(sdk.TargetField{Name: "notes", MaxLength: 3, Shorten: true})...))
	for _, e := range []*engine{e, e2} {
		in := []string{`{"name":"b","extra":"x"}`, `{"name":"z"}`, `{"name":"a","notes":"abcd"}`, `{"name":"b","extra":"y","notes":"efgh"}`}
		whole := mapRecords(t, e, in...)
		joined, err := appendRecords(mapRecords(t, e, in[:2]...), mapRecords(t, e, in[2:]...))
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range joined.Records {
			if string(r.Data) != string(whole.Records[i].Data) || r.Sum != whole.Records[i].Sum ||
				!cmp.Equal(shortsOf(joined, r), shortsOf(whole, whole.Records[i])) || !cmp.Equal(textsOf(joined, r), textsOf(whole, whole.Records[i])) {
				t.Errorf("record %d is %+v, want %+v", i, r, whole.Records[i])
			}
		}
	}
}

// textsOf are a record's warnings.
func textsOf(m *roster.Mapped, r roster.MappedRecord) (texts []string) {
	for _, w := range r.Warnings {
		texts = append(texts, m.Warnings[w])
	}
	return texts
}

func TestAPageIsMappedTheSameInTheRoomOfAnotherOne(t *testing.T) {
	e := digestEngine(t, BenchPlan)
	pages := []*sdk.Page{BenchPage(t, 40, 1), BenchPage(t, 7, 2), BenchPage(t, 90, 3)}
	var want [][]byte
	for _, page := range pages {
		fresh := digestEngine(t, BenchPlan)
		want = append(want, appendMapped(nil, fresh.mapPage(page, rowSet{to: page.Rows}, func(int) {}), true))
	}
	for round := range 3 {
		for i, page := range pages {
			mapped := e.mapPage(page, rowSet{to: page.Rows}, func(int) {})
			if got := appendMapped(nil, mapped, true); !bytes.Equal(got, want[i]) {
				t.Fatalf("round %d: page %d is another one than by itself", round, i)
			}
			e.recycle(mapped)
		}
	}
}
