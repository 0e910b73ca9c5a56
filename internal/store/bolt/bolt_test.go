package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/internal/store/storetest"
)

func open(tb testing.TB, dir string) storetest.Store {
	tb.Helper()
	s, err := try(tb, dir)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func try(tb testing.TB, dir string) (*bolt.Store, error) {
	tb.Helper()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return bolt.Open(tb.Context(), dir, keys)
}

func TestBoltKeepsWhatEveryStorePromises(t *testing.T) { storetest.Run(t, open) }

func TestAKilledProcessLosesNothingAcknowledged(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	storetest.Crash(t, open, rounds)
}

func TestWhatIsNotedAsServedOutlivesTheProcess(t *testing.T) { storetest.Notes(t, open) }

func TestPersonalDataIsInNoFileInClear(t *testing.T) { storetest.Sealed(t, open) }

func TestASecondProcessIsRefusedAndToldWhoHoldsTheDirectory(t *testing.T) {
	storetest.SecondOpener(t, func(dir string) (storetest.Store, error) { return try(t, dir) })
}

// database makes a closed database and returns its file.
func database(t *testing.T, dir string) string {
	t.Helper()
	s := open(t, dir)
	for i := range 50 {
		run := roster.Run{ID: fmt.Sprintf("r%02d", i), Job: "acme/x", Asked: time.Unix(int64(i), 0)}
		if err := s.CreateRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "rosterd.db")
}

// edit changes a closed database behind the store's back.
func edit(t *testing.T, path string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func refusedAs(t *testing.T, dir string, want error) {
	t.Helper()
	if _, err := try(t, dir); !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	// A refused directory is not left locked.
	if _, err := try(t, dir); errors.Is(err, store.ErrLocked) {
		t.Fatal(err)
	}
}

func TestADatabaseOfALaterProgramIsRefused(t *testing.T) {
	dir := t.TempDir()
	edit(t, database(t, dir), func(tx *bbolt.Tx) error {
		return bolt.Put(tx, "meta", "schema", "5")
	})
	refusedAs(t, dir, store.ErrSchema)
}

func TestADatabaseOfAnotherMasterKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	database(t, dir)
	key := filepath.Join(dir, "master.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("ab", store.MasterKeyBytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedAs(t, dir, store.ErrSealed)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := store.LoadKeyring(dir); !errors.Is(err, store.ErrSealed) {
		t.Fatalf("the key is missing: got error %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Fatal("another key was made")
	}
}

func TestADamagedFileIsAnErrorAndNotACrash(t *testing.T) {
	dir := t.TempDir()
	path := database(t, dir)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := bolt.Verify(path); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 10, 100, 4096, 8192, 12288, len(whole) / 2} {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		refusedAs(t, dir, store.ErrDamaged)
		if err := bolt.Verify(path); !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("verify a file of %d bytes: got error %v", size, err)
		}
	}
	if err := os.WriteFile(path, append([]byte("hello"), whole...), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedAs(t, dir, store.ErrDamaged)
	other := filepath.Join(t.TempDir(), "rosterd.db")
	edit(t, other, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	refusedAs(t, dir, store.ErrDamaged)
}

func TestAnUnfinishedCreationIsStartedAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rosterd.db.tmp"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	database(t, dir)
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func BenchmarkCreateRun(b *testing.B) {
	s := open(b, b.TempDir())
	for i := range b.N {
		if err := s.CreateRun(b.Context(), roster.Run{ID: fmt.Sprintf("r%08d", i), Job: "acme/x", Asked: time.Unix(int64(i), 0)}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkUpdateRun(b *testing.B) {
	s := open(b, b.TempDir())
	if err := s.CreateRun(b.Context(), roster.Run{ID: "r1", Job: "acme/x"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.UpdateRun(b.Context(), "r1", func(r *roster.Run) error { r.Counts.Read++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// One operation is a batch of 100 refused records of 500 bytes.
func BenchmarkAddQuarantine(b *testing.B) {
	s := open(b, b.TempDir())
	records := make([]roster.Quarantined, 100)
	n := 0
	for b.Loop() {
		for i := range records {
			n++
			records[i] = roster.Quarantined{Job: "acme/x", Run: "r1", Record: fmt.Sprint(n), Code: "map.rejected", Payload: make([]byte, 500)}
		}
		if _, err := s.AddQuarantine(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
