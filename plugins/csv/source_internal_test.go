package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// opened opens a connection over the SDK. Settings are given as pairs.
func opened(tb testing.TB, path string, more ...string) sdk.Source {
	tb.Helper()
	set := map[string]string{"path": path, "id": "no"}
	for i := 0; i < len(more); i += 2 {
		set[more[i]] = more[i+1]
	}
	raw, err := json.Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	v, err := adapter().Opener.Open(tb.Context(), sdk.Connection{Name: "acme/gym", Settings: raw})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := v.(*connection).Close(); err != nil {
			tb.Error(err)
		}
	})
	return v.(sdk.Source)
}

func written(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	write(tb, path, text)
	return path
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// touch gives a file a time of change of its own, whatever the resolution of
// the file system's clock.
func touch(tb testing.TB, path string, minutes int) {
	tb.Helper()
	at := time.Date(2026, 1, 2, 3, minutes, 0, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		tb.Fatal(err)
	}
}

// read is one record as tests compare it.
type read struct {
	ID, Club, Position string
	Values             map[string]string
	Fault              string
}

func unpack(p *sdk.Page) []read {
	var out []read
	for i := range p.Rows {
		row := p.Row(i)
		r := read{ID: row.ID(), Club: row.Club(), Position: row.Position(), Values: map[string]string{}}
		for col, name := range p.Columns {
			if c := row.Cell(col); c.Kind() == sdk.CellString {
				r.Values[name] = string(c.Bytes())
			}
		}
		out = append(out, r)
	}
	for _, r := range p.Rejected {
		out = append(out, read{Position: r.Position, Fault: r.Reason})
	}
	return out
}

// walk reads pages until one is done.
func walk(tb testing.TB, src sdk.Source, after sdk.Cursor, limit int) ([]read, sdk.Cursor) {
	tb.Helper()
	var all []read
	for {
		p, err := src.Read(tb.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: limit})
		if err != nil {
			tb.Fatal(err)
		}
		all, after = append(all, unpack(p)...), p.Next
		if p.Done {
			return all, after
		}
	}
}

func ids(all []read) string {
	var out []string
	for _, r := range all {
		out = append(out, r.ID+r.Fault)
	}
	return strings.Join(out, " ")
}

