package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/audit"
)

func now() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

func open(t *testing.T, path string) *audit.Log {
	t.Helper()
	l := audit.New(path, now)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func change(t *testing.T, l *audit.Log, what string) {
	t.Helper()
	seq, err := l.Begin("ann", what, map[string]string{"job": "acme/leads"}, "r1")
	if err == nil {
		err = l.End(seq, 200, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(path string) (entries []audit.Entry, err error) {
	err = audit.Read(path, func(e audit.Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

func TestALogIsReadAsSeveralProcessesHaveWrittenIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	if entries, err := read(path); err != nil || len(entries) > 0 {
		t.Errorf("before the first: %d entries, %v", len(entries), err)
	}
	one, other := open(t, path), open(t, path)
	for i := range 4 {
		change(t, []*audit.Log{one, other}[i%2], fmt.Sprint("change ", i))
	}
	change(t, open(t, path), "change 4")
	entries, err := read(path)
	if err != nil || len(entries) != 10 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		if e.Seq != uint64(i+1) || i%2 == 1 && (e.Of != uint64(i) || e.Status != 200) || i%2 == 0 && e.What != fmt.Sprint("change ", i/2) {
			t.Errorf("entry %d: %+v", i+1, e)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestALineThatIsChangedOrMissingShows(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	l := open(t, path)
	for i := range 3 {
		change(t, l, fmt.Sprint("change ", i))
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, spoiled := range map[string][]byte{
		"changed":  bytes.Replace(whole, []byte("change 1"), []byte("change 9"), 1),
		"removed":  bytes.Join([][]byte{lines[0], lines[2], lines[3]}, nil),
		"swapped":  bytes.Join([][]byte{lines[1], lines[0]}, nil),
		"no JSON":  append([]byte("x\n"), whole...),
		"repeated": append(bytes.Clone(whole), lines[5]...),
	} {
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(path); !errors.Is(err, audit.ErrDamaged) || !strings.Contains(err.Error(), path+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALineThatWasCutOffIsTakenOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	first := open(t, path)
	change(t, first, "one")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(bytes.Clone(whole), whole[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if entries, err := read(path); err != nil || len(entries) != 2 {
		t.Errorf("while it is cut off: %d entries, %v", len(entries), err)
	}
	change(t, open(t, path), "two")
	if entries, err := read(path); err != nil || len(entries) != 4 || entries[2].What != "two" {
		t.Errorf("then: %+v, %v", entries, err)
	}
}

func TestChangesAtATimeAreWrittenOneAfterAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	l := open(t, path)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { change(t, l, "it") })
	}
	wg.Wait()
	if entries, err := read(path); err != nil || len(entries) != 40 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}
