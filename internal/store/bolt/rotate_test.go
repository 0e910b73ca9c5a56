package bolt_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// rotationDir tells a child process in which state directory it is to change the
// master key, rotationStep behind which step it is to be killed.
const (
	rotationDir  = "BOLT_ROTATION_DIR"
	rotationStep = "BOLT_ROTATION_STEP"
)

// sealedState lays out a state directory with some of everything that is sealed,
// and returns all that can be read of it.
func sealedState(t *testing.T) (dir, content string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir).(*bolt.Store)
	err := errors.Join(grow(t, s, 0), growLinks(t, s, 0), growSealed(t, s))
	if err != nil {
		t.Fatal(err)
	}
	sets, err := store.NewChangeSets(dir, keyringOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"r00-0", "r00-1"} {
		w, err := sets.Create(run)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2000 {
			if err := w.Append(fmt.Sprint("client-", n), fmt.Appendf(nil, `{"email":"%s-%d@example.com","pad":%q}`, run, n, strings.Repeat("x", 100))); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	content = everythingOf(t, s, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, content
}

func keyringOf(t *testing.T, dir string) *store.Keyring {
	t.Helper()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// everythingOf reads a store with its change sets, and the names that it gives.
func everythingOf(t *testing.T, s *bolt.Store, dir string) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(contentOf(t, s) + linksOf(t, s))
	pushed, err := s.InboundAfter(t.Context(), "acme/push", sdk.KindMember, 0, 10)
	for _, one := range pushed {
		fmt.Fprintln(&out, one.ID, *one.Fields["email"])
	}
	pause, pauseErr := s.Pause(t.Context(), "acme/x")
	fmt.Fprintln(&out, pause, err, pauseErr)
	latest, err := s.InboundLatest(t.Context(), "acme/push", sdk.KindMember, "pushed")
	fmt.Fprintln(&out, latest.ID, err, s.Marker(goldenRoute(), "m1"), s.DigestKey())
	sets, err := store.NewChangeSets(dir, keyringOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	runs, err := sets.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		set, err := sets.Open(run)
		if err != nil {
			fmt.Fprintln(&out, run, err)
			continue
		}
		ids, idsErr := set.IDs(0, set.Len())
		data, err := set.AppendClients(nil, 0, set.Len())
		fmt.Fprintln(&out, run, ids, string(data), errors.Join(err, idsErr, set.Close()))
	}
	return out.String()
}

func rotate(t *testing.T, dir string, step func(string)) (from *store.Keyring, err error) {
	t.Helper()
	master := store.NewMasterKey()
	to, err := store.NewKeyring(master)
	if err != nil {
		t.Fatal(err)
	}
	from = keyringOf(t, dir)
	return from, bolt.RotateKey(t.Context(), dir, bolt.Rotation{From: from, To: to, Master: master, Verify: verifyHere, Step: step})
}

func unstepped(string) {}

// sealedWith finds values in a directory that were sealed with a master key: they
// begin with a version and its id, in clear or in base64.
func sealedWith(t *testing.T, dir string, id store.KeyID) (found []string) {
	t.Helper()
	head := append([]byte{1}, id[:]...)
	encoded := base64.StdEncoding.EncodeToString(head)[:6]
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		if bytes.Contains(file, head) || bytes.Contains(file, []byte(encoded)) || bytes.Contains(file, id[:]) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAnotherMasterKeyOpensEverythingAndNamesEverythingTheSame(t *testing.T) {
	dir, content := sealedState(t)
	old := keyringOf(t, dir)
	if len(sealedWith(t, dir, old.ID())) < 3 {
		t.Fatal("values that are sealed cannot be told in the files")
	}
	if from, err := rotate(t, dir, unstepped); err != nil || from.ID() != old.ID() {
		t.Fatal(err)
	}
	now := keyringOf(t, dir)
	if now.ID() == old.ID() {
		t.Fatal("the key is the old one")
	}
	if left := sealedWith(t, dir, old.ID()); len(left) > 0 {
		t.Errorf("the old key still opens something in %q", left)
	}
	if _, err := bolt.Open(t.Context(), dir, old); !errors.Is(err, store.ErrSealed) {
		t.Errorf("with the old key: %v", err)
	}
	if sets, err := store.NewChangeSets(dir, old); err != nil {
		t.Error(err)
	} else if _, err := sets.Open("r00-0"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("a change set with the old key: %v", err)
	}
	kept, _, err := store.ReadKeyFile(filepath.Join(dir, store.OldKeyFile(old.ID())))
	if err != nil || kept.ID() != old.ID() {
		t.Errorf("the old key, which backups need, is not kept: %v", err)
	}
	s := open(t, dir).(*bolt.Store)
	if got := everythingOf(t, s, dir); got != content {
		t.Error("it holds other things, or gives other names")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Verify(filepath.Join(dir, "rosterd.db")); err != nil {
		t.Error(err)
	}
	// And once more.
	if _, err := rotate(t, dir, unstepped); err != nil {
		t.Fatal(err)
	}
	if left := sealedWith(t, dir, now.ID()); len(left) > 0 {
		t.Errorf("the second key still opens something in %q", left)
	}
}

func TestTheMasterKeyOfADatabaseOfAnEarlierSchemaIsChanged(t *testing.T) {
	for _, schema := range []string{"schema1", "schema2", "schema3"} {
		dir := unpackSchema(t, filepath.Join("testdata", schema))
		s := open(t, dir).(*bolt.Store)
		content := everythingOf(t, s, dir)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		old, err := rotate(t, dir, unstepped)
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		s = open(t, dir).(*bolt.Store)
		if got := everythingOf(t, s, dir); got != content {
			t.Errorf("%s: it holds other things, or gives other names", schema)
		}
		if left := sealedWith(t, dir, old.ID()); len(left) > 0 {
			t.Errorf("%s: the old key still opens something in %q", schema, left)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALargeDatabaseGetsAnotherMasterKeyInSeveralTransactions(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	for n := range 20 {
		q := roster.Quarantined{Job: "acme/x", Run: "r", Kind: "member", Record: fmt.Sprint(n), Code: "map.rejected", Payload: make([]byte, 2<<20)}
		if _, err := s.AddQuarantine(t.Context(), []roster.Quarantined{q}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := rotate(t, dir, unstepped); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir).(*bolt.Store)
	found, err := s.Quarantine(t.Context(), roster.QuarantineFilter{})
	if err != nil || len(found) != 20 {
		t.Fatalf("%d, %v", len(found), err)
	}
	for _, q := range found {
		if one, err := s.QuarantinedByID(t.Context(), q.ID); err != nil || len(one.Payload) != 2<<20 {
			t.Errorf("%s: %d bytes, %v", q.ID, len(one.Payload), err)
		}
	}
	if err := errors.Join(s.Close(), bolt.Verify(filepath.Join(dir, "rosterd.db"))); err != nil {
		t.Fatal(err)
	}
}

func TestAKeyThatIsKeptElsewhereIsChangedAndNoKeyIsWritten(t *testing.T) {
	dir, content := sealedState(t)
	path := filepath.Join(dir, "master.key")
	from := keyringOf(t, dir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	master := store.NewMasterKey()
	to, err := store.NewKeyring(master)
	if err != nil {
		t.Fatal(err)
	}
	// What else is sealed comes along.
	other := filepath.Join(dir, "others", "one")
	if err := errors.Join(os.Mkdir(filepath.Dir(other), 0o700), os.WriteFile(other, []byte("old"), 0o600)); err != nil {
		t.Fatal(err)
	}
	also := func(_ context.Context, into string) error {
		return errors.Join(os.Mkdir(filepath.Join(into, "others"), 0o700), os.WriteFile(filepath.Join(into, "others", "one"), []byte("sealed anew"), 0o600))
	}
	if err := bolt.RotateKey(t.Context(), dir, bolt.Rotation{From: from, To: to, Verify: verifyHere, Also: also, Step: unstepped}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "sealed anew" {
		t.Errorf("%q, %v", text, err)
	}
	keys, err := filepath.Glob(filepath.Join(dir, "master.key*"))
	if err != nil || len(keys) > 0 {
		t.Errorf("%q, %v", keys, err)
	}
	if err := os.WriteFile(path, master, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir).(*bolt.Store)
	if got := everythingOf(t, s, dir); got != content {
		t.Error("it holds other things, or gives other names")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAValueThatDoesNotOpenKeepsTheMasterKey(t *testing.T) {
	dir, content := sealedState(t)
	path := filepath.Join(dir, "changesets", "r00-1.cs")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(file)
	broken[len(broken)/2] ^= 1
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rotate(t, dir, unstepped); !errors.Is(err, store.ErrSealed) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir).(*bolt.Store)
	if got := everythingOf(t, s, dir); got != content {
		t.Error("something was changed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAKilledChangeOfTheMasterKeyLosesNothing kills a process behind each step of
// the change. What is left opens as it was, with the old key before the commit and
// with the new one behind it.
func TestAKilledChangeOfTheMasterKeyLosesNothing(t *testing.T) {
	if dir := os.Getenv(rotationDir); dir != "" {
		rotateAndDie(t, dir)
		return
	}
	for kill := 1; ; kill++ {
		dir, content := sealedState(t)
		old := keyringOf(t, dir)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), rotationDir+"="+dir, fmt.Sprintf("%s=%d", rotationStep, kill))
		out, err := child.CombinedOutput()
		exit, died := errors.AsType[*exec.ExitError](err)
		if err != nil && (!died || exit.Sys().(interface{ Signaled() bool }).Signaled() == false) {
			t.Fatalf("%v\n%s", err, out)
		}
		committed := bytes.Contains(out, []byte("step committed"))
		now := keyringOf(t, dir)
		if (now.ID() != old.ID()) != committed {
			t.Errorf("killed at step %d: the key is the new one: %v, committed: %v\n%s", kill, now.ID() != old.ID(), committed, out)
		}
		s := open(t, dir).(*bolt.Store)
		if got := everythingOf(t, s, dir); got != content {
			t.Errorf("killed at step %d: it holds other things, or gives other names\n%s", kill, out)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if committed {
			if left := sealedWith(t, dir, old.ID()); len(left) > 0 {
				t.Errorf("killed at step %d: the old key still opens something in %q", kill, left)
			}
		}
		for _, left := range []string{"rotation", "rotation.tmp"} {
			if _, err := os.Stat(filepath.Join(dir, left)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("killed at step %d: %s is left (%v)", kill, left, err)
			}
		}
		if !died {
			if kill < 8 {
				t.Errorf("it has only %d steps", kill-1)
			}
			return
		}
	}
}

func rotateAndDie(t *testing.T, dir string) {
	t.Helper()
	kill, err := strconv.Atoi(os.Getenv(rotationStep))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = rotate(t, dir, func(done string) {
		fmt.Fprintf(os.Stdout, "step %s\n", done)
		if n++; n == kill {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			time.Sleep(time.Minute)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
