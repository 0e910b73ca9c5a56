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
func programs(tb testing.TB, names ...string) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	dir := shortDir(tb)
	for _, n := range names {
		if err := os.Symlink(self, filepath.Join(dir, n)); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// shortDir is a directory whose path is short enough for sockets below it.
func shortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "ra") //nolint:usetesting // A test's own directory has too long a path.
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newHost(tb testing.TB, change func(*adapters.Options), names ...string) *adapters.Host {
	tb.Helper()
	dir := programs(tb, names...)
	opt := adapters.Options{Dir: dir, RuntimeDir: filepath.Join(dir, "run")}
	if change != nil {
		change(&opt)
	}
	h, err := adapters.NewHost(opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

func open(tb testing.TB, h *adapters.Host, conn roster.Connection) *adapters.Conn {
	tb.Helper()
	c, err := h.Open(tb.Context(), conn)
	if err != nil {
		tb.Fatal(err)
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
