package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func testRuns(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	kept := 3
	want := run("r1", "acme/launch", 0)
	want.Fields, want.Warnings = []string{"email"}, []string{"w"}
	want.Counts.Kept, want.Fault = &kept, &roster.Fault{Code: "a.b", Message: "m", Hint: "h"}
	must(t, s.CreateRun(ctx, want))
	wantErr(t, s.CreateRun(ctx, want), store.ErrExists)
	wantErr(t, s.CreateRun(ctx, roster.Run{Job: "acme/launch"}), roster.ErrInvalid)

	updated, err := s.UpdateRun(ctx, "r1", func(r *roster.Run) error {
		r.State, r.Counts.Read = roster.RunPreparing, 7
		return nil
	})
	must(t, err)
	want.State, want.Counts.Read = roster.RunPreparing, 7
	same(t, updated, want)

	must(t, s.Close())
	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	got, err := s.Run(ctx, "r1")
	must(t, err)
	same(t, got, want)
	_, err = s.Run(ctx, "r2")
	wantErr(t, err, store.ErrNotFound)
	_, err = s.UpdateRun(ctx, "r2", func(*roster.Run) error { return nil })
	wantErr(t, err, store.ErrNotFound)
}

func testRunsListed(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	for i, id := range []string{"c", "a", "d", "b"} {
		must(t, s.CreateRun(ctx, run(id, []string{"acme/x", "acme/y"}[i%2], time.Duration(i)*time.Second)))
	}
	// Before 1970, and at the same moment as another.
	must(t, s.CreateRun(ctx, run("old", "acme/x", -80*365*24*time.Hour)))
	must(t, s.CreateRun(ctx, run("e", "acme/x", 3*time.Second)))
	_, err := s.UpdateRun(ctx, "d", func(r *roster.Run) error { r.State = roster.RunOK; return nil })
	must(t, err)

	for name, one := range map[string]struct {
		filter roster.RunFilter
		want   []string
	}{
		"all":           {roster.RunFilter{}, []string{"e", "b", "d", "a", "c", "old"}},
		"limit":         {roster.RunFilter{Limit: 2}, []string{"e", "b"}},
		"job":           {roster.RunFilter{Job: "acme/y"}, []string{"b", "a"}},
		"job and limit": {roster.RunFilter{Job: "acme/x", Limit: 1}, []string{"e"}},
		"no such job":   {roster.RunFilter{Job: "acme"}, nil},
		"ended":         {roster.RunFilter{State: []roster.RunState{roster.RunOK, roster.RunFailed}}, []string{"d"}},
		"open":          {roster.RunFilter{State: []roster.RunState{roster.RunQueued}, Limit: 3}, []string{"e", "b", "a"}},
		"open of a job": {roster.RunFilter{Job: "acme/y", State: []roster.RunState{roster.RunQueued}}, []string{"b", "a"}},
		"both": {
			roster.RunFilter{Job: "acme/x", State: []roster.RunState{roster.RunQueued, roster.RunOK}},
			[]string{"e", "d", "c", "old"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Runs(ctx, one.filter)
			must(t, err)
			same(t, ids(got, runID), one.want)
		})
	}
}

func testUpdateFails(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	want := run("r1", "acme/x", 0)
	must(t, s.CreateRun(ctx, want))
	boom := errors.New("boom")
	for name, one := range map[string]struct {
		update func(*roster.Run) error
		want   error
	}{
		"the update fails": {func(r *roster.Run) error { r.State = roster.RunFailed; return boom }, boom},
		"another id":       {func(r *roster.Run) error { r.ID = "r2"; return nil }, roster.ErrInvalid},
		"another job":      {func(r *roster.Run) error { r.Job = "acme/y"; return nil }, roster.ErrInvalid},
		"another time":     {func(r *roster.Run) error { r.Asked = time.Time{}; return nil }, roster.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.UpdateRun(ctx, "r1", one.update)
			wantErr(t, err, one.want)
			d := roster.Delivery{Cursors: map[sdk.Kind]sdk.Cursor{sdk.KindMember: sdk.Cursor("moved")}}
			_, err = s.BeginDelivery(ctx, "r1", d, one.update)
			wantErr(t, err, one.want)
			got, err := s.Run(ctx, "r1")
			must(t, err)
			same(t, got, want)
			cursor, err := s.Cursor(ctx, "acme/x", sdk.KindMember)
			must(t, err)
			same(t, cursor, nil)
		})
	}
}

