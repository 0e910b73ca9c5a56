package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// What a record of a sync costs is held to numbers of allocations, which are the
// same on every machine. The benchmarks tell the time.

const costsPage = 500

// costs are the parts of a sync that work in memory. It stands in for the store:
// it answers with standings that are there already, and stores nothing.
type costs struct {
	page      *sdk.Page
	standings []roster.Standing
	// entries is a change set of creates.
	entries [][]byte
	sync    *SyncFlow
}

func newCosts(tb testing.TB) *costs {
	tb.Helper()
	c := &costs{page: costlyPage(tb)}
	target := sdk.TargetKind{
		Kind: sdk.KindMember, Class: sdk.ClassB, Batch: costsPage, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate},
	}
	c.sync = &SyncFlow{
		From: "acme/gym", To: "acme/club", Links: c, Intents: c, Mapping: 7, Digests: digest.Key{1},
		Options: roster.SyncOptions{OnMatch: true, OnMissing: true, OnGone: "deactivate"},
		Target:  map[sdk.Kind]sdk.TargetKind{sdk.KindMember: target},
	}
	columns := c.sync.Digests.Columns(c.page.Columns)
	c.standings = make([]roster.Standing, c.page.Rows)
	for i := range c.standings {
		c.standings[i].Link = roster.Link{Version: 1, Sent: roster.Sent{Row: columns.Row(c.page.Row(i)), Mapping: 7}}
	}
	return c
}

func costlyPage(tb testing.TB) *sdk.Page {
	tb.Helper()
	var names []string
	for i := range 16 {
		names = append(names, fmt.Sprintf("column_%02d", i))
	}
	b := sdk.NewPageBuilder(sdk.KindMember, names)
	for row := range costsPage {
		b.Add(fmt.Sprintf("m%07d", row), "1", "")
		for i := range names {
			b.String(fmt.Sprintf("value %d of row %d", i, row))
		}
	}
	page, err := b.Page(nil, true)
	if err != nil {
		tb.Fatal(err)
	}
	return page
}

func (c *costs) Standings(context.Context, roster.Route, []string) ([]roster.Standing, error) {
	return c.standings, nil
}

func (c *costs) Links(context.Context, roster.Route, roster.LinkFilter) ([]roster.Link, error) {
	return nil, nil
}

func (c *costs) OpenLinks(context.Context, roster.Route, roster.LinkFilter) ([]roster.OpenLink, error) {
	return nil, nil
}

func (c *costs) CountLinks(context.Context, roster.Route) (int, error) { return len(c.standings), nil }

func (c *costs) Marker(roster.Route, string) string { return "rd0123456789abcdef012345" }

func (c *costs) Arm(context.Context, []roster.Intent) ([]roster.Standing, error) { return nil, nil }
func (c *costs) CloseLinks(context.Context, roster.Closing) (roster.Closed, error) {
	return roster.Closed{}, nil
}
func (c *costs) Intents(context.Context, string) ([]roster.Intent, error) { return nil, nil }
func (c *costs) Parked(context.Context, roster.ParkedFilter) ([]roster.Parked, error) {
	return nil, nil
}

func (c *costs) OpenIntents(context.Context, roster.Route) ([]roster.Intent, error) {
	return nil, nil
}

// Len and Entries make it a change set of creates.
func (c *costs) Len() int     { return len(c.entries) }
func (c *costs) Close() error { return nil }

func (c *costs) Entries(from, to int, visit func(int, []byte) error) error {
	for entry := from; entry < to; entry++ {
		if err := visit(entry, c.entries[entry]); err != nil {
			return err
		}
	}
	return nil
}

func costlyChange() change {
	next := change{
		op: sdk.OpCreate, kind: sdk.KindMember, source: "m0000001", position: "line 2", club: "a", row: 5,
		sum: digest.Sum{Lo: 1, Hi: 2}, shorts: make([]uint32, 10),
		data: bytes.Repeat([]byte("a field"), 40), payload: bytes.Repeat([]byte("a column"), 50),
	}
	for i := range 10 {
		next.fields = append(next.fields, fmt.Sprintf("field_%d", i))
	}
	return next
}

// compare compares the page, of which nothing has changed.
func (c *costs) compare(tb testing.TB, to *comparer) {
	tb.Helper()
	page := to.mapPage(tb.Context(), c.page)
	if page.err != nil || len(page.mapped.Records) > 0 {
		tb.Fatal(len(page.mapped.Records), page.err)
	}
	if err := to.take(tb.Context(), c.page.Kind, page); err != nil {
		tb.Fatal(err)
	}
}

