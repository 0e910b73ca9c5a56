package mapping_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// workerArg makes the test binary a worker process.
const workerArg = "map-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case workerArg:
			if err := mapping.Worker(os.Stdin, os.Stdout, os.NewFile(3, "progress")); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case parentArg:
			parent()
			os.Exit(0)
		case mapping.ProbeArg:
			mapping.Probe(os.Args[2:])
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// deadline is short, so that hostile scripts cost little time.
const deadline = 200 * time.Millisecond

func newPool(tb testing.TB, workers int) *mapping.Pool {
	tb.Helper()
	pool := mapping.NewPool(options(workers))
	tb.Cleanup(func() {
		if err := pool.Close(); err != nil {
			tb.Errorf("close the pool: %v", err)
		}
	})
	return pool
}

func options(workers int) mapping.Options {
	return mapping.Options{
		Command: []string{"/proc/self/exe", workerArg}, Workers: workers,
		RecordDeadline: deadline, MemoryLimit: 192 << 20,
	}
}

// account is the context of the tests: two clubs in two countries.
func account() mapping.Context {
	return mapping.Context{
		Account: "acme", Job: "acme/launch", Country: "CA", Timezone: "America/Toronto",
		Clubs: map[string]mapping.Club{
			"1": {Key: "downtown", Name: "Downtown", Country: "CA"},
			"2": {Key: "thames", Name: "Thames", Country: "GB"},
		},
		ClubsRequired: true,
	}
}

func load(tb testing.TB, pool *mapping.Pool, source string) *mapping.Mapping {
	tb.Helper()
	return loadFor(tb, pool, source, roster.ImportTarget(sdk.KindMember))
}

func loadFor(tb testing.TB, pool *mapping.Pool, source string, target roster.MapTarget) *mapping.Mapping {
	tb.Helper()
	script := mapping.Script{Name: "scripts/test.lua", Source: []byte(source)}
	m, err := pool.Load(tb.Context(), script, account(), target)
	if err != nil {
		tb.Fatalf("load: %v", err)
	}
	return m
}

// people is a page of n records with the columns name and kind of trouble.
func people(tb testing.TB, n int, trouble map[int]string) *sdk.Page {
	tb.Helper()
	b := sdk.NewPageBuilder(sdk.KindMember, []string{"name", "trouble"})
	for i := range n {
		b.Add(fmt.Sprintf("m-%d", i), "1", fmt.Sprintf("line %d", i+2))
		b.String(fmt.Sprintf("Ann %d", i))
		if what, ok := trouble[i]; ok {
			b.String(what)
		} else {
			b.Absent()
		}
	}
	page, err := b.Page(nil, true)
	if err != nil {
		tb.Fatal(err)
	}
	return page
}

func mapOne(tb testing.TB, m *mapping.Mapping, page *sdk.Page) *roster.Mapped {
	tb.Helper()
	mapped, err := m.Map(tb.Context(), page)
	if err != nil {
		tb.Fatalf("map: %v", err)
	}
	return mapped
}
