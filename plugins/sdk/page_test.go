package sdk_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// twoMembers is a page of every kind of cell.
func twoMembers(tb testing.TB) *sdk.Page {
	tb.Helper()
	b := sdk.NewPageBuilder(sdk.KindMember, []string{"name", "visits", "active", "note", "tags"})
	b.Grow(2, 100)
	b.Add("m-1", "1", "line 2")
	b.String("Zoë")
	b.Number("12345678901234567890")
	b.Bool(true)
	b.Null()
	b.JSON([]byte(`["a"]`))
	b.Add("m-2", "", "")
	b.Bytes([]byte("Ann"))
	b.Absent()
	b.Bool(false)
	b.Absent()
	b.Absent()
	page, err := b.Page(sdk.Cursor("2"), true)
	if err != nil {
		tb.Fatal(err)
	}
	return page
}

func TestAPageGivesBackWhatWasPutIn(t *testing.T) {
	page := twoMembers(t)
	first, second := page.Row(0), page.Row(1)
	if first.ID() != "m-1" || first.Club() != "1" || first.Position() != "line 2" || second.ID() != "m-2" {
		t.Errorf("got %q %q %q and %q", first.ID(), first.Club(), first.Position(), second.ID())
	}
	for col, want := range []struct {
		kind  sdk.CellKind
		value string
	}{
		{sdk.CellString, "Zoë"},
		{sdk.CellNumber, "12345678901234567890"},
		{sdk.CellBool, "\x01"},
		{sdk.CellNull, ""},
		{sdk.CellJSON, `["a"]`},
	} {
		if cell := first.Cell(col); cell.Kind() != want.kind || string(cell.Bytes()) != want.value {
			t.Errorf("column %d: got kind %d, %q", col, cell.Kind(), cell.Bytes())
		}
	}
	if kind := second.Cell(1).Kind(); kind != sdk.CellAbsent {
		t.Errorf("a field that is not there: got kind %d", kind)
	}
}

func TestABuilderRefusesARecordWithTooFewOrTooManyValues(t *testing.T) {
	for _, values := range []int{0, 2} {
		b := sdk.NewPageBuilder(sdk.KindMember, []string{"name"})
		b.Add("m-1", "", "")
		for range values {
			b.Absent()
		}
		if _, err := b.Page(nil, true); !errors.Is(err, sdk.ErrPage) {
			t.Errorf("%d values for one column: got %v", values, err)
		}
	}
}

func TestAMalformedPageIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*sdk.Page){
		"unknown kind":          func(p *sdk.Page) { p.Kind = "robot" },
		"column twice":          func(p *sdk.Page) { p.Columns[1] = p.Columns[0] },
		"column without name":   func(p *sdk.Page) { p.Columns[0] = "" },
		"too many rows":         func(p *sdk.Page) { p.Rows = 3 },
		"negative rows":         func(p *sdk.Page) { p.Rows = -1 },
		"ends cut":              func(p *sdk.Page) { p.Ends = p.Ends[:len(p.Ends)-1] },
		"end behind the cells":  func(p *sdk.Page) { binary.LittleEndian.PutUint32(p.Ends, 1<<31) },
		"end before its start":  func(p *sdk.Page) { binary.LittleEndian.PutUint32(p.Ends[4:], 1) },
		"bytes left over":       func(p *sdk.Page) { p.Cells = append(p.Cells, 'x') },
		"unknown kind of cell":  func(p *sdk.Page) { p.Cells[0] = 99 },
		"an id that is a bool":  func(p *sdk.Page) { p.Cells[0] = byte(sdk.CellBool) },
		"cursor too long":       func(p *sdk.Page) { p.Next = make([]byte, sdk.MaxCursorBytes+1) },
		"too many bytes":        func(p *sdk.Page) { p.Cells = make([]byte, sdk.MaxPageBytes+1) },
		"text that is not text": func(p *sdk.Page) { p.Cells[1] = 0xff },
	} {
		page := twoMembers(t)
		spoil(page)
		if err := page.Validate(); !errors.Is(err, sdk.ErrPage) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnUnclassifiedErrorFailsTheRun(t *testing.T) {
	plain := errors.New("something")
	if e := sdk.AsError(plain); e.Class != sdk.ClassFail || e.Code != sdk.CodeInternal || !errors.Is(e, plain) {
		t.Errorf("got %+v", e)
	}
	wrapped := errors.Join(errors.New("reading"), sdk.Fail(sdk.CodeAuth, plain))
	if e := sdk.AsError(wrapped); e.Code != sdk.CodeAuth || !strings.Contains(e.Error(), "reading") {
		t.Errorf("a wrapped error: got %+v", e)
	}
	if sdk.AsError(nil) != nil {
		t.Error("nil became an error")
	}
}

func FuzzValidate(f *testing.F) {
	page := twoMembers(f)
	f.Add(page.Rows, page.Ends, page.Cells)
	f.Fuzz(func(t *testing.T, rows int, ends, cells []byte) {
		p := &sdk.Page{Kind: sdk.KindMember, Columns: []string{"a", "b"}, Rows: rows, Ends: ends, Cells: cells}
		if p.Validate() != nil {
			return
		}
		for i := range p.Rows {
			row := p.Row(i)
			if row.ID() == "" {
				t.Errorf("row %d has no id", i)
			}
			_, _, _, _ = row.Club(), row.Position(), row.Cell(0).Kind(), row.Cell(1).Bytes()
		}
	})
}
