package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/backup"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// state is a state directory with a stand-in for the database.
func state(t *testing.T) (backup.Source, string) {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "changesets"), 0o700),
		os.WriteFile(filepath.Join(dir, "changesets", "r1.cs"), []byte("sealed"), 0o600),
		os.WriteFile(filepath.Join(dir, "master.key"), []byte("the-master-key"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return backup.Source{
		Dir: dir, Version: "v1", Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
		CopyTo: func(_ context.Context, w io.Writer, begun func(store.Moment) error) error {
			moment := store.Moment{
				Schema: 2, Install: "ab", Runs: []roster.Run{{ID: "r1", State: roster.RunDelivering}, {ID: "r2", State: roster.RunPreparing}},
				Notes: map[string][]byte{"s1.notes": []byte("0-5")},
			}
			if err := begun(moment); err != nil {
				return err
			}
			_, err := io.CopyN(w, rand.NewChaCha8([32]byte{}), 40_000)
			return err
		},
	}, dir
}

func TestABackupHoldsTheStateAndNoKey(t *testing.T) {
	from, dir := state(t)
	var archive bytes.Buffer
	wrote, err := backup.Write(t.Context(), &archive, from)
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	read, err := backup.Unpack(bytes.NewReader(archive.Bytes()), to)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wrote, read); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"changesets/r1.cs": "sealed", "served/s1.notes": "0-5"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "master.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the master key: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestADamagedOrCutBackupIsRefused(t *testing.T) {
	from, _ := state(t)
	var archive bytes.Buffer
	if _, err := backup.Write(t.Context(), &archive, from); err != nil {
		t.Fatal(err)
	}
	whole := archive.Bytes()
	for cut := 0; cut < len(whole); cut += max(1, len(whole)/60) {
		if _, err := backup.Unpack(bytes.NewReader(whole[:cut]), t.TempDir()); !errors.Is(err, backup.ErrArchive) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	for at := 10; at < len(whole); at += max(1, len(whole)/60) {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x10
		if _, err := backup.Unpack(bytes.NewReader(bad), t.TempDir()); err == nil {
			t.Errorf("byte %d of %d: not noticed", at, len(whole))
		}
	}
}

func TestAChangeSetThatVanishesMakesAnotherMomentBeTaken(t *testing.T) {
	from, _ := state(t)
	moments, whole := 0, from.CopyTo
	from.CopyTo = func(ctx context.Context, w io.Writer, begun func(store.Moment) error) error {
		if moments++; moments > 2 {
			return whole(ctx, w, begun)
		}
		return begun(store.Moment{Runs: []roster.Run{{ID: "ended-just-now", State: roster.RunDelivering}}})
	}
	m, err := backup.Write(t.Context(), io.Discard, from)
	if err != nil || moments != 3 || m.Count(backup.ChangeSets) != 1 {
		t.Errorf("%d moments, %+v, %v", moments, m, err)
	}
}
