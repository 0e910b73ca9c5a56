package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
)

// Notes proves that what a store in files has noted as served outlives its
// process. It copies the state directory to have it as a killed process leaves
// it, and adds what a crash of the machine may leave.
func Notes(t *testing.T, open Open) {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	for i, id := range []string{"s1", "s2", "../s3"} {
		must(t, s.CreateSession(ctx, session(id, "r"+id, "b"+id, 0)))
		for n := range 3 {
			must(t, s.NoteServed(ctx, id, roster.Range{From: 10 * (n + i), To: 10 * (n + i + 1)}))
		}
	}
	must(t, s.NoteServed(ctx, "s1", roster.Range{From: 50, To: 70}))
	must(t, s.NoteServed(ctx, "s1", roster.Range{From: 90, To: 101}))
	end(t, s, "s2", roster.SessionPartial)

	killed := t.TempDir()
	must(t, os.CopyFS(killed, os.DirFS(dir)))
	must(t, os.Chmod(filepath.Join(killed, "master.key"), 0o600))
	must(t, s.Close())
	tear(t, killed)
	want := map[string][]roster.Range{
		"s1": {{From: 0, To: 30}, {From: 50, To: 70}}, "s2": nil, "../s3": {{From: 20, To: 50}},
	}
	for _, from := range []string{killed, killed, dir} {
		s := open(t, from)
		for id, served := range want {
			got, err := s.Session(ctx, id)
			must(t, err)
			same(t, got.Served, served)
		}
		left, err := filepath.Glob(filepath.Join(from, "served", "*"))
		must(t, err)
		same(t, fmt.Sprint(left), "[]")
		must(t, s.Close())
	}
}

// tear adds zeros and half a note to each file of notes.
func tear(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "served", "*"))
	must(t, err)
	for _, file := range files {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.Write(append(make([]byte, 24), "torn"...))
		must(t, err)
		must(t, f.Close())
	}
}
