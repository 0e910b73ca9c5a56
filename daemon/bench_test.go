package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

// BenchmarkImportToFrozen measures an import from a CSV file until its clients
// are frozen: real processes, real store. The simulated inTandem refuses the
// announcement, so that serving is not in the figures. For each process it
// reports the CPU time of a record: csv reads and packs, map-worker maps and
// encodes, rosterd seals and writes.
func BenchmarkImportToFrozen(b *testing.B) {
	for _, rows := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) { benchImport(b, rows) })
	}
}

func benchImport(b *testing.B, rows int) {
	b.Helper()
	dir := b.TempDir()
	writeMembers(b, filepath.Join(dir, "members.csv"), rows, ascendingID, 0)
	var seconds, anon float64
	cpu := map[string]float64{}
	b.ResetTimer()
	for range b.N {
		run, use := freezeOnce(b, dir)
		if run.Counts.Frozen != rows {
			b.Fatalf("frozen %d of %d: %s, %v", run.Counts.Frozen, rows, run.State, run.Fault)
		}
		seconds += run.Ended.Sub(*run.Started).Seconds()
		anon = max(anon, float64(use.peakAnon)/1e6)
		for name, t := range use.cpu() {
			cpu[name] += t.Seconds()
		}
	}
	n := float64(rows * b.N)
	b.ReportMetric(n/seconds, "records/s")
	b.ReportMetric(anon, "anon-MB")
	for name, t := range cpu {
		b.ReportMetric(t*1e6/n, name+"-µs/record")
	}
}

// writeMembers writes a file of untidy members with 16 columns. Each hundredth
// lives elsewhere after each of so many moves.
func writeMembers(b *testing.B, path string, rows int, id func(int) string, moves int) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "member_no,club_no,first,last,e_mail,mobile,home_phone,street,city,zip,joined,status,birthdate,gender,plan,notes")
	for i := range rows {
		street := i % 999
		if i%100 == 0 {
			street += 1000 * moves
		}
		fmt.Fprintf(w, "%s,%d, MARIE%d ,o'NEIL%d,Marie.%d@Example.com,(416) 55%d-%04d,+1 514 55%d %04d,%d King St W,Toronto,M5V %dA%d,%02d/%02d/20%02d,Active,%d-%02d-%02d, F,gold ,\n",
			id(i), 1+i%2, i%977, i%1313, i, i%10, i%10000, i/7%10, i*7%10000, street, i%9, i%9,
			1+i%12, 1+i%28, 10+i%15, 1950+i%60, 1+i%12, 1+i%28)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// freezeOnce runs the import in a daemon of its own.
func freezeOnce(b *testing.B, dir string) (roster.Run, *usage) {
	b.Helper()
	platform := sandbox.NewInTandem(sandbox.Options{Answer: sandbox.AnswerNotInstalled, Logger: slog.New(slog.DiscardHandler)})
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	platform.Start(l)
	defer platform.Close()
	site := layOutBench(b, dir, l.Addr().String())
	cmd := exec.CommandContext(b.Context(), filepath.Join(binaries, "rosterd"), "run", "--config", site, "--log-level", "error")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}()
	client, err := admin.Dial("unix:"+filepath.Join(filepath.Dir(site), "admin.sock"), roster.Secret{})
	if err != nil {
		b.Fatal(err)
	}
	if !poll(func() bool { return client.Live(b.Context()) == nil }) {
		b.Fatal("the daemon did not become ready")
	}
	use := watchUsage(b.Context(), cmd.Process.Pid)
	defer use.stop()
	run, err := client.StartRun(b.Context(), "acme/launch")
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Watch(b.Context(), run.ID, func(admin.Event) error { return nil }); err != nil {
		b.Fatal(err)
	}
	use.stop()
	run, err = client.Run(b.Context(), run.ID)
	if err != nil {
		b.Fatal(err)
	}
	return run, use
}

