package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

func written(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "members.ndjson")
	write(tb, path, text)
	return path
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func appendTo(tb testing.TB, path, text string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}

func settingsFor(tb testing.TB, path string) json.RawMessage {
	tb.Helper()
	raw, err := json.Marshal(map[string]string{"path": path, "id": "no", "club": "club"})
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func opened(tb testing.TB, path string) *connection {
	tb.Helper()
	v, err := adapter().Opener.Open(tb.Context(), sdk.Connection{Name: "acme/gym", Settings: settingsFor(tb, path)})
	if err != nil {
		tb.Fatal(err)
	}
	return v.(*connection)
}

func readPage(tb testing.TB, c *connection, after sdk.Cursor, limit int) *sdk.Page {
	tb.Helper()
	p, err := c.Read(tb.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: limit})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// unpack shows a page: each record as id/club/position and its cells, each
// rejected line as its position and reason.
func unpack(p *sdk.Page) []string {
	var out []string
	for i := range p.Rows {
		row := p.Row(i)
		text := row.ID() + "/" + row.Club() + "/" + row.Position()
		for col, name := range p.Columns {
			if c := row.Cell(col); c.Kind() != sdk.CellAbsent {
				text += fmt.Sprintf(" %s=%d:%s", name, c.Kind(), c.Bytes())
			}
		}
		out = append(out, text)
	}
	for _, r := range p.Rejected {
		out = append(out, r.Position+": "+r.Reason)
	}
	return out
}

func TestConformance(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		if i%9 == 5 {
			text.WriteString("{\"name\":\"nobody\"}\n\n")
		}
		fmt.Fprintf(&text, `{"no":"m-%d","club":%d,"name":"Änn \"%d\"","age":%d}`+"\n", i, i%2, i, i)
	}
	text.WriteString(`{"no":"last","extra":[1,{"a":null}]}`)
	sdktest.Run(t, sdktest.Case{
		Adapter:     adapter(),
		Connection:  sdk.Connection{Name: "acme/gym", Settings: settingsFor(t, written(t, text.String()))},
		Kinds:       []sdk.Kind{sdk.KindMember},
		BadSettings: []json.RawMessage{json.RawMessage(`{"path":"x","id":"no","kind":"dog"}`)},
	})
}

