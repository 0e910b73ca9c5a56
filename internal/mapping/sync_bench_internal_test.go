package mapping

import (
	"testing"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// BenchTarget is the target of a sync that wants a name alone.
func BenchTarget() roster.MapTarget {
	t := roster.SyncTarget(sdk.KindMember, sdk.TargetKind{}, digest.Key{1, 2, 3}, nil, true)
	t.Required = []string{"first_name", "last_name"}
	return t
}

// digestEngine is benchEngine for a sync.
func digestEngine(tb testing.TB, source string) *engine {
	tb.Helper()
	c := Context{Country: "CA", Clubs: map[string]Club{"1": {Key: "downtown", Country: "CA"}}, ClubsRequired: true}
	e, err := newEngine(tb.Context(), Script{Name: "bench.lua", Source: []byte(source)}, c, BenchTarget())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.close)
	return e
}

// BenchmarkDigestEngine measures both forms without the process boundary.
func BenchmarkDigestEngine(b *testing.B) {
	for name, source := range map[string]string{"function": BenchSource, "plan": BenchPlan} {
		b.Run(name, func(b *testing.B) {
			e, page := digestEngine(b, source), BenchPage(b, 500, 1)
			b.ReportAllocs()
			for b.Loop() {
				e.mapPage(page, rowSet{to: page.Rows}, func(int) {})
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*page.Rows), "µs/record")
		})
	}
}

// BenchmarkSums measures what the digests of a record of ten fields cost.
func BenchmarkSums(b *testing.B) {
	e, page := digestEngine(b, BenchPlan), BenchPage(b, 1, 1)
	first := e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0]
	if count(first.Fields) != 10 {
		b.Fatalf("%d fields, want 10", count(first.Fields))
	}
	r := &e.result
	values := make([][]byte, len(r.record))
	for i, f := range r.record {
		values[i], _ = appendValue(e, nil, f.value)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.sums.sum, r.sums.shorts = digest.Sum{}, r.sums.shorts[:0]
		for i, f := range r.record {
			r.sums.add(f.slot, values[i])
		}
		r.sums.finish(&first)
	}
}

func TestDigestsCostNoAllocationARecord(t *testing.T) {
	page := BenchPage(t, 500, 1)
	for name, source := range map[string]string{"function": BenchSource, "plan": BenchPlan} {
		var perPage [2]float64
		for i, e := range []*engine{benchEngine(t, source), digestEngine(t, source)} {
			run := func() { e.mapPage(page, rowSet{to: page.Rows}, func(int) {}) }
			run()
			perPage[i] = testing.AllocsPerRun(2, run)
		}
		if more := perPage[1] - perPage[0]; more > 10 {
			t.Errorf("%s: %.0f allocations a page of %d with digests, %.0f without", name, perPage[1], page.Rows, perPage[0])
		}
	}
}
