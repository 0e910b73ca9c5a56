package mapping

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestRowsThatArePickedAreAPageOfTheirOwn(t *testing.T) {
	t.Parallel()
	page := BenchPage(t, 30, 1)
	rapid.Check(t, func(t *rapid.T) {
		var rows []int
		for row := range page.Rows {
			if rapid.Bool().Draw(t, "wanted") {
				rows = append(rows, row)
			}
		}
		picked := pick(page, rows)
		if err := picked.Validate(); err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			got, want := picked.Row(i), page.Row(row)
			same := got.ID() == want.ID() && got.Club() == want.Club() && got.Position() == want.Position()
			for c := range page.Columns {
				same = same && string(got.Cell(c)) == string(want.Cell(c))
			}
			if !same {
				t.Fatalf("row %d is another record than %d", i, row)
			}
		}
	})
}

// BenchmarkMapRows measures both ways to map every nth record of a page: to
// send only those, and to send the page and leave out the others.
func BenchmarkMapRows(b *testing.B) {
	pool := NewPool(Options{Command: []string{"/proc/self/exe", "map-worker"}, Workers: 1, RecordDeadline: time.Second})
	defer func() {
		if err := pool.Close(); err != nil {
			b.Error(err)
		}
	}()
	m, err := pool.Load(b.Context(), Script{Name: "x.lua", Source: []byte(BenchPlan)}, Context{Country: "CA"}, BenchTarget())
	if err != nil {
		b.Fatal(err)
	}
	page := BenchPage(b, 500, 1)
	for _, every := range []int{100, 10, 2} {
		var rows []int
		whole := rowSet{to: page.Rows}
		for row := range page.Rows {
			if row%every == 0 {
				rows = append(rows, row)
			} else {
				whole.left = append(whole.left, row)
			}
		}
		for name, call := range map[string]pageCall{
			"picked": {mapping: m, page: page, rows: rows}, "whole": {mapping: m, page: page},
		} {
			b.Run(fmt.Sprint(name, "-1/", every), func(b *testing.B) { benchRows(b, m, page, call, whole) })
		}
	}
}

func benchRows(b *testing.B, m *Mapping, page *sdk.Page, call pageCall, whole rowSet) {
	b.Helper()
	worker, err := m.borrow(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	call.worker, call.crashes = worker, map[int]int{}
	for b.Loop() {
		if call.rows != nil {
			call.page = pick(page, call.rows)
			_, err = call.run(b.Context())
		} else {
			_, err = call.mapRows(b.Context(), whole)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	m.giveBack(call.worker)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/page")
}
