package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

type entry struct {
	id   string
	data []byte
}

// entries makes n entries of different sizes, some of them empty.
func entries(n, size int) []entry {
	out := make([]entry, n)
	for i := range out {
		out[i] = entry{fmt.Sprintf("m-%d", i), fmt.Appendf(nil, `{"i":%d,"x":"%s"}`, i, strings.Repeat("y", i*7%(size+1)))}
		if i%13 == 5 {
			out[i].data = nil
		}
	}
	return out
}

func sets(tb testing.TB, dir string) *store.ChangeSets {
	tb.Helper()
	s, err := store.NewChangeSets(dir, keyring(tb, 1))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func write(tb testing.TB, s *store.ChangeSets, run string, all []entry) {
	tb.Helper()
	w, err := s.Create(run)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Abort()
	var size int64
	for _, e := range all {
		if err := w.Append(e.id, e.data); err != nil {
			tb.Fatal(err)
		}
		size += int64(len(e.data))
	}
	n, written, err := w.Finish()
	if err != nil || n != len(all) || written != size {
		tb.Fatalf("got %d entries, %d bytes, %v, want %d and %d", n, written, err, len(all), size)
	}
}

func open(tb testing.TB, s *store.ChangeSets) *store.ChangeSet {
	tb.Helper()
	cs, err := s.Open("r1")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cs.Close() })
	return cs
}

func joined(all []entry) []byte {
	parts := make([][]byte, len(all))
	for i, e := range all {
		parts[i] = e.data
	}
	return bytes.Join(parts, []byte(","))
}

func check(tb testing.TB, cs *store.ChangeSet, all []entry, from, to int) {
	tb.Helper()
	got, err := cs.AppendClients([]byte("before:"), from, to)
	if err != nil {
		tb.Fatal(err)
	}
	if want := append([]byte("before:"), joined(all[from:to])...); !bytes.Equal(got, want) {
		tb.Fatalf("entries %d to %d: got %.80q of %d bytes, want %.80q of %d", from, to, got, len(got), want, len(want))
	}
	ids, err := cs.IDs(from, to)
	if err != nil || len(ids) != to-from {
		tb.Fatalf("entries %d to %d: got %d ids, %v", from, to, len(ids), err)
	}
	for i, id := range ids {
		if id != all[from+i].id {
			tb.Fatalf("entry %d: got the id %q, want %q", from+i, id, all[from+i].id)
		}
	}
}

func TestAnySliceOfAChangeSetIsWhatWasAppended(t *testing.T) {
	for name, all := range map[string][]entry{
		"none": nil, "one": entries(1, 0), "one block": entries(50, 100), "many blocks": entries(3000, 900),
		"large": {{"a", bytes.Repeat([]byte("a"), 1<<20)}, {"", nil}, {"c", bytes.Repeat([]byte("c"), 300<<10)}},
		"empty": {{"", nil}, {"", nil}, {"", nil}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, sets(t, dir), "r1", all)
			cs := open(t, sets(t, dir))
			if cs.Len() != len(all) {
				t.Fatalf("got %d entries, want %d", cs.Len(), len(all))
			}
			check(t, cs, all, 0, len(all))
			for range 200 {
				from := rand.IntN(len(all) + 1)
				check(t, cs, all, from, from+rand.IntN(min(len(all)-from, 300)+1))
			}
			for _, bad := range [][2]int{{-1, 0}, {0, len(all) + 1}, {1, 0}, {len(all) + 1, len(all) + 1}} {
				if got, err := cs.AppendClients([]byte("x"), bad[0], bad[1]); err == nil || string(got) != "x" {
					t.Errorf("%v: got %q, %v", bad, got, err)
				}
			}
		})
	}
}

func TestAChangeSetServesConcurrentReaders(t *testing.T) {
	all := entries(3000, 900)
	s := sets(t, t.TempDir())
	write(t, s, "r1", all)
	cs := open(t, s)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 100 {
				from := rand.IntN(len(all) - 100)
				got, err := cs.AppendClients(nil, from, from+100)
				if err != nil || !bytes.Equal(got, joined(all[from:from+100])) {
					t.Errorf("entries from %d differ: %v", from, err)
				}
			}
		})
	}
	readers.Wait()
}

