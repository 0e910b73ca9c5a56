package store_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func keyring(tb testing.TB, fill byte) *store.Keyring {
	tb.Helper()
	k, err := store.NewKeyring(bytes.Repeat([]byte{fill}, store.MasterKeyBytes))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func sealer(tb testing.TB, k *store.Keyring, purpose string) *store.Sealer {
	tb.Helper()
	s, err := k.Sealer(purpose)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestASealedValueOpensOnlyWhereItWasPut(t *testing.T) {
	s := sealer(t, keyring(t, 1), "p")
	value, place := []byte("a@example.com"), []byte("here")
	sealed := s.Seal(value, place)
	got, err := s.Open(sealed, place)
	if err != nil || !bytes.Equal(got, value) {
		t.Fatalf("got %q, %v", got, err)
	}
	if bytes.Equal(sealed, s.Seal(value, place)) {
		t.Error("the same value is sealed to the same bytes twice")
	}
	fails := func(name string, s *store.Sealer, sealed, place []byte) {
		t.Helper()
		if got, err := s.Open(sealed, place); !errors.Is(err, store.ErrSealed) || got != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	fails("elsewhere", s, sealed, []byte("there"))
	fails("another purpose", sealer(t, keyring(t, 1), "q"), sealed, place)
	fails("another key", sealer(t, keyring(t, 2), "p"), sealed, place)
	for i := range sealed {
		fails("cut", s, sealed[:i], place)
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1 << (i % 8)
		fails("flipped", s, flipped, place)
	}
}

func TestAMasterKeyIsBytesOrHex(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 32)
	a, err := store.NewKeyring(raw)
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.NewKeyring([]byte(hex.EncodeToString(raw) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a.ID() != b.ID() {
		t.Errorf("the same key has the ids %s and %s", a.ID(), b.ID())
	}
	for _, bad := range []string{"", "secret", strings.Repeat("7", 63), strings.Repeat("x", 64), strings.Repeat("7", 66)} {
		if _, err := store.NewKeyring([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a master key", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func TestAnAbsentMasterKeyIsMadeOnceAndIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	ids := make([]store.KeyID, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			k, err := store.LoadKeyring(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.ID()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("processes that start at once have different keys: %v", ids)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v, %v, want master.key alone", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got mode %v, %v", info.Mode(), err)
	}
	path := filepath.Join(dir, "master.key")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := store.LoadKeyring(dir); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("a key that others can read: got error %v", err)
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("short"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.LoadKeyring(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a key that is cut: got error %v", err)
	}
}

func TestALockNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	lock, err := store.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.LockDir(dir)
	var locked *store.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, store.ErrLocked) || locked.PID != os.Getpid() || locked.Dir != dir {
		t.Fatalf("got error %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if lock, err = store.LockDir(dir); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// TestRootLeavesNothingInTheStateOfAnotherUser: a service that runs as that user
// could not read it.
func TestRootLeavesNothingInTheStateOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	refused := func(err error) {
		t.Helper()
		f, ok := errors.AsType[*roster.Fault](err)
		if !ok || !errors.Is(err, store.ErrOwner) || f.Code != store.CodeOwner || !strings.Contains(f.Hint, "sudo -u ") {
			t.Errorf("got %+v of %v", f, err)
		}
	}
	refused(store.RefuseRoot(dir))
	// A folder may be a volume that somebody else made: root may begin a state.
	lock, err := store.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if lock, err = store.LockDir(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, "rosterd.lock"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	// A state in use is one: root reads a copy of it, or asks who uses it.
	if _, err = store.LockDir(dir); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	_, err = store.LockDir(dir)
	refused(err)
}

func TestALockOfAProcessThatIsGoneIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	lock, err := store.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rosterd.lock")
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	// What the killed process had started holds the lock a little longer.
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "0.3")
	child.ExtraFiles = []*os.File{file}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := os.WriteFile(path, []byte(strconv.Itoa(gone.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if lock, err = store.LockDir(dir); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(lock.Unlock(), child.Wait()); err != nil {
		t.Fatal(err)
	}
}
