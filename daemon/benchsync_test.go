package main_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
)

var benchRecords = flag.Int("bench.records", 100_000, "the most records of a sync that is measured: 10000 and tenfold steps up to it")

// BenchmarkSync measures a sync that reads everything from a CSV file of 16
// columns and maps ten fields by a plan: real processes, real store. It writes
// into an ndjson file (class B), or into the simulated club platform, which runs
// in the benchmark's process and finds records by a marker (class C). Of each
// pair of a first load, a run in which nothing has changed and a run in which one
// record of a hundred has, it reports the CPU time of a record by process: csv
// reads and packs, map-worker maps, rosterd compares, seals and stores, ndjson or
// rest writes.
func BenchmarkSync(b *testing.B) {
	for _, order := range []string{"ascending", "random"} {
		for rows := 10_000; rows <= *benchRecords; rows *= 10 {
			b.Run(fmt.Sprintf("ndjson/%s/%d", order, rows), func(b *testing.B) {
				benchSync(b, syncBench{to: "ndjson", order: order, rows: rows})
			})
		}
		b.Run(fmt.Sprintf("club/%s/10000", order), func(b *testing.B) {
			benchSync(b, syncBench{to: "club", order: order, rows: 10_000})
		})
	}
}

// syncBench is a daemon with a sync whose phases are measured one after another.
type syncBench struct {
	to, order string
	rows      int
	// dir holds the site, csv the members; changes is how often they have changed.
	dir, csv string
	changes  int
	daemon   *exec.Cmd
	client   *admin.Client
	end      []func()
}

func benchSync(b *testing.B, s syncBench) {
	b.Helper()
	s.csv = filepath.Join(b.TempDir(), "members.csv")
	defer s.stop()
	for _, phase := range []struct {
		name string
		// ready is what comes before each run and is not measured.
		ready   func(*testing.B)
		touched int
	}{
		{"first", s.anew, s.rows},
		{"unchanged", s.loaded, 0},
		{"changed", s.onePercent, s.rows / 100},
	} {
		b.Run(phase.name, func(b *testing.B) {
			var m syncMeter
			for range b.N {
				b.StopTimer()
				phase.ready(b)
				b.StartTimer()
				run, use := s.run(b)
				if done := *run.Counts.Created + *run.Counts.Updated; done != phase.touched || run.Counts.Read != s.rows {
					b.Fatalf("%d of %d changes, %s, %v, %+v", done, phase.touched, run.State, run.Fault, run.Counts)
				}
				m.add(run, use)
			}
			m.report(b, s.rows)
		})
	}
}

// syncMeter adds up what runs take.
type syncMeter struct {
	seconds, anon float64
	cpu           map[string]float64
}

func (m *syncMeter) add(run roster.Run, use *usage) {
	if m.cpu == nil {
		m.cpu = map[string]float64{}
	}
	m.seconds += run.Ended.Sub(*run.Started).Seconds()
	m.anon = max(m.anon, float64(use.peakAnon)/1e6)
	for name, t := range use.cpu() {
		m.cpu[name] += t.Seconds()
	}
}

func (m *syncMeter) report(b *testing.B, rows int) {
	b.Helper()
	n, all := float64(rows*b.N), 0.0
	b.ReportMetric(n/m.seconds, "records/s")
	b.ReportMetric(m.anon, "anon-MB")
	for name, t := range m.cpu {
		all += t
		b.ReportMetric(t*1e6/n, name+"-µs/record")
	}
	b.ReportMetric(all*1e6/n, "CPU-µs/record")
	b.ReportMetric(0, "ns/op")
}

// anew begins a site with an empty store and a file of members.
func (s *syncBench) anew(b *testing.B) {
	b.Helper()
	s.stop()
	s.changes = 0
	writeMembers(b, s.csv, s.rows, s.ids(), 0)
	s.begin(b)
}

// loaded makes sure that there was a first load.
func (s *syncBench) loaded(b *testing.B) {
	b.Helper()
	if s.daemon != nil {
		return
	}
	s.anew(b)
	if run, _ := s.run(b); run.State != roster.RunOK {
		b.Fatalf("the first load ended %s: %v", run.State, run.Fault)
	}
}

// onePercent changes the address of each hundredth member.
func (s *syncBench) onePercent(b *testing.B) {
	b.Helper()
	s.loaded(b)
	s.changes++
	writeMembers(b, s.csv, s.rows, s.ids(), s.changes)
}

// ids makes the id of the n-th member.
func (s *syncBench) ids() func(n int) string {
	if s.order == "ascending" {
		return ascendingID
	}
	return randomID
}

func ascendingID(n int) string { return fmt.Sprintf("m%07d", n) }

