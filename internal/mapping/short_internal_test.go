package mapping

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
)

// The script that returns a table at once takes the short way, the one that
// returns it from a variable does not.
func TestAReturnedTableIsTheSameTheShortWay(t *testing.T) {
	t.Parallel()
	for _, table := range []string{
		`{ first_name = record.first, zip = record.zip, a = nil, b = null, c = false, d = 1.5 }`,
		`{ zip = record.zip, first_name = (record.first and record.first ~= "" and record.first) or "none" }`,
		`{ first_name = record.first, last = two() }`,
		`{ first_name = two(), b = ... }`,
		`{ b = (...), first_name = select(2, two()) }`,
		`{ first_name = "x", external_id = record.first }`,
		`{ first_name = "x", external_id = {} }`,
		`{ first_name = " ", b = 1 }`,
		`{ b = 1 }`,
		`{ first_name = "x", b = {} }`,
		`{ first_name = "x", matters = { { name = "a" } } }`,
		`{ first_name = "x", b = record.first .. {} }`,
		`{ first_name = "x", b = skip("gone") }`,
		`{ first_name = "x", b = record.first == "" and reject("no name") }`,
		// These keep their table.
		`{ first_name = "x", first_name = "y" }`,
		`{ first_name = "x", [record.first] = "y" }`,
		`{ "x", first_name = "y" }`,
		`{ first_name = "x", two() }`,
		`{ first_name = "x", [""] = 1 }`,
		`{}`,
	} {
		source := "local function two() return \"p\", \"q\" end\nfunction map(record, ...)\n%s\nend"
		short := newTestEngine(t, fmt.Sprintf(source, "if record then return "+table+" end"))
		plain := newTestEngine(t, fmt.Sprintf(source, "if record then local t = "+table+" return t end"))
		if len(plain.returned) != 0 {
			t.Fatalf("%s: the short way is taken for a variable", table)
		}
		for _, in := range []string{`{}`, `{"first": "Ann", "zip": "1"}`, `{"first": "", "zip": null}`, `{"first": {"a": 1}, "zip": 7}`} {
			a, fields := mapIn(t, short, in)
			b, plainFields := mapIn(t, plain, in)
			if got, want := showRecord(a, fields), showRecord(b, plainFields); got != want {
				t.Errorf("%s on %s:\n%s\n%s", table, in, got, want)
			}
		}
	}
}

// showRecord is a record with its fields by name.
func showRecord(r roster.MappedRecord, fields []string) string {
	var set []string
	for i, name := range fields {
		if r.Fields.Has(i) {
			set = append(set, name)
		}
	}
	return fmt.Sprintf("%d %s %s %s %q line %d %s, %v", r.Verdict, r.Stage, r.Code, r.Reason, r.Key, r.Line, r.Data, set)
}

func TestTheShortWayOfAReturnedTableIsTakenWhereNoCodeSeesIt(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		`function map(r) return { first_name = "x" } end`:                                                           1,
		`function map(r) if r.a then return { first_name = "x" } else return { first_name = "y" } end end`:          2,
		`function map(r) for i = 1, 2 do return { first_name = "x" } end while true do return { a = 1 } end end`:    2,
		`function map(r) local function f() return { first_name = "x" } end return f() end`:                         0,
		`function map(r) return { first_name = "x" }, "second" end`:                                                 0,
		`function map(r, c) if r.a then return map(null, c) end return { first_name = "x" } end`:                    0,
		`local m = { f = function() return map(null) end } function map(r) return { first_name = "x" } end`:         0,
		`function map(r) return { first_name = "x" } end local map = 1`:                                             0,
		`function map(r) return { first_name = "x"` + strings.Repeat(", y = 1", maxBuiltFields) + ` } end`:          0,
		`function map(r) return { first_name = "x", ` + manyFields(maxBuiltFields-1) + ` } end`:                     1,
		"local a = { b = 1 } function a.map(r) return { first_name = a.b } end function map(r) return a.map(r) end": 0,
	} {
		e := newTestEngine(t, source)
		if len(e.returned) != want {
			t.Errorf("%d places, want %d: %s", len(e.returned), want, source)
		}
	}
}

func manyFields(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("f%d = r.a", i)
	}
	return strings.Join(names, ", ")
}

func TestThePlainWayOfADateEqualsTheWholeRule(t *testing.T) {
	t.Parallel()
	signs := rapid.SampledFrom([]string{"/", "-", ".", "", "_", " ", ", ", "T"})
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.Permutation([]string{"YYYY", "MM", "DD"}).Draw(t, "parts")
		if rapid.IntRange(0, 5).Draw(t, "odd") == 0 {
			parts = append(parts, rapid.SampledFrom([]string{"YY", "D", "M", "MMM", "HH", "mm", "DD"}).Draw(t, "more"))
		}
		declared := parts[0]
		for _, part := range parts[1:] {
			declared += signs.Draw(t, "sign") + part
		}
		layout, ok := goLayout(declared)
		if !ok {
			return
		}
		pad := func(n, size int) string { return fmt.Sprintf("%0*d", size, n) }
		s := strings.NewReplacer(
			"2006", pad(rapid.IntRange(0, 10001).Draw(t, "year"), 4), "01", pad(rapid.IntRange(0, 13).Draw(t, "month"), 2),
			"02", pad(rapid.IntRange(0, 32).Draw(t, "day"), 2),
		).Replace(layout)
		if rapid.IntRange(0, 3).Draw(t, "damage") == 0 && len(s) > 0 {
			at := rapid.IntRange(0, len(s)-1).Draw(t, "at")
			s = s[:at] + rapid.SampledFrom([]string{"", "x", " ", "-", "0"}).Draw(t, "with") + s[at+1:]
		}
		if got, ok := plainDate(s, layout); ok && got != parseDateIn(s, layout) {
			t.Fatalf("%q by %q (%s): %q, the whole rule says %q", s, declared, layout, got, parseDateIn(s, layout))
		}
	})
	if _, ok := plainDate("2026-02-28", "2006-01-02"); !ok {
		t.Error("the plain way is not taken for YYYY-MM-DD")
	}
}

func TestANormalizedEmailIsTheSameTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once := normalizeEmail(rapid.StringMatching(`[a-zA-Z0-9._+-]{1,12}@[a-zA-Z0-9.-]{1,12}\.[a-zA-Z]{2,5}`).Draw(t, "address"))
		if twice := normalizeEmail(once); twice != once {
			t.Fatalf("%q became %q", once, twice)
		}
	})
}
