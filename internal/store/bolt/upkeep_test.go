package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

func verifyHere(_ context.Context, path string) error { return bolt.Verify(path) }

func TestACopyIsTheDatabaseAtOneMomentWhileItIsWritten(t *testing.T) {
	s := open(t, t.TempDir()).(*bolt.Store)
	for stage := range 3 {
		if err := grow(t, s, stage); err != nil {
			t.Fatal(err)
		}
	}
	before := contentOf(t, s)
	session := roster.Session{ID: "noted", Run: "r02-0", Job: "acme/x", State: roster.SessionOpen, Business: "noted", To: 10, Created: time.Unix(9, 0)}
	if err := errors.Join(s.CreateSession(t.Context(), session), s.NoteServed(t.Context(), "noted", roster.Range{From: 0, To: 5})); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	var moment store.Moment
	err := s.CopyTo(t.Context(), &file, func(m store.Moment) error {
		moment = m
		// A page that is served meanwhile is not waited for.
		return s.NoteServed(t.Context(), "noted", roster.Range{From: 5, To: 10})
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(moment.Notes) != 1 || moment.Install != s.InstallID() || len(moment.Runs) == 0 || before == "" {
		t.Errorf("the moment: %d notes, %d runs, install %q", len(moment.Notes), len(moment.Runs), moment.Install)
	}
	path := filepath.Join(t.TempDir(), "rosterd.db")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Verify(path); err != nil {
		t.Error(err)
	}
	h, err := bolt.ReadHeader(path)
	if err != nil || h.Install != s.InstallID() || h.Key != moment.Key || h.Schema != moment.Schema {
		t.Errorf("header %+v, %v", h, err)
	}
}

func TestACompactedDatabaseIsSmallerAndHoldsTheSame(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	for stage := range 4 {
		if err := errors.Join(grow(t, s, stage), growLinks(t, s, stage)); err != nil {
			t.Fatal(err)
		}
	}
	var refused []roster.Quarantined
	for n := range 2000 {
		refused = append(refused, roster.Quarantined{
			Job: "acme/x", Run: "r03-0", Kind: "member", Record: fmt.Sprint(n), Stage: roster.StageMap, Code: "map.rejected",
			Payload: make([]byte, 1000),
		})
	}
	if _, err := s.AddQuarantine(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	if err := s.DropRunQuarantine(t.Context(), "r03-0"); err != nil {
		t.Fatal(err)
	}
	content := contentOf(t, s) + linksOf(t, s)
	if _, _, err := bolt.Compact(t.Context(), dir, verifyHere); !errors.Is(err, store.ErrLocked) {
		t.Errorf("under a running daemon: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, after, err := bolt.Compact(t.Context(), dir, verifyHere)
	if err != nil || after >= before {
		t.Errorf("%d bytes became %d: %v", before, after, err)
	}
	if got, err := read(t, dir); err != nil || got != content {
		t.Errorf("the content is another one, or %v", err)
	}
}

func TestADamagedDatabaseIsNotCompacted(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rosterd.db")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file[40] ^= 1 // in a meta page
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bolt.Compact(t.Context(), dir, verifyHere); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, file) {
		t.Errorf("the file was touched: %v", err)
	}
}

func TestOldRunsAreForgottenWithTheirSessionsAndTheLatestStay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	ctx := t.Context()
	for n := range 130 {
		at := time.Unix(int64(1000*n), 0).UTC()
		ended := at.Add(time.Minute)
		run := roster.Run{ID: fmt.Sprintf("run%03d", n), Job: "acme/x", State: roster.RunOK, Asked: at, Ended: &ended}
		session := roster.Session{ID: "s-" + run.ID, Run: run.ID, Job: run.Job, State: roster.SessionClosed, Business: "b", To: 2, Created: at}
		if n == 5 {
			session.State = roster.SessionParked
		}
		if n == 7 {
			refused := roster.Quarantined{Job: run.Job, Run: run.ID, Kind: "member", Record: "m1", Stage: roster.StageMap, Code: "map.rejected", At: at}
			if _, err := s.AddQuarantine(ctx, []roster.Quarantined{refused}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(s.CreateRun(ctx, run), s.CreateSession(ctx, session), s.IndexClients(ctx, session.ID, []string{"a", "b"})); err != nil {
			t.Fatal(err)
		}
	}
	pruned, err := s.PruneRuns(ctx, time.Unix(100_000, 0), 50)
	if err != nil || len(pruned) != 78 {
		t.Errorf("%d runs were forgotten, want 80 without the two that are needed: %v", len(pruned), err)
	}
	runs, err := s.Runs(ctx, roster.RunFilter{Job: "acme/x"})
	if err != nil || len(runs) != 52 {
		t.Errorf("%d runs are left: %v", len(runs), err)
	}
	sessions, err := s.Sessions(ctx, roster.SessionFilter{})
	if err != nil || len(sessions) != 52 {
		t.Errorf("%d sessions are left: %v", len(sessions), err)
	}
	if again, err := s.PruneRuns(ctx, time.Unix(100_000, 0), 50); err != nil || len(again) != 0 {
		t.Errorf("a second time: %v, %v", again, err)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Runs[roster.RunOK] != 52 || st.Sessions != 52 || st.Quarantined != 1 || st.Free <= 0 {
		t.Errorf("stats %+v, %v", st, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Verify(filepath.Join(dir, "rosterd.db")); err != nil {
		t.Error(err)
	}
}

func TestWhatIsOfPeopleAndOverIsForgottenWhenItIsOldEnough(t *testing.T) {
	ctx := t.Context()
	keys, err := store.LoadKeyring(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Unix(1000, 0)
	dir := t.TempDir()
	s, err := bolt.Open(ctx, dir, keys, bolt.WithClock(func() time.Time { return clock }))
	if err != nil {
		t.Fatal(err)
	}
	route := goldenRoute()
	closing := func(links ...roster.Link) {
		t.Helper()
		if _, err := s.CloseLinks(ctx, roster.Closing{Run: "run", Route: route, Links: links}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateRun(ctx, roster.Run{ID: "run", Job: "acme/x", State: roster.RunOK, Asked: clock}); err != nil {
		t.Fatal(err)
	}
	closing(
		roster.Link{Source: "left", Target: "t1", Origin: roster.LinkCreated, Sent: roster.Sent{Row: 1}, Gone: true},
		roster.Link{Source: "stays", Target: "t2", Origin: roster.LinkCreated, Sent: roster.Sent{Row: 1}},
		roster.Link{Source: "unlinked", Target: "t3", Origin: roster.LinkCreated, Sent: roster.Sent{Row: 1}},
	)
	err = errors.Join(s.RemoveLink(ctx, route, "unlinked", "admin: x"), s.SetLink(ctx, route, "stays", "t4", "admin: x"))
	if err != nil {
		t.Fatal(err)
	}
	old, recent := time.Unix(1000, 0), time.Unix(5000, 0)
	if _, err := s.AddQuarantine(ctx, []roster.Quarantined{
		{Job: "acme/x", Run: "run", Kind: "member", Record: "old", Code: "map.rejected", At: old},
		{Job: "acme/x", Run: "run", Kind: "member", Record: "recent", Code: "map.rejected", At: recent},
	}); err != nil {
		t.Fatal(err)
	}
	clock = recent
	closing(roster.Link{Source: "left later", Target: "t5", Origin: roster.LinkCreated, Sent: roster.Sent{Row: 1}, Gone: true})
	before := time.Unix(3000, 0)
	counts, err := s.ExpireQuarantine(ctx, before)
	if err != nil || len(counts) != 1 || counts["acme/x"] != 1 {
		t.Errorf("refused records: %v, %v", counts, err)
	}
	if n, err := s.ExpireHistory(ctx, before); err != nil || n != 3 { // unlinked, t3, and t2 that stays had before
		t.Errorf("histories: %d, %v", n, err)
	}
	if n, err := s.ExpireGone(ctx, before); err != nil || n != 1 {
		t.Errorf("links of records that are gone: %d, %v", n, err)
	}
	links, err := s.Links(ctx, route, roster.LinkFilter{})
	if err != nil || len(links) != 2 || links[0].Source != "left later" || links[1].Source != "stays" {
		t.Errorf("links %+v, %v", links, err)
	}
	if events, err := s.LinkHistory(ctx, route, "stays"); err != nil || len(events) < 2 {
		t.Errorf("the history of a link that stays: %v, %v", events, err)
	}
	if events, err := s.LinkHistory(ctx, route, "unlinked"); err != nil || len(events) > 0 {
		t.Errorf("the history of a link that is gone: %v, %v", events, err)
	}
	left, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	if err != nil || len(left) != 1 || left[0].Record != "recent" {
		t.Errorf("quarantine %+v, %v", left, err)
	}
	if err := errors.Join(s.Close(), bolt.Verify(filepath.Join(dir, "rosterd.db"))); err != nil {
		t.Error(err)
	}
}
