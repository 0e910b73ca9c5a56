package storetest

import (
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func session(id, run, business string, after time.Duration) roster.Session {
	return roster.Session{
		ID: id, Run: run, Job: "acme/x", Part: 1, State: roster.SessionAnnouncing, Business: business,
		From: 0, To: 100, Created: begin().Add(after), Touched: begin().Add(after),
	}
}

func end(tb testing.TB, s Store, id string, state roster.SessionState) roster.Session {
	tb.Helper()
	got, err := s.UpdateSession(tb.Context(), id, func(one *roster.Session) error { one.State = state; return nil })
	must(tb, err)
	return got
}

func testOneSession(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateSession(ctx, session("s1", "r1", "b1", 0)))
	wantErr(t, s.CreateSession(ctx, session("s1", "r1", "b2", 0)), store.ErrExists)
	wantErr(t, s.CreateSession(ctx, session("s2", "r1", "b1", 1)), store.ErrExists)
	_, err := s.Session(ctx, "s2")
	wantErr(t, err, store.ErrNotFound)
	must(t, s.CreateSession(ctx, session("s3", "r2", "b2", 2)))

	// A parked session waits for a person and is not over.
	end(t, s, "s1", roster.SessionParked)
	wantErr(t, s.CreateSession(ctx, session("s2", "r1", "b1", 1)), store.ErrExists)
	end(t, s, "s1", roster.SessionClosed)
	must(t, s.CreateSession(ctx, session("s2", "r1", "b1", 1)))
	_, err = s.UpdateSession(ctx, "s1", func(one *roster.Session) error { one.State = roster.SessionOpen; return nil })
	wantErr(t, err, store.ErrExists)
	end(t, s, "s1", roster.SessionPartial)

	got, err := s.UpdateSession(ctx, "s2", func(one *roster.Session) error {
		one.Served = roster.AddRange(one.Served, roster.Range{From: 0, To: 50})
		one.Staff, one.LastServed = "st1", true
		return nil
	})
	must(t, err)
	want := session("s2", "r1", "b1", 1)
	want.Served, want.Staff, want.LastServed = []roster.Range{{From: 0, To: 50}}, "st1", true
	same(t, got, want)
	got, err = s.Session(ctx, "s2")
	must(t, err)
	same(t, got, want)

	_, err = s.UpdateSession(ctx, "s2", func(one *roster.Session) error { one.Business = "b2"; return nil })
	wantErr(t, err, roster.ErrInvalid)
	_, err = s.UpdateSession(ctx, "none", func(*roster.Session) error { return nil })
	wantErr(t, err, store.ErrNotFound)
	wantErr(t, s.CreateSession(ctx, session("", "r1", "b9", 0)), roster.ErrInvalid)
}

func testSessionsListed(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	for i, id := range []string{"s3", "s1", "s4"} {
		must(t, s.CreateSession(ctx, session(id, "r1", "b1", time.Duration(i))))
		end(t, s, id, roster.SessionClosed)
	}
	must(t, s.CreateSession(ctx, session("s2", "r2", "b1", 3)))
	must(t, s.CreateSession(ctx, session("s5", "r3", "b2", 4)))
	for name, one := range map[string]struct {
		filter roster.SessionFilter
		want   []string
	}{
		"all":           {roster.SessionFilter{}, []string{"s5", "s2", "s4", "s1", "s3"}},
		"limit":         {roster.SessionFilter{Limit: 2}, []string{"s5", "s2"}},
		"run":           {roster.SessionFilter{Run: "r1"}, []string{"s4", "s1", "s3"}},
		"no such run":   {roster.SessionFilter{Run: "r"}, nil},
		"business":      {roster.SessionFilter{Business: "b1", Limit: 3}, []string{"s2", "s4", "s1"}},
		"open":          {roster.SessionFilter{Open: true}, []string{"s5", "s2"}},
		"open business": {roster.SessionFilter{Open: true, Business: "b1"}, []string{"s2"}},
		"open run":      {roster.SessionFilter{Open: true, Run: "r1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Sessions(ctx, one.filter)
			must(t, err)
			same(t, ids(got, sessionID), one.want)
		})
	}
}

func testSchedule(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	due, err := s.LastDue(ctx, "acme/x")
	must(t, err)
	if !due.IsZero() {
		t.Fatalf("a job that was never due was due at %s", due)
	}
	at := time.Date(2026, 3, 29, 2, 30, 0, 123456789, time.FixedZone("CEST", 2*3600))
	must(t, s.SetLastDue(ctx, "acme/x", at))
	wantErr(t, s.SetLastDue(ctx, "", at), roster.ErrInvalid)
	must(t, s.Close())
	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	due, err = s.LastDue(ctx, "acme/x")
	must(t, err)
	if !due.Equal(at) {
		t.Fatalf("got %s, want %s", due, at)
	}
}

func testInstallation(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	install := s.InstallID()
	if len(install) != 32 || !s.CleanShutdown() {
		t.Fatalf("a store just made has the id %q and clean shutdown %t", install, s.CleanShutdown())
	}
	must(t, s.Close())
	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	if s.InstallID() != install || !s.CleanShutdown() {
		t.Fatalf("got the id %q and clean shutdown %t, want %q and true", s.InstallID(), s.CleanShutdown(), install)
	}
	other := opened(t, open)
	if other.InstallID() == install {
		t.Fatal("two installations have one id")
	}
}
