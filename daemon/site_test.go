package main_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

// What testdata/site/rosterd.yaml and its secrets say.
const (
	siteJob    = "acme/launch"
	siteSecret = "a-secret-of-the-export-address"
	siteToken  = "test-token"
)

// site is a folder with a configuration, and the programs in it: whatever runs
// from there belongs to the test.
type site struct {
	dir, public, inTandem string
	client                *admin.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := newFolder(t, "csv", "intandem")
	s.fill(t, "site", map[string]string{"INTANDEM": s.inTandem}, "rosterd.yaml", "members.csv", "members.lua", "token", "secret")
	return s
}

// newFolder makes a site without a configuration.
func newFolder(t *testing.T, adapters ...string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "rd") //nolint:usetesting // short, since sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{dir: dir, public: freeAddress(), inTandem: freeAddress()}
	if err := os.MkdirAll(filepath.Join(dir, "bin", "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	programs := []string{"rosterd"}
	for _, name := range adapters {
		programs = append(programs, "plugins/"+name)
	}
	for _, name := range programs {
		if err := os.Link(filepath.Join(binaries, name), filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	if s.client, err = admin.Dial("unix:"+s.path("admin.sock"), roster.Secret{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// fill writes files of a folder of testdata, with what they leave open filled in.
func (s *site) fill(t *testing.T, folder string, open map[string]string, files ...string) {
	t.Helper()
	open["PUBLIC"], open["BIN"] = s.public, s.path("bin")
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join("testdata", folder, name))
		if err != nil {
			t.Fatal(err)
		}
		s.write(t, name, os.Expand(string(text), func(name string) string { return open[name] }))
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// apiURI is where the daemon answers the simulated inTandem.
func (s *site) apiURI() string { return "http://" + s.public + "/c/" + siteSecret }

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// members writes the list that the site's job reads.
func (s *site) members(t *testing.T, rows [][]string) {
	t.Helper()
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	err := w.WriteAll(append([][]string{{"no", "first", "last", "mail", "status"}}, rows...))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "members.csv", text.String())
}

// platform starts a simulated inTandem that the site's daemon reaches through
// wrap, if that is not nil. It runs until end is called or the test is over.
func (s *site) platform(
	t *testing.T, o sandbox.Options, wrap func(http.Handler) http.Handler,
) (p *sandbox.InTandem, end func()) {
	t.Helper()
	o.Token, o.AppCodeName, o.BusinessUID, o.StaffUID, o.APIURI = siteToken, "acmeimport", "b1", "s1", s.apiURI()
	o.Now = time.Now
	p = sandbox.NewInTandem(o)
	handler := p.Handler()
	if wrap != nil {
		handler = wrap(handler)
	}
	l, err := net.Listen("tcp", s.inTandem)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	go server.Serve(l) //nolint:errcheck // it ends with Close
	end = sync.OnceFunc(func() {
		if err := errors.Join(p.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return p, end
}

// daemon is a running daemon.
type daemon struct {
	cmd *exec.Cmd
	log string
}

// start starts the daemon. Its log goes on in the file of the one before.
func (s *site) start(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := &daemon{log: s.path("daemon.log")}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command(s.path("bin/rosterd"), append([]string{"run", "--config", s.path("rosterd.yaml")}, args...)...)
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = s.dir, log, log
	d.cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nowhere", "TMPDIR=" + os.TempDir()}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	return d
}

// ready waits until the daemon answers.
func (s *site) ready(t *testing.T) {
	t.Helper()
	var err error
	if !poll(func() bool { err = s.client.Live(t.Context()); return err == nil }) {
		t.Fatalf("the daemon does not answer: %v\n%s", err, s.tail())
	}
}

// kill ends the daemon at once, and does nothing when it has ended.
func (d *daemon) kill() {
	if d.cmd.ProcessState == nil {
		d.cmd.Process.Kill() //nolint:errcheck // it may have ended
		d.cmd.Wait()         //nolint:errcheck // it was killed
	}
}

// stop asks the daemon to end and wants 0.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Fatalf("the daemon ended with %v", err)
	}
}

// tail is the end of the daemon's log.
func (s *site) tail() string {
	text, err := os.ReadFile(s.path("daemon.log"))
	if err != nil {
		return err.Error()
	}
	const enough = 8 << 10
	return string(text[max(0, len(text)-enough):])
}

// session waits until the run has a session in one of the states, and returns it.
func (s *site) session(t *testing.T, run string, states ...roster.SessionState) roster.Session {
	t.Helper()
	var found roster.Session
	ok := poll(func() bool {
		sessions, err := s.client.Sessions(t.Context(), roster.SessionFilter{Run: run})
		for _, session := range sessions {
			for _, state := range states {
				if err == nil && session.State == state {
					found = session
					return true
				}
			}
		}
		return false
	})
	if !ok {
		t.Fatalf("run %s has no session that is one of %v\n%s", run, states, s.tail())
	}
	return found
}

// ended waits until a run is over.
func (s *site) ended(t *testing.T, run string) roster.Run {
	t.Helper()
	var got roster.Run
	var err error
	ok := poll(func() bool {
		got, err = s.client.Run(t.Context(), run)
		return err == nil && got.State.Ended()
	})
	if !ok {
		t.Fatalf("run %s is %s (%v)\n%s", run, got.State, err, s.tail())
	}
	return got
}

// quiet wants no process of the site to run and no change set to be left.
func (s *site) quiet(t *testing.T) {
	t.Helper()
	var left []string
	if !poll(func() bool { left = processesIn(s.dir); return len(left) == 0 }) {
		t.Errorf("left running: %q", left)
	}
	if files := s.changeSets(t); len(files) > 0 {
		t.Errorf("left change sets: %q", files)
	}
	sockets, err := filepath.Glob(s.path("state/run/*"))
	// The lock of a host's life stays.
	sockets = slices.DeleteFunc(sockets, func(path string) bool { return filepath.Base(path) == "life" })
	if err != nil || len(sockets) > 0 {
		t.Errorf("left sockets: %q (%v)", sockets, err)
	}
}

// changeSets are the files of the runs under way.
func (s *site) changeSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(s.path("state/changesets/*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wantCounts compares a run's counts with what they must be.
func wantCounts(t *testing.T, run roster.Run, read, skipped, quarantined, served int) {
	t.Helper()
	n := run.Counts
	got := fmt.Sprintf("read %d = %d + %d + %d, served %d, unserved %d", n.Read, n.Frozen, n.Skipped, n.Quarantined, n.Served, n.Unserved)
	want := fmt.Sprintf("read %d = %d + %d + %d, served %d, unserved 0", read, served, skipped, quarantined, served)
	if got != want {
		t.Errorf("run %s: %s, want %s", run.ID, got, want)
	}
}
