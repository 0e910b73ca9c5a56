package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

func TestOnlyTheLatestPlanOfAJobIsKeptWhileItIsYoung(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &parts{}
	if p.store, err = bolt.Open(ctx, dir, keys); err != nil {
		t.Fatal(err)
	}
	defer p.store.Close()
	if p.changes, err = store.NewChangeSets(dir, keys); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	for _, run := range []roster.Run{
		{ID: "planned", Job: "acme/a", Type: roster.JobSync, State: roster.RunPlanned, Asked: now.Add(-6 * 24 * time.Hour)},
		{ID: "older", Job: "acme/a", Type: roster.JobSync, State: roster.RunPlanned, Asked: now.Add(-7 * 24 * time.Hour)},
		{ID: "blocked", Job: "acme/b", Type: roster.JobSync, State: roster.RunBlocked, Asked: now},
		{ID: "overtaken", Job: "acme/c", Type: roster.JobSync, State: roster.RunPlanned, Asked: now.Add(-time.Hour)},
		{ID: "later", Job: "acme/c", Type: roster.JobSync, State: roster.RunOK, Asked: now},
		{ID: "stale", Job: "acme/d", Type: roster.JobSync, State: roster.RunPlanned, Asked: now.Add(-8 * 24 * time.Hour)},
		{ID: "import", Job: "acme/e", Type: roster.JobImport, State: roster.RunBlocked, Asked: now},
		{ID: "underway", Job: "acme/f", Type: roster.JobSync, State: roster.RunDelivering, Asked: now},
	} {
		if err := p.store.CreateRun(ctx, run); err != nil {
			t.Fatal(err)
		}
		w, err := p.changes.Create(run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.dropOrphans(ctx); err != nil {
		t.Fatal(err)
	}
	left, err := p.changes.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"blocked", "planned", "underway"}, left); diff != "" {
		t.Error(diff)
	}
}