// randomID makes ids as UUIDs are: neighbours have nothing in common.
func randomID(n int) string {
	var id [16]byte
	for i, odd := range []uint64{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9} {
		x := (uint64(n) + 1) * odd
		x ^= x >> 29
		binary.BigEndian.PutUint64(id[8*i:], x*odd)
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

const syncBenchSite = `version: 1
state_dir: state
listen: {public: "127.0.0.1:0", admin: "unix:DIR/admin.sock"}
public_url: "http://127.0.0.1:1"
plugins: {dir: "PLUGINS"}
scripts_dir: .
accounts:
  acme:
    name: Acme
    country: CA
    timezone: America/Toronto
    clubs: {a: {name: A}, b: {name: B}}
    connections:
      gym: {adapter: csv, clubs: {a: "1", b: "2"}, settings: {path: MEMBERS, id: member_no, club: club_no}}
      club: TARGET
    jobs:
      members:
        type: sync
        from: gym
        to: club
        kinds: [member]
        read: all
        mapping: plan.lua
        schedule: manual
        guards: {max_create: 10000000}
`

// begin lays out a site and starts its daemon.
func (s *syncBench) begin(b *testing.B) {
	b.Helper()
	dir, err := os.MkdirTemp("", "rd-bench-") //nolint:usetesting // a socket's path has room for 108 bytes
	if err != nil {
		b.Fatal(err)
	}
	s.dir = dir
	s.end = append(s.end, func() { os.RemoveAll(dir) })
	target, plan := `{adapter: ndjson, clubs: {a: "1", b: "2"}, settings: {write: "`+filepath.Join(dir, "out", "members.ndjson")+`"}}`, "ten_fields_plan.lua"
	if s.to == "club" {
		target, plan = s.platform(b), "club_plan.lua"
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		b.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "bench", plan))
	if err != nil {
		b.Fatal(err)
	}
	text := strings.NewReplacer("DIR", dir, "PLUGINS", filepath.Join(binaries, "plugins"), "MEMBERS", s.csv, "TARGET", target).Replace(syncBenchSite)
	s.write(b, "rosterd.yaml", text)
	s.write(b, "plan.lua", string(script))
	s.start(b)
}

// platform starts a simulated club platform, and returns the connection to it.
func (s *syncBench) platform(b *testing.B) string {
	b.Helper()
	p := club.New(club.Options{Token: siteToken, Clubs: []club.Club{{ID: "12", Name: "A"}, {ID: "13", Name: "B"}}})
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p.Start(l)
	s.end = append(s.end, func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	address := "http://" + l.Addr().String()
	config, err := p.Example(address)
	if err != nil {
		b.Fatal(err)
	}
	s.write(b, "club.rest.yaml", config)
	s.write(b, "token", siteToken)
	return `{adapter: rest, clubs: {a: "12", b: "13"}, settings: {config: club.rest.yaml, base_url: "` + address + `", token: {file: token}}}`
}

func (s *syncBench) write(b *testing.B, name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (s *syncBench) start(b *testing.B) {
	b.Helper()
	s.daemon = exec.Command(filepath.Join(binaries, "rosterd"), "run", "--config", filepath.Join(s.dir, "rosterd.yaml"), "--log-level", "error")
	s.daemon.Stderr = os.Stderr
	if err := s.daemon.Start(); err != nil {
		b.Fatal(err)
	}
	s.end = append(s.end, func() {
		if s.daemon.ProcessState == nil {
			s.halt(b)
		}
	})
	var err error
	if s.client, err = admin.Dial("unix:"+filepath.Join(s.dir, "admin.sock"), roster.Secret{}); err != nil {
		b.Fatal(err)
	}
	if !poll(func() bool { return s.client.Live(b.Context()) == nil }) {
		b.Fatal("the daemon did not become ready")
	}
}

// stop ends the daemon and what it was laid out with, the latest first.
func (s *syncBench) stop() {
	for _, end := range slices.Backward(s.end) {
		end()
	}
	s.end, s.daemon = nil, nil
}

// run runs the job once.
func (s *syncBench) run(b *testing.B) (roster.Run, *usage) {
	b.Helper()
	use := watchUsage(b.Context(), s.daemon.Process.Pid)
	defer use.stop()
	run, err := s.client.StartRun(b.Context(), "acme/members")
	if err != nil {
		b.Fatal(err)
	}
	if err := s.client.Watch(b.Context(), run.ID, func(admin.Event) error { return nil }); err != nil {
		b.Fatal(err)
	}
	use.stop()
	if run, err = s.client.Run(b.Context(), run.ID); err != nil {
		b.Fatal(err)
	}
	if run.Counts.Created == nil || run.Counts.Updated == nil {
		b.Fatalf("the run ended %s before it wrote: %v", run.State, run.Fault)
	}
	return run, use
}