func testConcurrentUpdates(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	const writers, each = 4, 10
	var all sync.WaitGroup
	errs := make(chan error, writers*each)
	for range writers {
		all.Go(func() {
			for range each {
				_, err := s.UpdateRun(ctx, "r1", func(r *roster.Run) error { r.Counts.Read++; return nil })
				errs <- err
				_, err = s.Runs(ctx, roster.RunFilter{})
				errs <- errors.Join(err)
			}
		})
	}
	go func() { all.Wait(); close(errs) }()
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	got, err := s.Run(ctx, "r1")
	must(t, err)
	same(t, got.Counts.Read, writers*each)
}

func testDelivery(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	for i, id := range []string{"r1", "r2"} {
		must(t, s.CreateRun(ctx, run(id, "acme/x", time.Duration(i))))
	}
	must(t, s.CreateRun(ctx, run("other", "acme/y", 0)))
	add(t, s, refused("acme/x", "r1", "m1", 1), refused("acme/x", "r1", "m2", 1), refused("acme/y", "other", "m1", 1))
	add(t, s, refused("acme/x", "r2", "m2", 2))

	deliver := func(d roster.Delivery) {
		t.Helper()
		got, err := s.BeginDelivery(ctx, "r2", d, func(r *roster.Run) error { r.State = roster.RunDelivering; return nil })
		must(t, err)
		same(t, got.State, roster.RunDelivering)
	}
	standing := func() []string {
		t.Helper()
		var out []string
		for _, of := range []string{"r1", "r2", "other"} {
			found, err := s.Quarantine(ctx, roster.QuarantineFilter{Run: of})
			must(t, err)
			out = append(out, fmt.Sprintf("%s:%d", of, len(found)))
		}
		return out
	}
	same(t, standing(), []string{"r1:2", "r2:1", "other:1"})
	deliver(roster.Delivery{Cursors: map[sdk.Kind]sdk.Cursor{sdk.KindMember: sdk.Cursor("c1")}})
	same(t, standing(), []string{"r1:1", "r2:1", "other:1"})
	deliver(roster.Delivery{ReplaceQuarantine: true})
	same(t, standing(), []string{"r1:0", "r2:1", "other:1"})

	cursor, err := s.Cursor(ctx, "acme/x", sdk.KindMember)
	must(t, err)
	same(t, cursor, sdk.Cursor("c1"))
	open2, err := s.Runs(ctx, roster.RunFilter{State: []roster.RunState{roster.RunDelivering}})
	must(t, err)
	same(t, ids(open2, runID), []string{"r2"})
	_, err = s.BeginDelivery(ctx, "none", roster.Delivery{}, func(*roster.Run) error { return nil })
	wantErr(t, err, store.ErrNotFound)
}

func testCursors(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	set := func(cursors map[sdk.Kind]sdk.Cursor) error {
		_, err := s.BeginDelivery(ctx, "r1", roster.Delivery{Cursors: cursors}, func(*roster.Run) error { return nil })
		return err
	}
	want := func(job string, kind sdk.Kind, want sdk.Cursor) {
		t.Helper()
		got, err := s.Cursor(ctx, job, kind)
		must(t, err)
		same(t, got, want)
	}
	want("acme/x", sdk.KindMember, nil)
	must(t, set(map[sdk.Kind]sdk.Cursor{sdk.KindMember: {0, 255, 1}, sdk.KindStaff: sdk.Cursor("s")}))
	want("acme/x", sdk.KindMember, sdk.Cursor{0, 255, 1})
	want("acme/x", sdk.KindProspect, nil)
	want("acme/y", sdk.KindMember, nil)
	must(t, set(map[sdk.Kind]sdk.Cursor{sdk.KindMember: nil}))
	want("acme/x", sdk.KindMember, nil)
	want("acme/x", sdk.KindStaff, sdk.Cursor("s"))
	wantErr(t, set(map[sdk.Kind]sdk.Cursor{sdk.KindStaff: make(sdk.Cursor, sdk.MaxCursorBytes+1)}), roster.ErrInvalid)
	want("acme/x", sdk.KindStaff, sdk.Cursor("s"))
}

func testEndedContext(t *testing.T, open Open) {
	s := opened(t, open)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, s.CreateRun(ended, run("r1", "acme/x", 0)), context.Canceled)
	_, err := s.Runs(ended, roster.RunFilter{})
	wantErr(t, err, context.Canceled)
	_, err = s.Run(t.Context(), "r1")
	wantErr(t, err, store.ErrNotFound)
}
