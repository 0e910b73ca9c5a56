package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/store"
)

func TestARestoredStateIsMarkedUntilEachJobIsProven(t *testing.T) {
	dir := t.TempDir()
	fresh, err := store.LoadRestored(dir)
	if err != nil || fresh.Unproven("a/x") || !fresh.Searched("a/x") {
		t.Errorf("a state that was never restored: %v", err)
	}
	if err := fresh.Prove("a/x"); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("it was marked: %v, %v", files, err)
	}
	now, backup := time.Unix(2000, 0), time.Unix(1000, 0)
	if err := store.MarkRestored(dir, now, backup); err != nil {
		t.Fatal(err)
	}
	r, err := store.LoadRestored(dir)
	if err != nil || !r.Unproven("a/x") || r.Searched("a/x") {
		t.Fatalf("a restored state: %v", err)
	}
	if err := errors.Join(r.Search("a/x"), r.Prove("a/y"), r.Prove("a/y")); err != nil {
		t.Fatal(err)
	}
	again, err := store.LoadRestored(dir)
	if err != nil || !again.Unproven("a/x") || !again.Searched("a/x") || again.Unproven("a/y") {
		t.Errorf("in the next life: %v", err)
	}
	at, of, ok := again.Since()
	if !ok || !at.Equal(now) || !of.Equal(backup) {
		t.Errorf("restored %v from %v, %v", at, of, ok)
	}
	if err := store.MarkRestored(dir, now, backup); err != nil {
		t.Fatal(err)
	}
	if r, err = store.LoadRestored(dir); err != nil || !r.Unproven("a/y") {
		t.Errorf("restored once more: %v", err)
	}
}

func TestADamagedMarkIsNotTakenForNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rosterd.restored"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.LoadRestored(dir); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v", err)
	}
}
