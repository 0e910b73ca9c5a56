package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
	"github.com/rosterd/rosterd/internal/store"
)

// disk is a small disk that holds the state directory of a site.
type disk struct{ dir string }

// newDisk mounts a tmpfs of 24 MB. Without the right to do so the test is
// skipped.
func newDisk(t *testing.T, s *site) *disk {
	t.Helper()
	d := &disk{dir: s.path("state")}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", d.dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("NOT TESTED: a small disk is a tmpfs, and mounting one failed (%v): run the tests as root", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes the last byte.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := 1 << 20; chunk > 0; {
		if _, err := f.Write(make([]byte, chunk)); errors.Is(err, unix.ENOSPC) {
			chunk /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// room gives back what fill has taken.
func (d *disk) room(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatal(err)
	}
}

func (d *disk) remount(t *testing.T, flags uintptr) {
	t.Helper()
	unbusy(t, func() error { return unix.Mount("", d.dir, "", unix.MS_REMOUNT|flags, "size=24m") })
}

// unbusy repeats what the kernel refuses while a process uses the disk, as one
// of another test may that is forked and not yet another program.
func unbusy(t *testing.T, try func() error) {
	t.Helper()
	var err error
	if !poll(func() bool { err = try(); return !errors.Is(err, unix.EBUSY) }) || err != nil {
		t.Fatal(err)
	}
}

// command runs a command of rosterd on the site.
func (s *site) command(t *testing.T, args ...string) (exit int, output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.path("bin/rosterd"), append([]string{"--config", s.path("rosterd.yaml")}, args...)...)
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = s.dir, &out, &out, []string{"PATH=/usr/bin:/bin", "TMPDIR=" + os.TempDir()}
	return code(cmd.Run()), out.String()
}

// refuses wants the daemon not to start: with this exit code, a message with
// these words, and no trace of a crash.
func (s *site) refuses(t *testing.T, exit int, words ...string) {
	t.Helper()
	at := time.Now()
	got, output := s.command(t, "run")
	if got != exit {
		t.Errorf("the daemon ended with %d, want %d: %s", got, exit, output)
	}
	for _, word := range words {
		if !strings.Contains(output, word) {
			t.Errorf("the daemon does not say %q: %s", word, output)
		}
	}
	if strings.Contains(output, "panic") || strings.Contains(output, "goroutine ") || strings.Contains(output, "SIG") {
		t.Errorf("the daemon crashed: %s", output)
	}
	if took := time.Since(at); took > patience/2 {
		t.Errorf("that took %s", took)
	}
}

// list writes a list of n members.
func (s *site) list(t *testing.T, n int) {
	t.Helper()
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = []string{fmt.Sprint("M", i), fmt.Sprint("Given", i), strings.Repeat("Family", 5), fmt.Sprintf("m%d@example.com", i), "active"}
	}
	s.members(t, rows)
}

// imported starts a run and wants n clients to arrive, each once.
func (s *site) imported(t *testing.T, p *sandbox.InTandem, n int) {
	t.Helper()
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.tail())
	}
	s.arrived(t, p, s.ended(t, run.ID), n)
}

func (s *site) arrived(t *testing.T, p *sandbox.InTandem, run roster.Run, n int) {
	t.Helper()
	if run.State != roster.RunOK || run.Counts.Served != n {
		t.Fatalf("got %+v, fault %+v\n%s", run, run.Fault, s.tail())
	}
	ids := map[string]int{}
	for _, c := range p.Clients() {
		ids[c.ExternalID]++
	}
	if len(ids) != n || len(p.Clients()) != n {
		t.Fatalf("%d clients with %d ids have arrived, want %d", len(p.Clients()), len(ids), n)
	}
}

// failed starts a run and wants it to fail, or to be refused, for a reason.
func (s *site) failed(t *testing.T, reason string) {
	t.Helper()
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		if p, ok := errors.AsType[*admin.Problem](err); !ok || p.Code != reason || p.Hint == "" {
			t.Fatalf("got error %v, want %s", err, reason)
		}
		return
	}
	wantFault(t, s.ended(t, run.ID), reason)
}

func wantFault(t *testing.T, run roster.Run, reason string) {
	t.Helper()
	if run.State != roster.RunFailed || run.Fault == nil || run.Fault.Code != reason || run.Fault.Hint == "" {
		t.Fatalf("run %s is %s with %+v, want failed with %s", run.ID, run.State, run.Fault, reason)
	}
}

// slowScript takes its time, so that something can happen in the meantime.
const slowScript = `function map(record, context)
  for i = 1, 4000 do end
  return { first_name = record.first, last_name = record.last, email = record.mail }
end
`