func TestValuesKeepTheirTypesAndDigits(t *testing.T) {
	path := written(t, strings.Join([]string{
		"\xef\xbb\xbf" + `{"no":"a","big":12345678901234567890123,"exact":0.10,"e":-1E+5,"yes":true,"nil":null,"deep":{"a":[1, 2]}}`,
		`  { "no" : 7 , "club" : "c\u00e9" , "pair":"\ud83d\ude00", "half":"\ud83dx", "esc":"\"\\\/\b\f\n\r\t" }  ` + "\r",
		``,
		`{"yes":false,"no":"b"}`,
	}, "\n"))
	got := unpack(readPage(t, opened(t, path), nil, 10))
	want := []string{
		`a//line 1 no=2:a big=3:12345678901234567890123 exact=3:0.10 e=3:-1E+5 yes=4:` + "\x01" + ` nil=1: deep=5:{"a":[1, 2]}`,
		"7/cé/line 2 no=3:7 club=2:cé pair=2:😀 half=2:\uFFFDx esc=2:\"\\/\b\f\n\r\t",
		"b//line 4 no=2:b yes=4:\x00",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABadLineCostsOnlyItself(t *testing.T) {
	long := `{"no":"` + strings.Repeat("x", maxLineBytes) + `"}`
	var keys strings.Builder
	for i := range sdk.MaxColumns {
		fmt.Fprintf(&keys, `,"k%d":1`, i)
	}
	bad := []struct{ line, reason string }{
		{`[1]`, faultObject},
		{`{"no":"1"`, faultSyntax},
		{`{"no":"1",}`, faultSyntax},
		{`{"no":01}`, faultSyntax},
		{`{"no":"1","a":nul}`, faultSyntax},
		{"{\"no\":\"1\",\"a\":\"\x01\"}", faultSyntax},
		{`{"no":"1","a":"\x"}`, faultSyntax},
		{`{"no":"1"} {"no":"2"}`, faultBehind},
		{`{"no":"1","a":"\u0000"}`, faultNUL},
		{"{\"no\":\"1\",\"a\":\"\xff\"}", faultUTF8},
		{`{"no":"1","":2}`, faultEmptyKey},
		{`{"no":"1","\u006eo":"2"}`, faultTwice},
		{`{"name":"Ann"}`, faultNoID},
		{`{"no":null}`, faultNoID},
		{`{"no":" "}`, faultNoID},
		{`{"no":{"a":1}}`, faultNoID},
		{`{"no":"a\nb"}`, faultID},
		{`{"no":"1","club":true}`, faultClub},
		{`{"no":"1","a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, faultDeep},
		{`{"no":"1"` + keys.String() + `}`, faultKeys},
		{long, faultLong},
	}
	var text strings.Builder
	var want []string
	for i, b := range bad {
		fmt.Fprintf(&text, "%s\n{\"no\":\"good-%d\"}\n", b.line, i)
		want = append(want, fmt.Sprintf("line %d: %s", 2*i+1, b.reason))
	}
	c := opened(t, written(t, text.String()))
	for _, limit := range []int{1, 3, 1000} {
		var got []string
		good := 0
		for after, done := sdk.Cursor(nil), false; !done; {
			p := readPage(t, c, after, limit)
			good += p.Rows
			got = append(got, unpack(p)[p.Rows:]...)
			after, done = p.Next, p.Done
			for _, r := range p.Rejected {
				if len(r.Raw) == 0 || len(r.Raw) > sdk.MaxRawBytes {
					t.Errorf("%s: %d bytes are kept", r.Position, len(r.Raw))
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || good != len(bad) {
			t.Errorf("limit %d: %d good lines\n%s", limit, good, diff)
		}
	}
}

func TestManyDifferentKeysTakeMorePages(t *testing.T) {
	var text strings.Builder
	const rows = 5000
	for i := range rows {
		fmt.Fprintf(&text, `{"no":"%d","k%d":"v"}`+"\n", i, i)
	}
	c := opened(t, written(t, text.String()))
	read, pages := 0, 0
	for after, done := sdk.Cursor(nil), false; !done; pages++ {
		p := readPage(t, c, after, 100_000)
		read, after, done = read+p.Rows, p.Next, p.Done
	}
	if read != rows || pages < rows/sdk.MaxColumns || pages > 20 {
		t.Errorf("%d records in %d pages", read, pages)
	}
}

func TestLargeLinesTakeMorePages(t *testing.T) {
	line := `{"no":"1","text":"` + strings.Repeat("x", maxLineBytes-100) + `"}` + "\n"
	c := opened(t, written(t, strings.Repeat(line, 9)))
	read := 0
	for after, done := sdk.Cursor(nil), false; !done; {
		p := readPage(t, c, after, 500)
		read, after, done = read+p.Rows, p.Next, p.Done
	}
	if read != 9 {
		t.Errorf("%d records", read)
	}
}

func TestAppendedLinesAreReadAndNothingElse(t *testing.T) {
	path := written(t, "{\"no\":\"1\"}\n{\"no\":\"2\"}\n")
	c := opened(t, path)
	p := readPage(t, c, nil, 10)
	again := readPage(t, c, p.Next, 10)
	if again.Rows != 0 || !again.Done {
		t.Errorf("an unchanged file: %q", unpack(again))
	}
	appendTo(t, path, "{\"no\":\"3\"}\n")
	more := readPage(t, c, p.Next, 10)
	if diff := cmp.Diff([]string{"3//line 3 no=2:3"}, unpack(more)); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnfinishedLastLineIsReadAgain(t *testing.T) {
	path := written(t, "{\"no\":\"1\"}\n{\"no\":\"2\",\"na")
	c := opened(t, path)
	p := readPage(t, c, nil, 10)
	if diff := cmp.Diff([]string{"1//line 1 no=2:1", "line 2: " + faultCut}, unpack(p)); diff != "" || !p.Done {
		t.Error(diff)
	}
	appendTo(t, path, "me\":\"Bo\"}\n")
	p = readPage(t, c, p.Next, 10)
	if diff := cmp.Diff([]string{"2//line 2 no=2:2 name=2:Bo"}, unpack(p)); diff != "" || !p.Done {
		t.Error(diff)
	}
}

func TestAFileThatIsNotTheSame(t *testing.T) {
	const text = "{\"no\":\"1\"}\n{\"no\":\"2\"}\n{\"no\":\"3\"}\n"
	for name, change := range map[string]func(string){
		"replaced": func(path string) {
			write(t, path+".tmp", text)
			if err := os.Rename(path+".tmp", path); err != nil {
				t.Fatal(err)
			}
		},
		"truncated": func(path string) { write(t, path, text[:22]) },
		"rewritten": func(path string) {
			write(t, path, strings.ReplaceAll(text, "1", "9"))
			at := time.Now().Add(time.Minute)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		},
		"written anew and longer": func(path string) { write(t, path, strings.ReplaceAll(text, "1", "9")+text) },
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, text)
			c := opened(t, path)
			middle, end := readPage(t, c, nil, 1), readPage(t, c, nil, 10)
			change(path)
			_, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: middle.Next, Limit: 10})
			if e, ok := errors.AsType[*sdk.Error](err); !ok || e.Code != sdk.CodeChanged {
				t.Errorf("within a walk: %v", err)
			}
			if p := readPage(t, c, end.Next, 10); p.Rows < 2 || p.Row(0).Position() != "line 1" {
				t.Errorf("the next walk: %q", unpack(p))
			}
		})
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, filepath.Join(dir, "none")} {
		err := opened(t, path).Check(t.Context())
		if e, ok := errors.AsType[*sdk.Error](err); !ok || e.Code != sdk.CodeConfig {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestCheckNamesWhatIsWrongWithTheFirstLine(t *testing.T) {
	err := opened(t, written(t, `{"id":"1"}`+"\n")).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "setting id") {
		t.Error(err)
	}
}

// FuzzALineIsWhatEncodingJSONSays compares the scanner with the standard one.
func FuzzALineIsWhatEncodingJSONSays(f *testing.F) {
	for _, line := range []string{
		`{"no":"a","big":1e400,"x":[{"y":"\u00e9"}],"t":true}`, `{"no":1,"a":"\ud800\udc00\ud800"}`,
		`{"no":"1"}x`, `{"no":-0.0e-1}`, `{"no":"1","a":[1,]}`, `{"no":"1","a":{"b":{}}}`, `{ }`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p := newPager(settings{ID: "no", Kind: sdk.KindMember})
		p.reset(strings.NewReader(""), position{line: 1})
		fault := p.record(text)
		var want map[string]json.RawMessage
		err := json.Unmarshal(text, &want)
		switch fault {
		case "":
			if err != nil {
				t.Fatalf("%q is taken: %v", text, err)
			}
		case faultSyntax, faultBehind:
			if err == nil && want != nil {
				t.Fatalf("%q is refused: %s", text, fault)
			}
			return
		default:
			return
		}
		page, err := p.page(sdk.KindMember)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(page.Columns) != len(want) {
			t.Fatalf("%q: columns %q", text, page.Columns)
		}
		for col, name := range page.Columns {
			compare(t, page.Row(0).Cell(col), want[name])
		}
	})
}

func compare(t *testing.T, got sdk.Cell, want json.RawMessage) {
	t.Helper()
	var s string
	switch got.Kind() {
	case sdk.CellString:
		if json.Unmarshal(want, &s) != nil || s != string(got.Bytes()) {
			t.Fatalf("%q is read as %q", want, got.Bytes())
		}
	case sdk.CellNumber, sdk.CellJSON:
		if string(want) != string(got.Bytes()) {
			t.Fatalf("%q is read as %q", want, got.Bytes())
		}
	case sdk.CellBool:
		if (string(want) == "true") != (got.Bytes()[0] == 1) {
			t.Fatalf("%q is read as %v", want, got.Bytes())
		}
	case sdk.CellNull, sdk.CellAbsent:
		if string(want) != "null" {
			t.Fatalf("%q is read as null", want)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	const rows = 20_000
	var text strings.Builder
	for i := range rows {
		fmt.Fprintf(&text, `{"no":"m-%d","club":"1"`, i)
		for f := range 14 {
			fmt.Fprintf(&text, `,"field_%d":"a value of it %d"`, f, i)
		}
		text.WriteString("}\n")
	}
	c := opened(b, written(b, text.String()))
	b.ReportAllocs()
	read := 0
	var after sdk.Cursor
	for b.Loop() {
		p := readPage(b, c, after, 500)
		read, after = read+p.Rows, p.Next
		if p.Done {
			after = nil
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(read), "ns/record")
}

func TestTheSettingsOfTheReadmeAreAccepted(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := strings.Cut(string(readme), "```yaml\n")
	sample, _, _ = strings.Cut(sample, "```")
	var connection struct {
		Adapter  string
		Settings map[string]string
	}
	if err := yaml.Unmarshal([]byte(sample), &connection); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(connection.Settings)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := parseSettings(raw); err != nil || connection.Adapter != adapter().Name || s.Club != "club_no" {
		t.Errorf("%+v, %v", s, err)
	}
	for name := range connection.Settings {
		if !strings.Contains(string(readme), "| `"+name+"` |") {
			t.Errorf("setting %s is not in the table", name)
		}
	}
}
