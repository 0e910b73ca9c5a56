package storetest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/roster"
)

// FullDisk proves that a full disk is an error and nothing worse: what was
// stored stays, nothing half-written is seen, and writing goes on when there
// is room. It needs the right to mount and is skipped without it.
func FullDisk(t *testing.T, open Open) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("NOT TESTED: a full disk needs a tmpfs, and mounting one failed (%v): run the tests as root", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, bytes.Repeat([]byte{1}, 2<<20), 0o600))

	s := open(t, dir)
	defer func() { must(t, s.Close()) }()
	must(t, s.CreateRun(t.Context(), run("r1", "acme/x", 0)))
	sets := changeSets(t, dir)
	writeChangeSet(t, sets, "r1", 100)
	stored, err := fillUp(t, s)
	wantErr(t, err, unix.ENOSPC)
	if len(stored) == 0 {
		t.Fatal("the disk was full before anything was stored")
	}
	checkFull(t, s, stored)
	fullChangeSet(t, dir)

	// A full disk does not keep the daemon from starting either.
	epoch := s.Epoch()
	must(t, s.Close())
	s = open(t, dir)
	checkFull(t, s, stored)
	if s.Epoch() <= epoch {
		t.Fatalf("epoch %d follows %d", s.Epoch(), epoch)
	}

	must(t, os.Remove(ballast))
	more := big("later", 1)
	add(t, s, more...)
	writeChangeSet(t, sets, "r2", 100)
	readChangeSet(t, sets, "r2", 100)
	must(t, s.Close())
	s = open(t, dir)
	checkFull(t, s, append(stored, more...))
	readChangeSet(t, sets, "r1", 100)
}

// big returns refused records whose payloads cannot be packed.
func big(name string, n int) []roster.Quarantined {
	records := make([]roster.Quarantined, n)
	for i := range records {
		records[i] = refused("acme/x", "r1", fmt.Sprint(name, i), i)
		records[i].Payload = make([]byte, 32<<10)
		_, _ = rand.Read(records[i].Payload)
	}
	return records
}

func fillUp(t *testing.T, s Store) (stored []roster.Quarantined, err error) {
	t.Helper()
	for i := range 1000 {
		records := big(fmt.Sprint("batch", i, "-"), 2)
		if _, err := s.AddQuarantine(t.Context(), records); err != nil {
			return stored, err
		}
		stored = append(stored, records...)
	}
	return stored, nil
}

func checkFull(t *testing.T, s Store, stored []roster.Quarantined) {
	t.Helper()
	all, err := s.Quarantine(t.Context(), roster.QuarantineFilter{})
	must(t, err)
	same(t, len(all), len(stored))
	for _, q := range stored {
		got, err := s.QuarantinedByID(t.Context(), q.ID)
		must(t, err)
		if !bytes.Equal(got.Payload, q.Payload) {
			t.Fatalf("record %s has another payload than was stored", q.Record)
		}
	}
}

// fullChangeSet proves that a change set that does not fit leaves nothing.
func fullChangeSet(t *testing.T, dir string) {
	t.Helper()
	sets := changeSets(t, dir)
	w, err := sets.Create("r2")
	for i := 0; err == nil && i < 100_000; i++ {
		err = w.Append(client(i))
	}
	wantErr(t, err, unix.ENOSPC)
	if w != nil {
		_, _, err = w.Finish()
		wantErr(t, err, unix.ENOSPC)
	}
	runs, err := sets.List()
	must(t, err)
	same(t, runs, []string{"r1"})
	left, err := filepath.Glob(filepath.Join(dir, "changesets", "*.tmp"))
	must(t, err)
	same(t, left, nil)
}