const benchSite = `version: 1
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
      intandem:
        adapter: intandem
        settings: {business_uid: b1, app_code_name: acme, token: {file: token}, api_url: "http://TARGET"}
    jobs:
      launch: {type: import, from: gym, to: intandem, mapping: ten_fields.lua, schedule: manual}
`

// layOutBench writes a site with a state of its own and returns its
// configuration.
func layOutBench(b *testing.B, members, target string) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "rd-bench-") //nolint:usetesting // a socket's path has room for 108 bytes
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	script, err := os.ReadFile("testdata/bench/ten_fields.lua")
	if err != nil {
		b.Fatal(err)
	}
	text := strings.NewReplacer("DIR", dir, "PLUGINS", filepath.Join(binaries, "plugins"),
		"MEMBERS", filepath.Join(members, "members.csv"), "TARGET", target).Replace(benchSite)
	for name, content := range map[string]string{"rosterd.yaml": text, "ten_fields.lua": string(script), "token": "t"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return filepath.Join(dir, "rosterd.yaml")
}

// usage watches what a daemon and its children take. CPU times are kept from
// the last look at each process, since workers end with their run.
type usage struct {
	once     sync.Once
	cancel   context.CancelFunc
	done     chan struct{}
	before   map[int]process
	last     map[int]process
	peakAnon int
}

// process is one look at a process.
type process struct {
	name string
	cpu  time.Duration
}

// lookEvery is short against a run and long against the cost of a look.
const lookEvery = 20 * time.Millisecond

func watchUsage(ctx context.Context, daemon int) *usage {
	ctx, cancel := context.WithCancel(ctx)
	u := &usage{cancel: cancel, done: make(chan struct{}), before: map[int]process{}, last: map[int]process{}}
	u.look(daemon)
	maps.Copy(u.before, u.last)
	go func() {
		defer close(u.done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				u.look(daemon)
				return
			case <-tick.C:
				u.look(daemon)
			}
		}
	}()
	return u
}

func (u *usage) stop() {
	u.once.Do(u.cancel)
	<-u.done
}

// cpu is the CPU time by the name of the process.
func (u *usage) cpu() map[string]time.Duration {
	sum := map[string]time.Duration{}
	for pid, p := range u.last {
		sum[p.name] += p.cpu - u.before[pid].cpu
	}
	return sum
}

// look notes the CPU time and the anonymous memory of a daemon's process tree.
func (u *usage) look(daemon int) {
	anon := 0
	for _, pid := range tree(daemon) {
		if p, ok := processOf(pid); ok {
			if p.name == "" { // it has ended and waits to be reaped
				p.name = u.last[pid].name
			}
			u.last[pid] = p
			anon += anonymous(pid)
		}
	}
	u.peakAnon = max(u.peakAnon, anon)
}

// tree returns a process and what it has started.
func tree(pid int) []int {
	pids := []int{pid}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return pids
	}
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(children)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, tree(child)...)
			}
		}
	}
	return pids
}

// processOf reads a process's name and CPU time; fields 14 and 15 of its stat
// are ticks of 10 ms.
func processOf(pid int) (process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return process{}, false
	}
	name := ""
	if len(command) > 0 {
		name = filepath.Base(string(bytes.SplitN(command, []byte{0}, 2)[0]))
	}
	for _, self := range []string{"map-worker", adapters.KeeperCommand} { // they run as /proc/self/exe
		if bytes.Contains(command, []byte(self)) {
			name = self
		}
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return process{name: name, cpu: time.Duration(user+system) * 10 * time.Millisecond}, err1 == nil && err2 == nil
}

// anonymous is the anonymous memory of a process in bytes: what it has taken
// for itself, without the files it has mapped. The kernel keeps count of it; to
// add it up from the pages (smaps) would keep a processor busy and the process
// waiting, the more the larger the database is.
func anonymous(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err == nil {
				return kb * 1024
			}
		}
	}
	return 0
}
