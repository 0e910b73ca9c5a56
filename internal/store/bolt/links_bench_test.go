package bolt_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	benchLinks  = 200_000
	benchPage   = 500
	benchBatch  = 1_000
	benchFields = 12
)

func benchRoute() roster.Route {
	return roster.Route{From: "acme/gym", To: "acme/crm", Kind: sdk.KindMember}
}

func benchSource(i int) string { return fmt.Sprintf("member-%08d", i) }

// scattered spreads numbers over all of their range, each to another place.
func scattered(i int) int { return int(uint32(i) * 2_654_435_761) }

func benchLink(source string, i int) roster.Link {
	fields := make([]roster.SentField, benchFields)
	for f := range fields {
		fields[f] = roster.SentField{Name: fmt.Sprintf("field_%02d", f), Short: uint32(i * f)}
	}
	return roster.Link{
		Source: source, Target: fmt.Sprintf("%016x", uint64(i)), Origin: roster.LinkCreated, Seen: uint64(i),
		Sent: roster.Sent{Row: uint64(i), Mapping: 1, Sum: digest.Sum{Lo: uint64(i), Hi: 1}, Fields: fields},
	}
}

func benchStore(b *testing.B, links int) *bolt.Store {
	b.Helper()
	s, err := try(b, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
	if err := s.CreateRun(b.Context(), roster.Run{ID: "r1", Job: "acme/x", State: roster.RunDelivering}); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < links; from += 10_000 {
		closeLinks(b, s, ascending(from, 10_000, from))
	}
	return s
}

func ascending(from, n, salt int) []roster.Link {
	links := make([]roster.Link, n)
	for i := range links {
		links[i] = benchLink(benchSource(from+i), from+i)
		links[i].Sent.Row += uint64(salt)
	}
	return links
}

func closeLinks(b *testing.B, s *bolt.Store, links []roster.Link) {
	b.Helper()
	closed, err := s.CloseLinks(b.Context(), roster.Closing{Run: "r1", Route: benchRoute(), Links: links})
	if err != nil || len(closed.Clashes) > 0 {
		b.Fatal(len(closed.Clashes), err)
	}
}

// meter adds up the processor time of what is measured: on a machine that does
// other things too it says more than the clock.
type meter struct{ used, from time.Duration }

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (m *meter) start(b *testing.B) {
	b.Helper()
	m.from = processorTime(b)
	b.StartTimer()
}

func (m *meter) stop(b *testing.B) {
	b.Helper()
	m.used += processorTime(b) - m.from
}

func (m *meter) report(b *testing.B, links int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*links), "ns/link")
	b.ReportMetric(float64(m.used.Nanoseconds())/float64(b.N*links), "cpu-ns/link")
}

func benchStandings(b *testing.B, route roster.Route, page func(n int) []string) {
	b.Helper()
	s := benchStore(b, benchLinks)
	b.ReportAllocs()
	var m meter
	n := 0
	for b.Loop() {
		b.StopTimer()
		sources := page(n)
		n++
		m.start(b)
		found, err := s.Standings(b.Context(), route, sources)
		m.stop(b)
		if err != nil || found[len(found)-1].Link.Version == 0 {
			b.Fatal(err)
		}
	}
	m.report(b, benchPage)
}

func BenchmarkStandingsAscending(b *testing.B) {
	benchStandings(b, benchRoute(), func(n int) []string {
		sources := make([]string, benchPage)
		for i := range sources {
			sources[i] = benchSource((n*benchPage + i) % benchLinks)
		}
		return sources
	})
}

func BenchmarkStandingsRandom(b *testing.B) {
	benchStandings(b, benchRoute(), func(int) []string {
		sources := make([]string, benchPage)
		for i := range sources {
			sources[i] = benchSource(rand.IntN(benchLinks))
		}
		return sources
	})
}

func BenchmarkStandingsReverseAscending(b *testing.B) {
	benchStandings(b, benchRoute().Reverse(), func(n int) []string {
		sources := make([]string, benchPage)
		for i := range sources {
			sources[i] = fmt.Sprintf("%016x", (n*benchPage+i)%benchLinks)
		}
		return sources
	})
}

func benchClose(b *testing.B, links int, batch func(n int) []roster.Link) {
	b.Helper()
	s := benchStore(b, links)
	b.ReportAllocs()
	var m meter
	n := 0
	for b.Loop() {
		b.StopTimer()
		batch := batch(n)
		n++
		m.start(b)
		closeLinks(b, s, batch)
		m.stop(b)
	}
	m.report(b, benchBatch)
}

func BenchmarkCloseNewAscending(b *testing.B) {
	benchClose(b, 0, func(n int) []roster.Link { return ascending(n*benchBatch, benchBatch, 0) })
}

func BenchmarkCloseNewRandom(b *testing.B) {
	benchClose(b, benchLinks, func(n int) []roster.Link {
		links := make([]roster.Link, benchBatch)
		for i := range links {
			at := scattered(benchLinks + n*benchBatch + i)
			links[i] = benchLink(benchSource(at%benchLinks)+fmt.Sprint(at), at+1<<40)
		}
		return links
	})
}

func BenchmarkCloseChanged(b *testing.B) {
	benchClose(b, benchLinks, func(n int) []roster.Link {
		return ascending((n*benchBatch)%benchLinks, benchBatch, 1_000_000*(n+1))
	})
}
