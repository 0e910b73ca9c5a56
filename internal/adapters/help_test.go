package adapters_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// programs makes a directory of adapters in which the test binary stands under
// the given names.
func programs(t testing.TB, names ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	for _, n := range names {
		if err := os.Symlink(self, filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shortDir is a directory whose path is short enough for sockets below it.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ra")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newHost(t testing.TB, change func(*adapters.Options), names ...string) *adapters.Host {
	t.Helper()
	dir := programs(t, names...)
	opt := adapters.Options{Dir: dir, RuntimeDir: filepath.Join(dir, "run")}
	if change != nil {
		change(&opt)
	}
	h, err := adapters.NewHost(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func open(t testing.TB, h *adapters.Host, conn roster.Connection) *adapters.Conn {
	t.Helper()
	c, err := h.Open(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var members = sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1000}

func wantClass(t *testing.T, err error, class sdk.Class) {
	t.Helper()
	e, ok := errors.AsType[*sdk.Error](err)
	if !ok || e.Class != class {
		t.Fatalf("error %v (%T), want class %s", err, err, class)
	}
}

// await polls until ok or the deadline.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// gone reports whether no process has the id, or only a dead one that nobody
// has waited for.
func gone(pid string) bool {
	if _, err := strconv.Atoi(pid); err != nil {
		panic(err)
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// logged is a log that tests may read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
