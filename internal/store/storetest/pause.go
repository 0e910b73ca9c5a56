package storetest

import (
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func testPause(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	_, err := s.Pause(ctx, "acme/x")
	wantErr(t, err, store.ErrNotFound)
	wantErr(t, s.ResumeJob(ctx, "acme/x"), store.ErrNotFound)
	pause := roster.Pause{Since: begin(), By: "ann", Reason: "the target is moved for " + Canary}
	must(t, s.PauseJob(ctx, "acme/x", pause))
	wantErr(t, s.PauseJob(ctx, "acme/x", roster.Pause{By: "bob"}), store.ErrExists)
	wantErr(t, s.PauseJob(ctx, "", pause), roster.ErrInvalid)
	due, err := s.LastDue(ctx, "acme/x")
	must(t, err)
	if !due.IsZero() {
		t.Fatalf("a pause made the job due at %s", due)
	}
	noCanary(t, dir)
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	got, err := s.Pause(ctx, "acme/x")
	must(t, err)
	same(t, got, pause)
	_, err = s.Pause(ctx, "acme/y")
	wantErr(t, err, store.ErrNotFound)
	must(t, s.ResumeJob(ctx, "acme/x"))
	_, err = s.Pause(ctx, "acme/x")
	wantErr(t, err, store.ErrNotFound)
}