func wantCode(t *testing.T, err error, code sdk.Code, words ...string) {
	t.Helper()
	fault, ok := errors.AsType[*sdk.Error](err)
	if !ok || fault.Code != code {
		t.Fatalf("got %v, want an error with code %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestRowsBecomeRecords(t *testing.T) {
	path := written(t, "a.csv", "no,club,name\n 1 ,7,Zoë\n2,,\"a \"\"b\"\"\"\n\n3,7\n,7,x\n4,7,\"x\ny\"\n5,7,\x00\n6,7,\xff\n\x01,7,x\n7,\"7\n\",x\n"+
		strings.Repeat("8", 257)+",7,x\n")
	got, _ := walk(t, opened(t, path, "club", "club"), nil, 100)
	want := []read{
		{ID: "1", Club: "7", Position: "line 2", Values: map[string]string{"no": " 1 ", "club": "7", "name": "Zoë"}},
		{ID: "2", Position: "line 3", Values: map[string]string{"no": "2", "name": `a "b"`}},
		{ID: "4", Club: "7", Position: "line 7", Values: map[string]string{"no": "4", "club": "7", "name": "x\ny"}},
		{ID: "7", Club: "7", Position: "line 12", Values: map[string]string{"no": "7", "club": "7\n", "name": "x"}},
		{Position: "line 5", Fault: faultFewer},
		{Position: "line 6", Fault: faultNoID},
		{Position: "line 9", Fault: faultNUL},
		{Position: "line 10", Fault: faultEncoding},
		{Position: "line 11", Fault: faultID},
		{Position: "line 14", Fault: faultID},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestARejectedRowKeepsWhatWasRead(t *testing.T) {
	path := written(t, "a.csv", "no,name\n1,x,y\n2,\""+strings.Repeat("z", 9000)+"\n")
	p, err := opened(t, path).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rejected) != 2 || string(p.Rejected[0].Raw) != "1,x,y" || len(p.Rejected[1].Raw) != sdk.MaxRawBytes {
		t.Errorf("rejected: %+v", p.Rejected)
	}
}

func TestReadingFromEveryCursorGivesTheSamePages(t *testing.T) {
	text := "no,name\n1,\"a\nb\"\n\n2,c\n3,\"d\n4,e \"x\"\n5,Zoë\n6\n7,\"f\"\"f\"\n\n"
	for name, path := range manyForms(t, text) {
		t.Run(name, func(t *testing.T) {
			straight, _ := walk(t, opened(t, path), nil, 100)
			if len(straight) != 7 {
				t.Fatalf("a straight read gives %d rows: %+v", len(straight), straight)
			}
			kept := opened(t, path)
			var cursor sdk.Cursor
			for done := false; !done; {
				req := sdk.ReadRequest{Kind: sdk.KindMember, After: cursor, Limit: 1}
				first, err := kept.Read(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				for _, again := range []sdk.Source{kept, opened(t, path)} {
					second, err := again.Read(t.Context(), req)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
						t.Fatal(diff)
					}
				}
				cursor, done = first.Next, first.Done
			}
			single, _ := walk(t, opened(t, path), nil, 1)
			if len(single) != len(straight) {
				t.Errorf("read one by one: %s", ids(single))
			}
		})
	}
}

// manyForms writes a text in every form that the adapter reads.
func manyForms(t *testing.T, text string) map[string]string {
	t.Helper()
	encoded := func(e interface{ String(string) (string, error) }) string {
		s, err := e.String(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	le := encoded(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder())
	be := encoded(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewEncoder())
	forms := map[string]string{
		"UTF-8": text, "UTF-8 with a mark": "\xef\xbb\xbf" + text,
		"UTF-16LE": le, "UTF-16LE with a mark": "\xff\xfe" + le,
		"UTF-16BE": be, "UTF-16BE with a mark": "\xfe\xff" + be,
		"Windows-1252":       encoded(charmap.Windows1252.NewEncoder()),
		"Windows line ends":  strings.ReplaceAll(text, "\n", "\r\n"),
		"gzip":               zipped(t, text),
		"gzip of UTF-16":     zipped(t, "\xff\xfe"+le),
		"gzip, several":      zipped(t, text[:20]) + zipped(t, text[20:]),
		"sep line":           "sep=,\n" + text,
		"without a last end": strings.TrimRight(text, "\n"),
	}
	paths := map[string]string{}
	for name, form := range forms {
		paths[name] = written(t, "a.csv", form)
	}
	return paths
}

func zipped(tb testing.TB, text string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func TestEveryFormGivesTheSameText(t *testing.T) {
	for name, path := range manyForms(t, "no,name\n1,Zoë Müller\n2,\"Ann, née \"\"B\"\"\"\n") {
		got, _ := walk(t, opened(t, path), nil, 100)
		if len(got) != 2 || got[0].Values["name"] != "Zoë Müller" || got[1].Values["name"] != `Ann, née "B"` {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAGivenEncodingIsUsed(t *testing.T) {
	path := written(t, "a.csv", "no,name\n1,Zo\xc3\xab\n")
	got, _ := walk(t, opened(t, path, "encoding", "windows-1252"), nil, 100)
	if len(got) != 1 || got[0].Values["name"] != "ZoÃ«" {
		t.Errorf("got %+v", got)
	}
}

func TestOneBrokenNameDoesNotChangeTheEncodingOfTheOthers(t *testing.T) {
	path := written(t, "a.csv", "no,name\n1,Zoë\n2,Zo\xeb\n3,René\n")
	got, _ := walk(t, opened(t, path), nil, 100)
	if want := "1 3 " + faultEncoding; ids(got) != want {
		t.Errorf("got %s", ids(got))
	}
}

func TestTheDelimiterIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"no,name\n1,a;b\n": "a;b", "no;name\n1;a,b\n": "a,b", "no\tname\n1\ta,b\n": "a,b",
		"no;\"name\";\"a,b,c,d,e\"\n1;x;\n": "x", "sep=;\nno;name\n1;x\n": "x", "name,no\nx,1\n": "x",
	} {
		got, _ := walk(t, opened(t, written(t, "a.csv", text)), nil, 100)
		if len(got) != 1 || got[0].ID != "1" || got[0].Values["name"] != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
	got, _ := walk(t, opened(t, written(t, "a.csv", "no,b;no\n1,2;3\n"), "delimiter", ";"), nil, 100)
	if ids(got) != "3" {
		t.Errorf("a given delimiter: %+v", got)
	}
}

func TestAFileWithoutRowsGivesAnEmptyPage(t *testing.T) {
	p, err := opened(t, written(t, "a.csv", "no,name\n\n")).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if p.Rows != 0 || !p.Done || len(p.Next) == 0 {
		t.Errorf("got %+v", p)
	}
}

func TestAKindThatTheFileDoesNotHoldGivesAnEmptyPage(t *testing.T) {
	p, err := opened(t, written(t, "a.csv", "no\n1\n")).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindStaff, Limit: 10})
	if err != nil || p.Rows != 0 || !p.Done || p.Kind != sdk.KindStaff {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestLargeRowsMakeMorePages(t *testing.T) {
	var text strings.Builder
	text.WriteString("no" + strings.Repeat(",c", 0))
	for i := range 15 {
		fmt.Fprintf(&text, ",c%d", i)
	}
	text.WriteByte('\n')
	for i := range 12 {
		fmt.Fprintf(&text, "%d%s\n", i, strings.Repeat(","+strings.Repeat("x", 60000), 15))
	}
	got, _ := walk(t, opened(t, written(t, "a.csv", text.String())), nil, 1000)
	if want := "0 1 2 3 4 5 6 7 8 9 10 11"; ids(got) != want {
		t.Errorf("got %s", ids(got))
	}
}

func TestManyRejectedRowsMakeMorePages(t *testing.T) {
	text := "no,name\n" + strings.Repeat("x"+strings.Repeat("y", 5000)+"\n", 600)
	src := opened(t, written(t, "a.csv", text))
	p, err := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	if p.Done || len(p.Rejected) > 300 {
		t.Errorf("%d rejected rows on one page, done %v", len(p.Rejected), p.Done)
	}
	rest, _ := walk(t, src, p.Next, 10000)
	if len(rest)+len(p.Rejected) != 600 {
		t.Errorf("%d rows in all", len(rest)+len(p.Rejected))
	}
}

func TestACancelledReadEndsAndCanBeMadeAgain(t *testing.T) {
	src := opened(t, written(t, "a.csv", "no\n1\n2\n"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Read(ctx, sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got, _ := walk(t, src, nil, 10); ids(got) != "1 2" {
		t.Errorf("got %s", ids(got))
	}
}

func TestMemoryStaysFlatOverAMillionRows(t *testing.T) {
	rows := 1_000_000
	if testing.Short() {
		rows = 200_000
	}
	path := filepath.Join(t.TempDir(), "a.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	line := "no,a,b\n"
	for i := 0; i < rows; i += 1000 {
		var b strings.Builder
		for j := range 1000 {
			b.WriteString(line)
			line = fmt.Sprintf("%d,some value,\"other, value\"\n", i+j)
		}
		if _, err := f.WriteString(b.String()); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	src, read := opened(t, path), 0
	var before, after runtime.MemStats
	var cursor sdk.Cursor
	for done := false; !done; {
		p, err := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: cursor, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		if read == 0 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		read += p.Rows
		cursor, done = p.Next, p.Done
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if read != rows-1 {
		t.Errorf("read %d of %d rows", read, rows-1)
	}
	if after.HeapAlloc > before.HeapAlloc+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}

func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	text.WriteString("no,club,first,last,email,mobile,home,street,city,zip,joined,status,birthdate,plan,note,source\n")
	const rows = 50000
	for i := range rows {
		fmt.Fprintf(&text, "%d,1,ANN,O'Neill %d,ann.oneill%d@example.com,(416) 555-0123,,\"12 King St W, Apt 4\",Toronto,M5V 1E5,2021-04-05,active,1980-01-31,gold,,web\n", i, i, i)
	}
	path := written(b, "a.csv", text.String())
	src := opened(b, path, "club", "club")
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var cursor sdk.Cursor
		for done := false; !done; {
			p, err := src.Read(b.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: cursor, Limit: 500})
			if err != nil {
				b.Fatal(err)
			}
			cursor, done = p.Next, p.Done
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/record")
}