func (c *costs) comparer() *comparer {
	p := &preparation{flow: &Flow{Sync: c.sync}}
	return newComparer(&Runner{}, p, nil)
}

// deliver writes the creates of a batch, all of which are executed.
func (c *costs) deliver(tb testing.TB, w *writing) {
	tb.Helper()
	b, err := w.next(0)
	if err != nil || len(b.items) != costsPage {
		tb.Fatal(len(b.items), err)
	}
	if err := w.batch(tb.Context(), b); err != nil {
		tb.Fatal(err)
	}
}

func (c *costs) writing() *writing {
	c.standings = make([]roster.Standing, costsPage)
	create := costlyChange()
	for row := range costsPage {
		create.source = c.page.Row(row).ID()
		c.entries = append(c.entries, create.append(nil))
	}
	c.sync.Write = func(_ context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		res := sdk.WriteResponse{Results: make([]sdk.Result, len(req.Operations))}
		for i, op := range req.Operations {
			res.Results[i] = sdk.Result{Outcome: sdk.OutcomeOK, ID: op.Key}
		}
		return res, nil
	}
	r := &Runner{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, sends: map[roster.Route]time.Time{}}
	return &writing{
		r: r, sync: c.sync, flow: &Flow{Sync: c.sync}, live: &progress{}, changes: c, refs: newResolver(c.sync),
	}
}

func TestAPageOfWhichNothingHasChangedIsComparedWithFewAllocations(t *testing.T) {
	c := newCosts(t)
	to := c.comparer()
	const most = 10 // for 500 records
	if n := testing.AllocsPerRun(50, func() { c.compare(t, to) }); n > most {
		t.Errorf("%v allocations a page", n)
	}
	if to.p.counts.Unchanged == 0 {
		t.Error("nothing was compared")
	}
}

func TestAChangeIsPackedWithoutAllocations(t *testing.T) {
	next := costlyChange()
	var packed []byte
	packed = next.append(packed)
	if n := testing.AllocsPerRun(50, func() { packed = next.append(packed[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAChangeIsUnpackedWithTwoAllocations(t *testing.T) {
	next := costlyChange()
	packed := next.append(nil)
	var parser changeParser
	if n := testing.AllocsPerRun(50, func() {
		if _, err := parser.parse(packed); err != nil {
			t.Error(err)
		}
	}); n > 2 { // its texts, and the digests of its fields
		t.Errorf("%v allocations", n)
	}
}

func TestABatchIsWrittenAndClosedWithFewAllocationsARecord(t *testing.T) {
	c := newCosts(t)
	w := c.writing()
	const most = 4 // its texts, the digests of its fields, its key, and a share of the batch's
	if n := testing.AllocsPerRun(20, func() { c.deliver(t, w) }) / costsPage; n > most {
		t.Errorf("%.2f allocations a record", n)
	}
}

func TestAnUnpackedChangeIsTheOneThatWasPacked(t *testing.T) {
	var parser changeParser
	first := costlyChange()
	other := costlyChange()
	other.op, other.target, other.version, other.changed = sdk.OpUpdate, "t1", 3, []string{"field_1"}
	other.fields, other.shorts = other.fields[:4], []uint32{9, 8, 7, 6}
	longer := costlyChange()
	longer.fields, longer.shorts = append(longer.fields, "more"), append(longer.shorts, 11)
	longer.warned, longer.warnings = true, []string{"field more was cut to 3 characters", "the target has no field x: it is left out"}
	for i, want := range []change{first, first, other, longer, other, {op: sdk.OpDelete, kind: sdk.KindMember, source: "gone"}, first} {
		got, err := parser.parse(want.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
			t.Errorf("change %d: got %s, want %s", i, a, b)
		}
	}
	packed := first.append(nil)
	for end := range packed {
		if _, err := parser.parse(packed[:end]); err == nil {
			t.Fatalf("%d of %d bytes were taken for a change", end, len(packed))
		}
	}
}

func BenchmarkCompareUnchanged(b *testing.B) {
	c := newCosts(b)
	to := c.comparer()
	b.ReportAllocs()
	for b.Loop() {
		c.compare(b, to)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*costsPage), "ns/record")
}

func BenchmarkDeliverBatch(b *testing.B) {
	c := newCosts(b)
	w := c.writing()
	b.ReportAllocs()
	for b.Loop() {
		c.deliver(b, w)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*costsPage), "ns/record")
}
