package systemd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/systemd"
)

// journal is a socket that takes entries as the journal does.
type journal struct{ *net.UnixConn }

func newJournal(t *testing.T) (*journal, string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rj") //nolint:usetesting // a test's own directory has too long a path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &journal{conn}, path
}

// entry reads one entry, which may come as a file.
func (j *journal) entry(t *testing.T) map[string]string {
	t.Helper()
	text, rights := make([]byte, 1<<20), make([]byte, 64)
	n, nr, _, _, err := j.ReadMsgUnix(text, rights)
	if err != nil {
		t.Fatal(err)
	}
	text = text[:n]
	if nr > 0 {
		messages, err := syscall.ParseSocketControlMessage(rights[:nr])
		if err != nil {
			t.Fatal(err)
		}
		fds, err := syscall.ParseUnixRights(&messages[0])
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fds[0]), "entry")
		defer file.Close()
		if text, err = io.ReadAll(io.NewSectionReader(file, 0, 1<<30)); err != nil {
			t.Fatal(err)
		}
	}
	return parseEntry(t, text)
}

func parseEntry(t *testing.T, text []byte) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for len(text) > 0 {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			t.Fatalf("no line: %q", text)
		}
		name, value, short := strings.Cut(string(line), "=")
		if !short {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+size]), rest[8+size+1:]
		}
		fields[name] = value
		text = rest
	}
	return fields
}

func TestALogRecordIsAnEntryWithItsFields(t *testing.T) {
	t.Parallel()
	j, path := newJournal(t)
	var otherwise bytes.Buffer
	h, err := systemd.NewJournal(path, slog.LevelInfo, slog.NewJSONHandler(&otherwise, nil))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Debug("not this")
	log.With("job", "acme/leads").WithGroup("adapter").Warn("run ended", "run", "r1", "took_ms", 7, "err", errors.New("two\nlines"), slog.Group("in", "a", "b c"))
	got := j.entry(t)
	if got["CODE_LINE"] == "" || !strings.HasSuffix(got["CODE_FILE"], "journal_test.go") || !strings.Contains(got["CODE_FUNC"], "TestALogRecord") {
		t.Errorf("place %s:%s %s", got["CODE_FILE"], got["CODE_LINE"], got["CODE_FUNC"])
	}
	for _, name := range []string{"CODE_FILE", "CODE_LINE", "CODE_FUNC"} {
		delete(got, name)
	}
	want := map[string]string{
		"MESSAGE":  `run ended job=acme/leads adapter.run=r1 adapter.took_ms=7 adapter.err="two\nlines" adapter.in.a="b c"`,
		"PRIORITY": "4", "SYSLOG_IDENTIFIER": "rosterd", "ROSTERD_JOB": "acme/leads", "ROSTERD_ADAPTER_RUN": "r1",
		"ROSTERD_ADAPTER_TOOK_MS": "7", "ROSTERD_ADAPTER_ERR": "two\nlines", "ROSTERD_ADAPTER_IN_A": "b c",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	for level, want := range map[slog.Level]string{slog.LevelInfo: "6", slog.LevelError: "3"} {
		log.Log(t.Context(), level, "x")
		if got := j.entry(t)["PRIORITY"]; got != want {
			t.Errorf("%s has priority %s, want %s", level, got, want)
		}
	}
	if otherwise.Len() > 0 {
		t.Errorf("written besides: %s", otherwise.String())
	}
}

func TestAnEntryThatIsTooLargeForAMessageIsHandedOverAsAFile(t *testing.T) {
	t.Parallel()
	j, path := newJournal(t)
	h, err := systemd.NewJournal(path, slog.LevelInfo, slog.DiscardHandler)
	if err != nil {
		t.Fatal(err)
	}
	stack := strings.Repeat("frame\n", 200_000)
	slog.New(h).Error("panicked", "stack", stack)
	if got := j.entry(t)["ROSTERD_STACK"]; got != stack {
		t.Errorf("%d bytes have arrived of %d", len(got), len(stack))
	}
}

func TestWhatTheJournalDoesNotTakeIsWrittenOtherwise(t *testing.T) {
	t.Parallel()
	var otherwise bytes.Buffer
	h, err := systemd.NewJournal("/nowhere/socket", slog.LevelInfo, slog.NewJSONHandler(&otherwise, nil))
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).With("job", "acme/leads").WithGroup("g").Info("run ended", "run", "r1")
	if got := otherwise.String(); !strings.Contains(got, `"msg":"run ended","job":"acme/leads","g":{"run":"r1"}}`) {
		t.Error(got)
	}
}

func TestTheJournalIsKnownByItsDeviceAndInode(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	for stream, want := range map[string]bool{"": false, "1:2": false, fmt.Sprintf("%d:%d", st.Dev, st.Ino): true} {
		if got := systemd.IsJournal(func(string) string { return stream }, file); got != want {
			t.Errorf("%q: %t", stream, got)
		}
	}
}
