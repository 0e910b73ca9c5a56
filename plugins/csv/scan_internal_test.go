package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// scanned is what a test sees of a row.
type scanned struct {
	Line   int
	Values []string
	Fault  string
}

func scanAll(t *testing.T, src io.Reader) []scanned {
	t.Helper()
	s := newScanner(src, ',')
	s.columns = 2
	var all []scanned
	for {
		r, more, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return all
		}
		got := scanned{Line: r.line, Fault: r.fault}
		if r.fault == "" {
			got.Values = values(r)
		}
		all = append(all, got)
	}
}

func values(r row) []string {
	var scratch []byte
	out := make([]string, 0, len(r.fields))
	for _, f := range r.fields {
		out = append(out, string(r.value(f, &scratch)))
	}
	return out
}

func TestRowsAreCutAsTheyAreWritten(t *testing.T) {
	long := strings.Repeat("x", maxValueBytes+1)
	good := func(line int, values ...string) scanned { return scanned{Line: line, Values: values} }
	bad := func(line int, fault string) scanned { return scanned{Line: line, Fault: fault} }
	for _, c := range []struct {
		name, text string
		want       []scanned
	}{
		{"line breaks of Unix", "a,b\nc,d\n", []scanned{good(1, "a", "b"), good(2, "c", "d")}},
		{"line breaks of Windows", "a,b\r\nc,d\r\n", []scanned{good(1, "a", "b"), good(2, "c", "d")}},
		{"no line break at the end", "a,b\nc,d", []scanned{good(1, "a", "b"), good(2, "c", "d")}},
		{"a carriage return at the end", "a,b\nc,\"d\"\r", []scanned{good(1, "a", "b"), good(2, "c", "d")}},
		{"empty values", ",b\na,\n\"\",\"\"\n", []scanned{good(1, "", "b"), good(2, "a", ""), good(3, "", "")}},
		{"empty lines", "\n\na,b\n\r\n , \n,,,\nc,d\n\n", []scanned{good(3, "a", "b"), good(7, "c", "d")}},
		{"quotes", "\"a\",\"b,c\"\n\"say \"\"hi\"\"\",\"\"\"\"\n", []scanned{good(1, "a", "b,c"), good(2, `say "hi"`, `"`)}},
		{"quoted line breaks", "\"a\r\nb\",\"c\n\nd\"\ne,f\n", []scanned{good(1, "a\nb", "c\n\nd"), good(5, "e", "f")}},
		{"too few values", "a\nc,d\n", []scanned{bad(1, faultFewer), good(2, "c", "d")}},
		{"too many values", "a,b,c\nc,d\n", []scanned{bad(1, faultMore), good(2, "c", "d")}},
		{"too many quoted values", "\"a\",\"b\",\"c\nd\"\nc,d\n", []scanned{bad(1, faultMore), bad(2, faultStray), good(3, "c", "d")}},
		{"a quote inside a value", "a,b \"x\" c\nc,d\n", []scanned{bad(1, faultStray), good(2, "c", "d")}},
		{"text behind a quote", "a,\"b\"x\nc,d\n", []scanned{bad(1, faultStray), good(2, "c", "d")}},
		{"an unclosed quote at the end", "a,\"b\nc,d\n", []scanned{bad(1, faultUnclosed), good(2, "c", "d")}},
		{
			"an unclosed quote before a quoted value", "a,\"b\nc,d\ne,\"f\"\n",
			[]scanned{bad(1, faultStray), good(2, "c", "d"), good(3, "e", "f")},
		},
		{
			"an unclosed quote that the next quote would close", "a,\"b\nc,d\ne \"\"f,g\"\nh,i\n",
			[]scanned{good(1, "a", "b\nc,d\ne \"f,g"), good(4, "h", "i")},
		},
		{"a value beyond the bound", long + ",b\nc,d\n", []scanned{bad(1, faultValue), good(2, "c", "d")}},
		{"a quoted value beyond the bound", "\"" + long + "\",b\nc,d\n", []scanned{bad(1, faultUnclosed), good(2, "c", "d")}},
		{"a row beyond the bound", strings.Repeat("x,", maxRowBytes/2+1) + "\nc,d\n", []scanned{bad(1, faultRow), good(2, "c", "d")}},
		{"a last row beyond the bound", "a,b\n" + strings.Repeat(long, 40), []scanned{good(1, "a", "b"), bad(2, faultRow)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, scanAll(t, strings.NewReader(c.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnUnclosedQuoteCostsOnlyItsOwnRow(t *testing.T) {
	var text strings.Builder
	text.WriteString("0,\"open\n")
	const rows = 20000
	for i := range rows {
		fmt.Fprintf(&text, "%d,value of the row\n", i+1)
	}
	got := scanAll(t, strings.NewReader(text.String()))
	if len(got) != rows+1 || got[0].Fault != faultUnclosed {
		t.Fatalf("%d rows, the first %+v", len(got), got[0])
	}
	for i, r := range got[1:] {
		if r.Fault != "" || r.Line != i+2 || r.Values[0] != fmt.Sprint(i+1) {
			t.Fatalf("row %d is %+v", i+1, r)
		}
	}
}

func TestTheSizeOfReadsMakesNoDifference(t *testing.T) {
	text := "a,\"b\r\nb\"\r\n\r\n\"c\",d \"x\"\r\ne,f\r\ng,\"open\r\nh,i\r\nj,\"k\"\"k\"\r\n"
	want := scanAll(t, strings.NewReader(text))
	if diff := cmp.Diff(want, scanAll(t, iotest.OneByteReader(strings.NewReader(text)))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, scanAll(t, iotest.DataErrReader(strings.NewReader(text)))); diff != "" {
		t.Error(diff)
	}
}

func TestAReadErrorEndsTheScan(t *testing.T) {
	broken := errors.New("broken")
	s := newScanner(io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(broken)), ',')
	if _, more, err := s.next(); err != nil || !more {
		t.Fatalf("first row: %v, %v", more, err)
	}
	for range 2 {
		if _, _, err := s.next(); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestAScanGoesOnFromEveryPlace(t *testing.T) {
	text := "a,\"b\r\nb\"\r\n\r\n\"c\",d \"x\"\r\ne,f\r\ng,\"open\r\nh,i\r\nj,\"k\"\"k\""
	whole := newScanner(strings.NewReader(text), ',')
	whole.columns = 2
	for i := 0; ; i++ {
		at := whole.place()
		rest := newScanner(nil, ',')
		rest.columns = 2
		rest.reset(strings.NewReader(text[at.offset:]), at)
		a, moreA, _ := whole.next()
		b, moreB, _ := rest.next()
		if moreA != moreB || a.line != b.line || a.fault != b.fault || string(a.raw) != string(b.raw) || whole.place() != rest.place() {
			t.Fatalf("row %d: %+v at %+v, gone on %+v at %+v", i, a, whole.place(), b, rest.place())
		}
		if !moreA {
			return
		}
	}
}

// FuzzScan compares with encoding/csv on what that accepts, and asks of
// everything else that no input is lost, looped over or panicked on.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		"a,b\nc,d\n", "\"a\r\nb\",c\r\n", "a,\"b\nc,d", "a,\"\"\"\"\n", "\"a\"x,b\n", "\r\n,\r\n\"\"\r", "a\rb,c\r\r\n", "\"a\r\"\r\n\"b\r\r\nc\",d",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got [][]string
		faults := false
		s := newScanner(bytes.NewReader(text), ',')
		for {
			before := s.place().offset
			r, more, err := s.next()
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
			if s.place().offset <= before {
				t.Fatalf("no progress at %d", before)
			}
			faults = faults || r.fault != ""
			got = append(got, values(r))
		}
		if s.place().offset != int64(len(text)) {
			t.Fatalf("ended at %d of %d", s.place().offset, len(text))
		}
		std := csv.NewReader(bytes.NewReader(text))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		if (err != nil) != faults {
			t.Fatalf("encoding/csv: %v, faults here: %v", err, faults)
		}
		if err != nil || !utf8.Valid(text) {
			return
		}
		if diff := cmp.Diff(notBlank(want), notBlank(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// notBlank drops rows without a value, whether quoted or not.
func notBlank(rows [][]string) [][]string {
	var out [][]string
	for _, r := range rows {
		if strings.Trim(strings.Join(r, ""), " \t\r\n") != "" {
			out = append(out, r)
		}
	}
	return out
}
