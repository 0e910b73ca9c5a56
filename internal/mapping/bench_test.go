package mapping_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// BenchmarkWorkers measures pages of 500 records through the process boundary.
func BenchmarkWorkers(b *testing.B) {
	for _, form := range []struct {
		name, source string
		workers      int
	}{
		{"function-digests", mapping.BenchSource, 2},
		{"plan-digests", mapping.BenchPlan, 2},
		{"function", mapping.BenchSource, 1},
		{"function", mapping.BenchSource, 2},
		{"plan", mapping.BenchPlan, 1},
		{"plan", mapping.BenchPlan, 2},
		{"hop", mapping.BenchHop, 1},
	} {
		b.Run(fmt.Sprint(form.name, "-", form.workers), func(b *testing.B) {
			workers := form.workers
			pool := mapping.NewPool(options(workers))
			target := roster.ImportTarget(sdk.KindMember)
			if strings.HasSuffix(form.name, "-digests") {
				target = mapping.BenchTarget()
			}
			m := loadFor(b, pool, form.source, target)
			pages := make([]*sdk.Page, 64)
			for i := range pages {
				pages[i] = mapping.BenchPage(b, 500, i)
			}
			work := make(chan int)
			var wait sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			before := mapping.CPUTime(b)
			for range workers {
				wait.Go(func() {
					for i := range work {
						if _, err := m.Map(context.Background(), pages[i%len(pages)]); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				work <- i
			}
			close(work)
			wait.Wait()
			b.StopTimer()
			if err := pool.Close(); err != nil {
				b.Error(err)
			}
			records := float64(b.N) * 500
			b.ReportMetric(float64((mapping.CPUTime(b)-before).Microseconds())/records, "CPU-µs/record")
			b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/records, "µs/record")
		})
	}
}