func TestNothingIsSeenOfAChangeSetBeforeItIsFinished(t *testing.T) {
	dir := t.TempDir()
	s := sets(t, dir)
	if _, err := s.Open("r1"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got error %v", err)
	}
	w, err := s.Create("r1")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries(1000, 900) {
		if err := w.Append(e.id, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if runs, err := s.List(); err != nil || len(runs) > 0 {
		t.Fatalf("got %v, %v", runs, err)
	}
	// A process that begins removes what one that was killed left behind.
	s = sets(t, dir)
	if left, _ := os.ReadDir(filepath.Join(dir, "changesets")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	w.Abort()
	if err := w.Append("a", nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("append after abort: got error %v", err)
	}
	if _, _, err := w.Finish(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("finish after abort: got error %v", err)
	}
	if _, err := s.Open("r1"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got error %v", err)
	}
}

func TestAPreparationThatIsRepeatedReplacesItsChangeSet(t *testing.T) {
	s := sets(t, t.TempDir())
	first, second := entries(400, 900), entries(10, 30)
	write(t, s, "r1", first)
	cs := open(t, s)
	write(t, s, "r1", second)
	write(t, s, "a-2", second)
	check(t, cs, first, 0, len(first))
	check(t, open(t, s), second, 0, len(second))
	runs, err := s.List()
	if diff := cmp.Diff([]string{"a-2", "r1"}, runs); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	for range 2 {
		if err := s.Remove("r1"); err != nil {
			t.Fatal(err)
		}
	}
	check(t, cs, first, 0, len(first))
	if _, err := s.Open("r1"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got error %v", err)
	}
}

func TestARunsIdCannotLeadOutOfTheDirectory(t *testing.T) {
	s := sets(t, t.TempDir())
	for _, id := range []string{"", ".", "../r1", "a/b", "r1.cs", "r\x00", "ä", strings.Repeat("a", 129)} {
		_, createErr := s.Create(id)
		_, openErr := s.Open(id)
		for _, err := range []error{createErr, openErr, s.Remove(id)} {
			if !errors.Is(err, roster.ErrInvalid) {
				t.Errorf("%q: got error %v", id, err)
			}
		}
	}
}

func TestAnEntryTooLargeIsRefusedAndTheOthersStay(t *testing.T) {
	s := sets(t, t.TempDir())
	w, err := s.Create("r1")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append("a", make([]byte, store.MaxEntryBytes)); !errors.Is(err, roster.ErrInvalid) {
		t.Fatalf("got error %v", err)
	}
	if err := w.Append("b", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if n, _, err := w.Finish(); n != 1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
}

// readAll opens and reads a change set whole.
func readAll(s *store.ChangeSets, run string) error {
	cs, err := s.Open(run)
	if err != nil {
		return err
	}
	defer func() { _ = cs.Close() }()
	if _, err := cs.AppendClients(nil, 0, cs.Len()); err != nil {
		return err
	}
	_, err = cs.IDs(0, cs.Len())
	return err
}

func TestAFlippedBitInAChangeSetIsAnErrorAndNeverOtherData(t *testing.T) {
	for name, one := range map[string]struct {
		all  []entry
		step int
	}{"every byte": {entries(20, 30), 1}, "many blocks": {entries(1200, 900), 1499}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := sets(t, dir)
			write(t, s, "r1", one.all)
			path := filepath.Join(dir, "changesets", "r1.cs")
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			for i := 0; i < len(whole); i += one.step {
				flip(t, f, int64(i), whole[i]^1<<(i%8))
				if err := readAll(s, "r1"); !errors.Is(err, store.ErrSealed) {
					t.Fatalf("byte %d of %d: got error %v", i, len(whole), err)
				}
				flip(t, f, int64(i), whole[i])
			}
			if err := readAll(s, "r1"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func flip(t *testing.T, f *os.File, at int64, to byte) {
	t.Helper()
	if _, err := f.WriteAt([]byte{to}, at); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeSetThatWasCutMovedOrMixedIsAnError(t *testing.T) {
	dir := t.TempDir()
	s := sets(t, dir)
	equal := make([]entry, 900)
	for i := range equal {
		equal[i] = entry{fmt.Sprintf("%06d", i), fmt.Appendf(nil, "%0500d", i)}
	}
	write(t, s, "r1", equal)
	path := filepath.Join(dir, "changesets", "r1.cs")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "r1", equal)
	again, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header = 44
	block := (len(whole) - header) / 4
	for _, size := range []int{1000, 5000, block} {
		if bytes.Equal(whole[header:header+size], again[header:header+size]) {
			t.Fatal("two change sets of the same entries are sealed to the same bytes")
		}
	}
	for name, content := range map[string][]byte{
		"empty": {}, "cut": whole[:len(whole)-1], "half": whole[:len(whole)/2], "header": whole[:header], "longer": append(slices.Clone(whole), 0),
		"mixed":            append(slices.Clone(whole[:len(whole)/2]), again[len(whole)/2:]...),
		"header of other":  append(slices.Clone(again[:header]), whole[header:]...),
		"end of other":     append(slices.Clone(whole[:len(whole)-16]), again[len(again)-100:]...),
		"footer after cut": append(slices.Clone(whole[:len(whole)/3]), whole[len(whole)-16:]...),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := readAll(s, "r1"); !errors.Is(err, store.ErrSealed) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "changesets", "r2.cs"), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := readAll(s, "r2"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("the file of another run: got error %v", err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := store.NewChangeSets(dir, keyring(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := readAll(other, "r1"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("another key: got error %v", err)
	}
	if err := readAll(s, "r1"); err != nil {
		t.Fatal(err)
	}
}

func TestAMillionEntriesNeedAFewMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a file of 30 MB")
	}
	s := sets(t, t.TempDir())
	const n = 1_000_000
	before := heap()
	w, err := s.Create("r1")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Append("0123456789", []byte(`{"a":"b"}`)); err != nil {
			t.Fatal(i, err)
		}
	}
	writing := heap() - before
	if _, _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	cs := open(t, s)
	for from := 0; from < n; from += n / 100 {
		if _, err := cs.AppendClients(nil, from, from+1000); err != nil {
			t.Fatal(err)
		}
	}
	reading := heap() - before
	runtime.KeepAlive(w)
	runtime.KeepAlive(cs)
	if few := int64(4 << 20); writing > few || reading > few {
		t.Errorf("%d bytes are held while writing and %d while reading", writing, reading)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// benchEntry has the size of a usual client.
func benchEntry() []byte {
	return []byte(`{"external_id":"m-123456","first_name":"Ann","note":"` + strings.Repeat("x", 350-55) + `"}`)
}

// One operation is a change set of a million clients of 350 bytes, made durable.
func BenchmarkAppendAMillion(b *testing.B) {
	s := sets(b, b.TempDir())
	data := benchEntry()
	const n = 1_000_000
	b.SetBytes(int64(n * len(data)))
	for b.Loop() {
		w, err := s.Create("r1")
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			if err := w.Append("m-123456", data); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, err := w.Finish(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/entry")
}

func BenchmarkPageOf100(b *testing.B) {
	s := sets(b, b.TempDir())
	all := make([]entry, 20_000)
	for i := range all {
		all[i] = entry{"m-123456", benchEntry()}
	}
	write(b, s, "r1", all)
	cs := open(b, s)
	var dst []byte
	for name, next := range map[string]func(int) int{
		"in order": func(i int) int { return i * 100 % len(all) },
		"random":   func(int) int { return rand.IntN(len(all) - 100) },
	} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				from := next(i)
				i++
				var err error
				if dst, err = cs.AppendClients(dst[:0], from, from+100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
