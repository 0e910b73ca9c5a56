package systemd_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/systemd"
)

// environment is what a process was started with.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// manager is a service manager's end of the notification socket.
type manager struct{ *net.UnixConn }

func newManager(t *testing.T, name string) manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return manager{conn}
}

func (m manager) read(t *testing.T) []string {
	t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := m.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(buffer[:n]), "\n")
}

func TestEachMessageIsOneDatagram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, socket := range []string{filepath.Join(dir, "notify"), "@rosterd-test-" + filepath.Base(filepath.Dir(dir))} {
		m := newManager(t, socket)
		n := systemd.NewNotifier(environment{"NOTIFY_SOCKET": socket}.get, 1)
		for _, c := range []struct {
			tell func() error
			want []string
		}{
			{func() error { return n.Ready("2 jobs") }, []string{"READY=1", "STATUS=2 jobs"}},
			{func() error { return n.Status("one\nREADY=1") }, []string{"STATUS=one READY=1"}},
			{n.Alive, []string{"WATCHDOG=1"}},
			{n.Stopping, []string{"STOPPING=1", "WATCHDOG=1", "STATUS=stopping"}},
			{func() error { return n.Extend(90 * time.Second) }, []string{"EXTEND_TIMEOUT_USEC=90000000"}},
		} {
			if err := c.tell(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, m.read(t)); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		}
		if err := n.Reloading(); err != nil {
			t.Fatal(err)
		}
		got := m.read(t)
		if len(got) != 2 || got[0] != "RELOADING=1" || !strings.HasPrefix(got[1], "MONOTONIC_USEC=") || got[1] == "MONOTONIC_USEC=0" {
			t.Errorf("a reload is told as %q", got)
		}
	}
}

func TestTheWatchdogIsTheProcessesOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  environment
		want time.Duration
	}{
		"for any process":     {environment{"WATCHDOG_USEC": "30000000"}, 30 * time.Second},
		"for this process":    {environment{"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30 * time.Second},
		"for another process": {environment{"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0},
		"no number":           {environment{"WATCHDOG_USEC": "-1"}, 0},
		"beyond any use":      {environment{"WATCHDOG_USEC": "9223372036854775807"}, 0},
		"none":                {environment{}, 0},
	} {
		c.env["NOTIFY_SOCKET"] = "/nowhere"
		if got := systemd.NewNotifier(c.env.get, 7).Watchdog(); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestNobodyIsToldWhereNobodyAsked(t *testing.T) {
	t.Parallel()
	for _, socket := range []string{"", "relative", "vsock:2:1234"} {
		n := systemd.NewNotifier(environment{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "1000000"}.get, 1)
		if n != nil || n.Watchdog() != 0 {
			t.Errorf("%q is taken for a socket", socket)
		}
		if err := n.Ready(""); err != nil {
			t.Error(err)
		}
		if err := n.Reloading(); err != nil {
			t.Error(err)
		}
	}
	gone := systemd.NewNotifier(environment{"NOTIFY_SOCKET": "/nowhere/notify"}.get, 1)
	if err := gone.Ready(""); err == nil {
		t.Error("a socket that is not there is no error")
	}
}
