package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/internal/store/storetest"
)

func TestAFlippedBitInAValueIsAnErrorAndOtherValuesStay(t *testing.T) {
	dir := t.TempDir()
	path := database(t, dir)
	edit(t, path, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("runs"))
		value := bytes.Clone(b.Get([]byte("r07")))
		value[len(value)/2] ^= 1
		return b.Put([]byte("r07"), value)
	})
	if err := bolt.Verify(path); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("verify: got error %v", err)
	}
	s := open(t, dir)
	if _, err := s.Run(t.Context(), "r07"); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("got error %v", err)
	}
	if _, err := s.UpdateRun(t.Context(), "r07", func(*roster.Run) error { return nil }); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("got error %v", err)
	}
	if _, err := s.UpdateRun(t.Context(), "r08", func(r *roster.Run) error { r.Counts.Read = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if s.CleanShutdown() {
		t.Error("a database with a damaged value counts as left clean")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnEntryThatIsGoneOrOldIsFoundByVerify(t *testing.T) {
	for name, change := range map[string]func(runs *bbolt.Bucket) error{
		"gone":  func(runs *bbolt.Bucket) error { return runs.Delete([]byte("r07")) },
		"moved": func(runs *bbolt.Bucket) error { return runs.Put([]byte("r99"), runs.Get([]byte("r07"))) },
	} {
		t.Run(name, func(t *testing.T) {
			path := database(t, t.TempDir())
			edit(t, path, func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("runs"))) })
			if err := bolt.Verify(path); !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("got error %v", err)
			}
		})
	}
}

func TestATransactionThatIsUndoneAfterACleanShutdownIsRefused(t *testing.T) {
	dir := t.TempDir()
	g := newGolden(t)
	key, err := os.ReadFile(filepath.Join(g.dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	var undone []byte
	size := os.Getpagesize()
	for _, meta := range []int{0, size} {
		undone = bytes.Clone(g.file)
		clear(undone[meta:][:size])
		g.put(t, dir, undone, false)
		if err := bolt.Verify(filepath.Join(dir, "rosterd.db")); !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("a meta page is lost: got error %v", err)
		}
	}
	refusedOnce := false
	for _, meta := range []int{0, size} {
		undone = bytes.Clone(g.file)
		clear(undone[meta:][:size])
		g.put(t, dir, undone, true)
		content, err := read(t, dir)
		refusedOnce = refusedOnce || errors.Is(err, store.ErrDamaged)
		if err == nil && content != g.content {
			t.Fatal("the last transaction is undone, and nobody is told")
		}
	}
	if !refusedOnce {
		t.Fatal("no meta page was the latest")
	}
}

// TestADamagedPageBreaksTheStoreAndNotTheProcess cuts the file while it is
// open: reading behind its end is a memory fault.
func TestADamagedPageBreaksTheStoreAndNotTheProcess(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"cut": func(path string) error { return os.Truncate(path, 0) },
		"zeroed": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 64<<10), int64(2*os.Getpagesize()))
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := database(t, dir)
			s := open(t, dir)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			calls := make(chan error)
			const callers = 8
			for i := range callers {
				go func() {
					var err error
					if i%2 == 0 {
						_, err = s.Runs(t.Context(), roster.RunFilter{})
					} else {
						_, err = s.UpdateRun(t.Context(), "r01", func(r *roster.Run) error { r.Counts.Read++; return nil })
					}
					calls <- err
				}()
			}
			for range callers {
				if err := <-calls; !errors.Is(err, store.ErrDamaged) {
					t.Errorf("got error %v", err)
				}
			}
			if err := s.Close(); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("close: got error %v", err)
			}
			if _, err := try(t, dir); !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrLocked) {
				t.Errorf("open again: got error %v", err)
			}
		})
	}
}

func TestAPanicOfTheCallerIsTheCallersAndTheStoreGoesOn(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.CreateRun(t.Context(), roster.Run{ID: "r1", Job: "acme/x"}); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v", p)
			}
		}()
		_, _ = s.UpdateRun(t.Context(), "r1", func(*roster.Run) error { panic("mine") })
	}()
	if _, err := s.UpdateRun(t.Context(), "r1", func(r *roster.Run) error { r.Counts.Read = 7; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseThatWasMovedIsNotWrittenUntilItIsBack(t *testing.T) {
	dir := t.TempDir()
	path := database(t, dir)
	s := open(t, dir)
	write := func() error {
		_, err := s.UpdateRun(t.Context(), "r01", func(r *roster.Run) error { r.Counts.Read++; return nil })
		return err
	}
	aside := path + ".aside"
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	if err := write(); !errors.Is(err, store.ErrMoved) {
		t.Fatalf("moved away: got error %v", err)
	}
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(); !errors.Is(err, store.ErrMoved) {
		t.Fatalf("replaced: got error %v", err)
	}
	if run, err := s.Run(t.Context(), "r01"); err != nil || run.Counts.Read != 0 {
		t.Fatalf("got %+v, %v", run, err)
	}
	if _, err := try(t, dir); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("a second process: got error %v", err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAStateDirectoryMayBeCopied(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	database(t, dir)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(copied, "master.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stores []storetest.Store
	for _, d := range []string{dir, copied} {
		s := open(t, d)
		stores = append(stores, s)
		if err := s.CreateRun(t.Context(), roster.Run{ID: "later", Job: "acme/x", Asked: time.Unix(99, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
