package main_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkIdle measures a daemon of a thousand accounts, each with a job that its
// schedule starts once a day, in which nothing happens for twenty seconds, behind ten in
// which it looks at its adapters: the share of one processor and the anonymous memory
// of all its processes.
func BenchmarkIdle(b *testing.B) {
	const accounts, settles, lasts = 1000, 10 * time.Second, 20 * time.Second
	s := &syncBench{to: "ndjson", order: "ascending", csv: filepath.Join(b.TempDir(), "members.csv")}
	defer s.stop()
	writeMembers(b, s.csv, 10, ascendingID, 0)
	s.begin(b)
	s.halt(b)
	site := strings.NewReplacer("DIR", s.dir, "PLUGINS", filepath.Join(binaries, "plugins"), "MEMBERS", s.csv,
		"TARGET", `{adapter: ndjson, clubs: {a: "1", b: "2"}, settings: {write: "`+filepath.Join(s.dir, "out", "members.ndjson")+`"}}`,
		"schedule: manual", `schedule: "17 3 * * *"`).Replace(syncBenchSite)
	head, account, _ := strings.Cut(site, "  acme:\n")
	var text strings.Builder
	text.WriteString(head)
	for i := range accounts {
		fmt.Fprintf(&text, "  club%04d:\n%s", i, account)
	}
	s.write(b, "rosterd.yaml", text.String())
	s.start(b)
	<-time.After(settles)
	for b.Loop() {
		use := watchUsage(b.Context(), s.daemon.Process.Pid)
		<-time.After(lasts)
		use.stop()
		cpu := 0.0
		for _, t := range use.cpu() {
			cpu += t.Seconds()
		}
		b.ReportMetric(100*cpu/lasts.Seconds(), "CPU-%")
		b.ReportMetric(float64(use.peakAnon)/1e6, "anon-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkReady measures from the start of the daemon until it answers, with as
// many links in its store as bench.records says.
func BenchmarkReady(b *testing.B) {
	s := &syncBench{to: "ndjson", order: "ascending", rows: *benchRecords, csv: filepath.Join(b.TempDir(), "members.csv")}
	defer s.stop()
	s.loaded(b)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		s.halt(b)
		b.StartTimer()
		s.daemon = exec.Command(filepath.Join(binaries, "rosterd"), "run", "--config", filepath.Join(s.dir, "rosterd.yaml"), "--log-level", "error")
		if err := s.daemon.Start(); err != nil {
			b.Fatal(err)
		}
		tick := time.NewTicker(time.Millisecond)
		for s.client.Live(b.Context()) != nil {
			<-tick.C
		}
		tick.Stop()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/start")
	b.ReportMetric(0, "ns/op")
}

// halt ends the daemon and leaves what it was laid out with.
func (s *syncBench) halt(b *testing.B) {
	b.Helper()
	if err := s.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if err := s.daemon.Wait(); err != nil {
		b.Fatal(err)
	}
}
