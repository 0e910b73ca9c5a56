package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// manager is a service manager that keeps every message it gets.
type manager struct {
	*net.UnixConn
	t *testing.T
}

func newManager(t *testing.T, socket string) manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return manager{conn, t}
}

// until reads messages until one has a line, and returns all of them. Where none
// comes within limit it returns false.
func (m manager) until(limit time.Duration, line string) (read []string, ok bool) {
	m.t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(limit)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := m.Read(buffer)
		if err != nil {
			return read, false
		}
		read = append(read, string(buffer[:n]))
		if strings.Contains(read[len(read)-1], line) {
			return read, true
		}
	}
}

func (m manager) await(line string) []string {
	m.t.Helper()
	read, ok := m.until(time.Minute, line)
	if !ok {
		m.t.Fatalf("the daemon does not say %s: %q", line, read)
	}
	return read
}

// TestTheWatchdogStarvesWhileTheStoreIsWedged runs the daemon with all its parts
// and holds the one write transaction of its database open.
func TestTheWatchdogStarvesWhileTheStoreIsWedged(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "rd") //nolint:usetesting // short, since sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "rosterd.yaml")
	text := "version: 1\nstate_dir: state\nlisten: {public: \"127.0.0.1:0\", admin: \"unix:admin.sock\"}\nplugins: {dir: plugins}\naccounts: {}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := newManager(t, filepath.Join(dir, "notify"))
	const interval = 400 * time.Millisecond
	env := map[string]string{"NOTIFY_SOCKET": filepath.Join(dir, "notify"), "WATCHDOG_USEC": "400000"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, ended := make(chan *parts, 1), make(chan error, 1)
	go func() {
		ended <- serve(ctx, cfg, slog.New(slog.DiscardHandler), func(name string) string { return env[name] }, func(p *parts) { ready <- p })
	}()
	m.await("READY=1")
	p := <-ready
	m.await("WATCHDOG=1")

	if err := p.store.CreateRun(t.Context(), roster.Run{ID: "r1", Job: "acme/launch", State: roster.RunOK}); err != nil {
		t.Fatal(err)
	}
	held, release, released := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := p.store.UpdateRun(context.Background(), "r1", func(*roster.Run) error {
			close(held)
			<-release
			return nil
		})
		released <- err
	}()
	<-held
	m.await("STATUS=the store: no answer")
	if read, fed := m.until(5*interval, "WATCHDOG=1"); fed {
		t.Errorf("the watchdog is fed while the store does not answer: %q", read)
	}
	close(release)
	if err := <-released; err != nil {
		t.Error(err)
	}
	m.await("WATCHDOG=1")
	m.await("STATUS=0 jobs, 0 running")
	stop()
	m.await("STOPPING=1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAScheduleThatDoesNotTurnStarvesTheWatchdog(t *testing.T) {
	t.Parallel()
	p := &parts{log: slog.New(slog.DiscardHandler)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := p.newWatchdog(nil, newDoor(l, &http.Server{}, 0), newDoor(l, &http.Server{}, 0))
	turns := func() bool { return w.parts[0].ask(t.Context()) }
	if !turns() {
		t.Error("a schedule that has just begun does not count as turning")
	}
	p.pulse.last = time.Now().Add(-longestTurn)
	if turns() {
		t.Error("a schedule that stands still counts as turning")
	}
	p.pulse.now()
	if !turns() {
		t.Error("a schedule that turns again does not count as turning")
	}
}

func TestAListenerThatNobodyServesDoesNotAccept(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]string{"tcp": "[::]:0", "unix": filepath.Join(t.TempDir(), "s")} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{ReadHeaderTimeout: time.Minute}
		d := newDoor(l, s, 0)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if d.accepts(short) {
			t.Errorf("%s: a listener that nobody serves accepts", network)
		}
		cancel()
		served := make(chan error, 1)
		go func() { served <- serveHTTP(s, l) }()
		if !d.accepts(t.Context()) {
			t.Errorf("%s: a listener that is served does not accept", network)
		}
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if d.accepts(t.Context()) {
			t.Errorf("%s: a listener that is closed accepts", network)
		}
	}
}

// TestAFullHouseIsNoFaultOfTheDaemon lets as many callers in as there may be.
func TestAFullHouseIsNoFaultOfTheDaemon(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := newDoor(l, &http.Server{ReadHeaderTimeout: time.Minute}, 2)
	d.count(nil, http.StateNew)
	d.count(nil, http.StateNew)
	if !d.accepts(t.Context()) {
		t.Error("a full house counts as dead")
	}
	d.count(nil, http.StateClosed)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if d.accepts(short) {
		t.Error("a house with room that lets nobody in counts as alive")
	}
}

func TestTheStatusIsOneLine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 14, 5, 0, 0, time.UTC)
	later := at.Add(time.Hour)
	for want, s := range map[string]admin.Status{
		"0 jobs, 0 running": {},
		"1 job, 1 running":  {Jobs: []admin.JobStatus{{Running: &roster.Run{}}}},
		"2 jobs, 0 running, 1 problem (rosterd status), next run Sun 14:05 UTC": {
			Jobs: []admin.JobStatus{{Next: &later}, {Next: &at}}, Problems: []admin.Finding{{}},
		},
	} {
		if got := oneLine(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