func TestADiskThatFillsUpWhileARunPreparesFailsThatRunOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := newDisk(t, s)
	p, _ := s.platform(t, sandbox.Options{}, nil)
	s.list(t, 20_000)
	s.write(t, "members.lua", slowScript)
	running := s.start(t)
	s.ready(t)
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	if !poll(func() bool { run, err = s.client.Run(t.Context(), run.ID); return err == nil && run.Counts.Read > 0 }) {
		t.Fatalf("nothing is read: %v", err)
	}
	d.fill(t)
	// The run can end where its change set was removed. Other bytes are taken
	// at once.
	run = s.ended(t, run.ID)
	d.fill(t)
	wantFault(t, run, store.CodeDiskFull)
	s.failed(t, store.CodeDiskFull)
	exit, output := s.command(t, "status")
	if exit != 0 || !strings.Contains(output, "no space left on device") || !strings.Contains(output, "make room on the disk of state_dir") {
		t.Errorf("status ends with %d and says: %s", exit, output)
	}
	d.room(t)
	s.list(t, 300)
	s.imported(t, p, 300)
	running.stop(t)
	s.quiet(t)
}

func TestADiskThatFillsUpWhileClientsAreServedLosesNone(t *testing.T) {
	t.Parallel()
	const n = 400
	s := newSite(t)
	d := newDisk(t, s)
	// The disk is full from the announcement on.
	full := sync.OnceFunc(func() { d.fill(t) })
	p, _ := s.platform(t, sandbox.Options{PerPage: 5, Pull: sandbox.PullOptions{
		Pause: 5 * time.Millisecond, RetryFor: patience, RetryDelay: 20 * time.Millisecond, RepeatEvery: 7,
	}}, func(platform http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				full()
			}
			platform.ServeHTTP(w, r)
		})
	})
	s.list(t, n)
	running := s.start(t)
	s.ready(t)
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	// It goes on while there are free pages in the database, or it waits.
	waits := func() bool { return strings.Contains(s.tail(), "no space left on device") }
	if !poll(func() bool {
		run, err = s.client.Run(t.Context(), run.ID)
		return waits() || err == nil && run.State.Ended()
	}) {
		t.Fatalf("the run neither waits nor ends: %+v\n%s", run, s.tail())
	}
	t.Logf("on the full disk %d of %d clients were served; the daemon waits: %t", run.Counts.Served, n, waits())
	d.room(t)
	s.arrived(t, p, s.ended(t, run.ID), n)
	running.stop(t)
	s.quiet(t)
}

func TestADaemonStartsOnAFullDiskAndSaysWhatItCannotDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := newDisk(t, s)
	p, _ := s.platform(t, sandbox.Options{}, nil)
	s.list(t, 50)
	d.fill(t)
	s.refuses(t, 1, "no space left on device", "make room on the disk of state_dir")
	exit, output := s.command(t, "run", "--json")
	if exit != 1 || !strings.Contains(output, `"code":"state.disk_full"`) {
		t.Errorf("the daemon ended with %d and says %s", exit, output)
	}
	d.room(t)
	running := s.start(t)
	s.ready(t)
	s.imported(t, p, 50)
	running.stop(t)

	d.fill(t)
	running = s.start(t)
	s.ready(t)
	s.failed(t, store.CodeDiskFull)
	d.room(t)
	s.imported(t, p, 50)
	running.kill()
	d.fill(t)
	running = s.start(t)
	s.ready(t)
	running.stop(t)
	s.quiet(t)
}

func TestAReadOnlyDiskIsSaidAndGoneWhenItIsWritable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := newDisk(t, s)
	p, _ := s.platform(t, sandbox.Options{}, nil)
	s.list(t, 50)
	running := s.start(t)
	s.ready(t)

	// The kernel makes no disk read-only on which files are open for writing.
	// A directory of it can be.
	sets := s.path("state/changesets")
	if err := errors.Join(
		unix.Mount(sets, sets, "", unix.MS_BIND, ""), unix.Mount("", sets, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""),
	); err != nil {
		t.Fatal(err)
	}
	s.failed(t, store.CodeReadOnly)
	unbusy(t, func() error { return unix.Unmount(sets, 0) })
	s.imported(t, p, 50)
	running.stop(t)

	d.remount(t, unix.MS_RDONLY)
	s.refuses(t, 1, "read-only file system", "mount the disk of state_dir writable")
	exit, output := s.command(t, "status", "--json")
	if exit != 1 || !strings.Contains(output, `"code":"state.read_only"`) {
		t.Errorf("status ends with %d and says %s", exit, output)
	}
	d.remount(t, 0)
	running = s.start(t)
	s.ready(t)
	s.imported(t, p, 50)
	running.stop(t)
	s.quiet(t)
}

func TestADamagedStateIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, _ := s.platform(t, sandbox.Options{}, nil)
	s.list(t, 50)
	running := s.start(t)
	s.ready(t)
	s.imported(t, p, 50)
	running.kill()
	path, key := s.path("state/rosterd.db"), s.path("state/master.key")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := slices.Clone(good)
	for page := 2; page*4096 < len(good); page++ {
		clear(used[page*4096:][:1024])
	}
	flip := slices.Clone(good)
	flip[bytes.LastIndex(good, []byte(`"served":50`))+len(`"served":`)] ^= 1
	for what, damaged := range map[string][]byte{
		"cut": good[:len(good)/3], "empty": {}, "zeroed": used, "foreign": []byte(strings.Repeat("hello ", 5000)), "flipped": flip,
	} {
		t.Run(what, func(t *testing.T) {
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s.refuses(t, 78, path, "damaged", "put a backup in its place")
			s.refuses(t, 78, path, "damaged")
			if exit, output := s.command(t, "runs", "--json"); exit != 78 || !strings.Contains(output, `"code":"state.damaged"`) {
				t.Errorf("runs ends with %d and says %s", exit, output)
			}
		})
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	aside := s.path("master.key")
	if err := os.Rename(key, aside); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, 78, "master.key is missing", "put the master key back")
	s.write(t, "state/master.key", strings.Repeat("ab", 32))
	s.refuses(t, 78, "master key", "put the master key back")
	s.write(t, "state/master.key", "ab")
	s.refuses(t, 78, "neither 32 bytes nor 64 hex digits", "from a backup")
	if err := os.Rename(aside, key); err != nil {
		t.Fatal(err)
	}
	running = s.start(t)
	s.ready(t)
	s.imported(t, p, 50)
	running.stop(t)
	s.quiet(t)
}

func TestADamagedChangeSetFailsItsRunOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, _ := s.platform(t, sandbox.Options{PerPage: 5, Pull: sandbox.PullOptions{Pause: 50 * time.Millisecond, RetryFor: time.Second}}, nil)
	s.list(t, 300)
	running := s.start(t)
	s.ready(t)
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	s.session(t, run.ID, roster.SessionOpen)
	running.kill()
	path := s.path("state/changesets/" + run.ID + ".cs")
	set, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set[len(set)/2] ^= 1
	if err := os.WriteFile(path, set, 0o600); err != nil {
		t.Fatal(err)
	}
	running = s.start(t)
	s.ready(t)
	wantFault(t, s.ended(t, run.ID), store.CodeDamaged)
	s.imported(t, p, 300)
	running.stop(t)
	s.quiet(t)
}

func TestADatabaseThatIsCutUnderTheDaemonStopsItsUseAndNotTheDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.list(t, 50)
	running := s.start(t)
	s.ready(t)
	path := s.path("state/rosterd.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.failed(t, store.CodeDamaged)
	}
	s.ready(t)
	if err := running.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := code(running.cmd.Wait()); got != 78 {
		t.Errorf("the daemon ended with %d\n%s", got, s.tail())
	}
	s.refuses(t, 78, path, "damaged")
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	running = s.start(t)
	s.ready(t)
	running.stop(t)
	s.quiet(t)
}

func TestARenamedDatabaseIsNotLostAndNotReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, _ := s.platform(t, sandbox.Options{}, nil)
	s.list(t, 50)
	running := s.start(t)
	s.ready(t)
	path, aside := s.path("state/rosterd.db"), s.path("aside.db")
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, 75, "is in use by process", s.path("state"))
	if _, err := os.Stat(path); err == nil {
		t.Error("the second daemon made a database")
	}
	s.failed(t, store.CodeMoved)
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	s.imported(t, p, 50)
	running.stop(t)
	s.quiet(t)
}

func TestACopiedStateDirectoryServesElsewhere(t *testing.T) {
	t.Parallel()
	here, there := newSite(t), newSite(t)
	for _, s := range []*site{here, there} {
		s.list(t, 50)
	}
	p, _ := here.platform(t, sandbox.Options{}, nil)
	first := here.start(t)
	here.ready(t)
	here.imported(t, p, 50)
	first.stop(t)
	if err := exec.Command("cp", "-r", here.path("state"), there.path("state")).Run(); err != nil {
		t.Fatal(err)
	}
	first = here.start(t)
	here.ready(t)
	second := there.start(t)
	there.ready(t)
	runs, err := there.client.Runs(t.Context(), roster.RunFilter{})
	if err != nil || len(runs) != 1 || runs[0].State != roster.RunOK {
		t.Fatalf("got %+v, %v", runs, err)
	}
	elsewhere, _ := there.platform(t, sandbox.Options{}, nil)
	there.imported(t, elsewhere, 50)
	here.imported(t, p, 50)
	first.stop(t)
	second.stop(t)
	here.quiet(t)
	there.quiet(t)
}
