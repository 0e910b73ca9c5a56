package storetest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// Canary is a personal value that must be found in no file of the state
// directory.
const Canary = "canary.person@example.com"

// Sealed proves that what is personal in a quarantined record and in a change
// set is in clear in no file of the state directory, while the store is open
// and when it is closed.
func Sealed(t *testing.T, open Open) {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(t.Context(), run("r1", "acme/x", 0)))
	q := refused("acme/x", "r1", Canary, 1)
	q.Payload = []byte(`{"email":"` + Canary + `"}`)
	q = add(t, s, q)[0]

	one := intent("m-1", 1, 1)
	one.Hits, one.Payload = []string{Canary}, []byte(`{"email":"`+Canary+`"}`)
	closed(t, s, roster.Closing{Parked: []roster.Intent{one}, Quarantined: []roster.Quarantined{refused("acme/x", "r1", "2-"+Canary, 2)}})
	_ = s.Marker(linkRoute(), Canary)

	must(t, s.CreateSession(t.Context(), session("s1", "r1", "b1", 0)))
	must(t, s.IndexClients(t.Context(), "s1", []string{Canary}))

	w, err := changeSets(t, dir).Create("r1")
	must(t, err)
	must(t, w.Append(Canary, []byte(`{"email":"`+Canary+`"}`)))
	noCanary(t, dir)
	_, _, err = w.Finish()
	must(t, err)
	noCanary(t, dir)

	got, err := s.QuarantinedByID(t.Context(), q.ID)
	must(t, err)
	same(t, got, q)
	must(t, s.Close())
	noCanary(t, dir)
}

func noCanary(t *testing.T, dir string) {
	t.Helper()
	files := 0
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(Canary)) {
			t.Errorf("%s holds personal data in clear", path)
		}
		return err
	}))
	if files < 2 {
		t.Fatalf("%d files were looked at", files)
	}
}

// SecondOpener proves that a state directory has one user at a time and that
// the other is told who it is. With must open a directory and return the error.
func SecondOpener(t *testing.T, with func(dir string) (Store, error)) {
	t.Helper()
	dir := t.TempDir()
	s, err := with(dir)
	must(t, err)
	must(t, s.CreateRun(t.Context(), run("r1", "acme/x", 0)))
	_, err = with(dir)
	wantErr(t, err, store.ErrLocked)
	want := store.LockedError{Dir: dir, PID: os.Getpid()}
	same(t, err.Error(), want.Error())
	must(t, s.Close())
	s, err = with(dir)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	found, err := s.Runs(t.Context(), roster.RunFilter{})
	must(t, err)
	same(t, ids(found, runID), []string{"r1"})
}
