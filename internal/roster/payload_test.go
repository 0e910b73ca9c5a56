package roster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// payloadsOf are the payloads of all records of a page.
func payloadsOf(page *sdk.Page) [][]byte {
	payloads := make([][]byte, page.Rows)
	for i := range payloads {
		payloads[i] = roster.Payload(page.Columns, page.Row(i))
	}
	return payloads
}

// showRow is a record with the cells that it has, by the names of their columns.
func showRow(page *sdk.Page, i int) string {
	cells := map[string]string{}
	for c, column := range page.Columns {
		if cell := page.Row(i).Cell(c); cell.Kind() != sdk.CellAbsent {
			cells[column] = fmt.Sprintf("%d %q", cell.Kind(), cell.Bytes())
		}
	}
	shown := fmt.Sprintf("%q %q", page.Row(i).ID(), page.Row(i).Club())
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		shown += fmt.Sprintf(" %q=%s", name, cells[name])
	}
	return shown
}

// drawPage is a page of any records whose numbers and JSON are such.
func drawPage(t *rapid.T) *sdk.Page {
	columns := rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 0, 6, rapid.ID).Draw(t, "columns")
	b := sdk.NewPageBuilder(sdk.KindMember, columns)
	for range rapid.IntRange(0, 5).Draw(t, "rows") {
		b.Add(rapid.StringN(1, 8, -1).Draw(t, "id"), rapid.StringN(0, 3, -1).Draw(t, "club"), "")
		for range columns {
			switch sdk.CellKind(rapid.IntRange(0, 5).Draw(t, "kind")) {
			case sdk.CellAbsent:
				b.Absent()
			case sdk.CellNull:
				b.Null()
			case sdk.CellString:
				b.String(rapid.String().Draw(t, "text"))
			case sdk.CellNumber:
				b.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number"))
			case sdk.CellBool:
				b.Bool(rapid.Bool().Draw(t, "bool"))
			case sdk.CellJSON:
				raw, err := json.Marshal(rapid.SliceOf(rapid.String()).Draw(t, "json"))
				if err != nil {
					t.Fatal(err)
				}
				b.JSON(raw)
			}
		}
	}
	page, err := b.Page(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestPayloadsGiveBackTheCellsOfTheirPage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		page := drawPage(t)
		back, unreadable, err := roster.PayloadPage(page.Kind, payloadsOf(page))
		if err != nil || len(unreadable) > 0 || back.Rows != page.Rows || back.Kind != page.Kind {
			t.Fatalf("%v, unreadable %v", err, unreadable)
		}
		for i := range page.Rows {
			if got, want := showRow(back, i), showRow(page, i); got != want {
				t.Fatalf("record %d is %s, want %s", i, got, want)
			}
		}
	})
}

func TestAPayloadPageHasTheColumnsInTheOrderInWhichTheyAreMet(t *testing.T) {
	page, unreadable, err := roster.PayloadPage(sdk.KindStaff, [][]byte{
		[]byte(`{"id":"1","fields":{"z":1.50,"a":[1, {"x": null}]}}`),
		[]byte(`{"id":"2","club":"c","fields":{"m":12345678901234567890,"a":"é"}}`),
		[]byte(`{"id":"3","fields":{}}`),
	})
	if err != nil || len(unreadable) > 0 {
		t.Fatal(err, unreadable)
	}
	if diff := cmp.Diff([]string{"z", "a", "m"}, page.Columns); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{
		`"1" "" "a"=5 "[1, {\"x\": null}]" "z"=3 "1.50"`, `"2" "c" "a"=2 "é" "m"=3 "12345678901234567890"`, `"3" ""`,
	} {
		if got := showRow(page, i); got != want {
			t.Errorf("record %d is %s, want %s", i, got, want)
		}
	}
}

func TestAPayloadThatIsNoRecordIsNamedAndTheOthersAreRead(t *testing.T) {
	good := []byte(`{"id":"1","fields":{"a":1}}`)
	many := `{"id":"1","fields":{"c0":0`
	for i := range sdk.MaxColumns {
		many += fmt.Sprintf(`,"d%d":0`, i)
	}
	for name, bad := range map[string]string{
		"nothing": ``, "text": `line 12;Ann`, "cut": `{"id":"1","fields":{"a":`, "no id": `{"fields":{}}`, "an empty id": `{"id":"","fields":{}}`,
		"a number as id": `{"id":1,"fields":{}}`, "no fields": `{"id":"1"}`, "a list": `{"id":"1","fields":[]}`, "null": `{"id":"1","fields":null}`,
		"another member": `{"id":"1","fields":{},"x":1}`, "a field twice": `{"id":"1","fields":{"a":1,"a":2}}`, "a field without a name": `{"id":"1","fields":{"":1}}`,
		"more behind it": `{"id":"1","fields":{}}{}`, "a bracket behind it": `{"id":"1","fields":{}}}`, "no UTF-8": "{\"id\":\"1\",\"fields\":{\"a\":[\"\xff\"]}}",
		"too many fields": many + "}}",
	} {
		page, unreadable, err := roster.PayloadPage(sdk.KindMember, [][]byte{good, []byte(bad), good})
		if err != nil || !slices.Equal(unreadable, []int{1}) || page.Rows != 2 || showRow(page, 1) != `"1" "" "a"=3 "1"` {
			t.Errorf("%s: %v, unreadable %v, %v", name, err, unreadable, page)
		}
	}
}

func TestPayloadsThatDoNotFitOntoAPageAreRefused(t *testing.T) {
	large := []byte(`{"id":"1","fields":{"a":"` + strings.Repeat("x", sdk.MaxPageBytes/2) + `"}}`)
	if _, _, err := roster.PayloadPage(sdk.KindMember, [][]byte{large, large}); !errors.Is(err, sdk.ErrPage) {
		t.Errorf("%v, want %v", err, sdk.ErrPage)
	}
	var wide [][]byte
	for i := range sdk.MaxColumns + 1 {
		wide = append(wide, fmt.Appendf(nil, `{"id":"1","fields":{"f%d":0}}`, i))
	}
	if _, _, err := roster.PayloadPage(sdk.KindMember, wide); !errors.Is(err, sdk.ErrPage) {
		t.Errorf("%v, want %v", err, sdk.ErrPage)
	}
}

// A page can be full of records to quarantine.
func TestAPayloadCostsOneAllocation(t *testing.T) {
	columns := []string{"first", "notes", "gone", "n"}
	b := sdk.NewPageBuilder(sdk.KindMember, columns)
	b.Add("m-1", "1", "line 2")
	b.String("Zoë")
	b.String(strings.Repeat("a long note ", 20))
	b.Null()
	b.Number("12")
	page, err := b.Page(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { roster.Payload(columns, page.Row(0)) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPayloadPage(f *testing.F) {
	f.Add([]byte(`{"id":"1","club":"2","fields":{"a":1,"b":"x","c":null,"d":[true]}}`), []byte(`{"id":"2","fields":{}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		page, unreadable, err := roster.PayloadPage(sdk.KindMember, [][]byte{a, b})
		if err != nil {
			return
		}
		if page.Rows+len(unreadable) != 2 {
			t.Fatalf("%d records, unreadable %v", page.Rows, unreadable)
		}
		again, unreadable, err := roster.PayloadPage(sdk.KindMember, payloadsOf(page))
		if err != nil || len(unreadable) > 0 {
			t.Fatalf("%v, unreadable %v", err, unreadable)
		}
		for i := range page.Rows {
			if got, want := showRow(again, i), showRow(page, i); got != want {
				t.Fatalf("record %d is %s, want %s", i, got, want)
			}
		}
	})
}
