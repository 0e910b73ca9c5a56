package bolt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store/storetest"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// golden is a closed database with some of everything in it.
type golden struct {
	dir string
	// file is the database, earlier are copies of it from its growing.
	file    []byte
	earlier [][]byte
	// content is all that can be read of it, undone the same before the last
	// transaction.
	content, undone string
}

const (
	goldenStages  = 6
	goldenRuns    = 4 // a stage
	goldenClients = 300
)

func newGolden(t *testing.T) *golden {
	t.Helper()
	g := &golden{dir: t.TempDir()}
	for stage := range goldenStages {
		s := open(t, g.dir)
		if err := grow(t, s, stage); err != nil {
			t.Fatal(err)
		}
		if err := growLinks(t, s, stage); err != nil {
			t.Fatal(err)
		}
		g.undone = contentOf(t, s) + linksOf(t, s)
		if err := s.SetLastDue(t.Context(), "acme/x", time.Unix(int64(stage), 0)); err != nil {
			t.Fatal(err)
		}
		g.content = contentOf(t, s) + linksOf(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(g.dir, "rosterd.db"))
		if err != nil {
			t.Fatal(err)
		}
		g.earlier, g.file = append(g.earlier, file), file
	}
	if len(g.content) < 5_000 || strings.Contains(g.content, "damaged") {
		t.Fatalf("the golden database is not what it should be: %.2000s", g.content)
	}
	return g
}

// grow adds runs, sessions, outcomes and refused records, and changes what the
// stages before have left.
func grow(tb testing.TB, s storetest.Store, stage int) error {
	tb.Helper()
	ctx := tb.Context()
	for n := range goldenRuns {
		id, at := fmt.Sprintf("r%02d-%d", stage, n), time.Unix(int64(100*stage+n), 0).UTC()
		job := fmt.Sprint("acme/", "xyz"[n%3:n%3+1])
		refused := make([]roster.Quarantined, 6)
		for i := range refused {
			refused[i] = roster.Quarantined{
				Job: job, Run: id, Kind: sdk.KindMember, Record: fmt.Sprint("m", n*stage+i), Stage: roster.StageMap,
				Code: roster.CodeMapRejected, Reason: "no e-mail", At: at, Payload: []byte(strings.Repeat(id, 50+i)),
			}
		}
		session := roster.Session{
			ID: "s" + id, Run: id, Job: job, Part: 1, State: roster.SessionOpen, Business: "b" + id, To: goldenClients, Created: at, Touched: at,
		}
		_, err := s.BeginDelivery(ctx, id, roster.Delivery{}, func(*roster.Run) error { return nil })
		if !errors.Is(err, roster.ErrNotFound) {
			return fmt.Errorf("run %s is there: %w", id, err)
		}
		err = errors.Join(
			s.CreateRun(ctx, roster.Run{ID: id, Job: job, State: roster.RunPreparing, Asked: at}),
			s.CreateSession(ctx, session), s.IndexClients(ctx, session.ID, clientIDs()),
		)
		if err == nil {
			_, err = s.AddQuarantine(ctx, refused)
		}
		if err != nil {
			return err
		}
		cursor := map[sdk.Kind]sdk.Cursor{sdk.KindMember: []byte(id)}
		if _, err := s.BeginDelivery(ctx, id, roster.Delivery{Cursors: cursor}, func(r *roster.Run) error {
			r.State, r.Counts.Frozen = roster.RunDelivering, goldenClients
			return nil
		}); err != nil {
			return err
		}
	}
	runs, err := s.Runs(ctx, roster.RunFilter{State: []roster.RunState{roster.RunDelivering}})
	for _, run := range runs {
		err = errors.Join(err, deliverSome(tb, s, run.ID, stage))
	}
	return err
}

// deliverSome serves another page of a run's session and learns what became of
// the clients.
func deliverSome(tb testing.TB, s storetest.Store, run string, stage int) error {
	tb.Helper()
	return s.RecordOutcome(tb.Context(), "s"+run, func(o *roster.OutcomeRecord) error {
		served := o.Session.ServedCount()
		o.Session.Served = roster.AddRange(o.Session.Served, roster.Range{From: served, To: min(served+50, goldenClients)})
		o.Run.Counts.Served = o.Session.ServedCount()
		o.Clients = o.Clients[:o.Session.ServedCount()]
		for i := served; i < len(o.Clients); i++ {
			o.Clients[i] = roster.Outcome(1 + (i+stage)%4)
		}
		if o.Session.ServedCount() == goldenClients {
			o.Session.State, o.Run.State = roster.SessionClosed, roster.RunOK
		}
		return nil
	})
}

func goldenRoute() roster.Route {
	return roster.Route{From: "acme/gym", To: "acme/crm", Kind: sdk.KindMember}
}

// growLinks adds links, intents, parked creates and history, and changes links
// that are there.
func growLinks(tb testing.TB, s storetest.Store, stage int) error {
	tb.Helper()
	ctx := tb.Context()
	run := fmt.Sprintf("links%02d", stage)
	c := roster.Closing{Run: run, Route: goldenRoute(), Delivered: 60}
	var armed []roster.Intent
	for i := range 60 {
		id := fmt.Sprintf("m%03d", (i*7+stage*30)%200)
		c.Links = append(c.Links, roster.Link{
			Source: id, Target: "t" + id, Origin: roster.LinkCreated,
			Sent: roster.Sent{Row: uint64(i + stage + 1), Fields: []roster.SentField{{Name: "email", Short: uint32(stage)}, {Name: "name"}}},
		})
		armed = append(armed, roster.Intent{Route: c.Route, Source: "n" + id + run, Run: run, Entry: i, Attempt: 1})
	}
	for _, one := range armed[:5] {
		one.Hits, one.Payload, one.Reason = []string{"h"}, []byte(one.Source), "two records carry its marker"
		c.Parked = append(c.Parked, one)
	}
	for _, one := range armed[5:40] {
		c.Refused = append(c.Refused, one.Source)
	}
	err := s.CreateRun(ctx, roster.Run{ID: run, Job: "acme/x", State: roster.RunOK, Asked: time.Unix(int64(stage), 0).UTC()})
	if err == nil {
		_, err = s.Arm(ctx, armed)
	}
	if err == nil {
		_, err = s.CloseLinks(ctx, c)
	}
	return errors.Join(err, s.SetLink(ctx, c.Route, "by hand", run, "admin"))
}

// linksOf reads what growLinks has left.
func linksOf(tb testing.TB, s storetest.Store) string {
	tb.Helper()
	var out strings.Builder
	ctx := tb.Context()
	for _, route := range []roster.Route{goldenRoute(), goldenRoute().Reverse()} {
		links, err := s.Links(ctx, route, roster.LinkFilter{})
		fmt.Fprintln(&out, links, err)
		open, err := s.OpenIntents(ctx, route)
		fmt.Fprintln(&out, open, err)
		n, err := s.CountLinks(ctx, route)
		fmt.Fprintln(&out, n, err)
		events, err := s.LinkHistory(ctx, route, "by hand")
		fmt.Fprintln(&out, events, err)
	}
	armed, err := s.Intents(ctx, "links00")
	fmt.Fprintln(&out, armed, err)
	parked, err := s.Parked(ctx, roster.ParkedFilter{})
	fmt.Fprintln(&out, parked, err)
	for _, p := range parked {
		one, err := s.ParkedByID(ctx, p.ID)
		fmt.Fprintln(&out, one, err)
	}
	return out.String()
}

func clientIDs() []string {
	ids := make([]string, goldenClients)
	for i := range ids {
		ids[i] = fmt.Sprint("client-", i)
	}
	return ids
}

// contentOf reads all that a store can be asked for. An error is part of it.
func contentOf(tb testing.TB, s storetest.Store) string {
	tb.Helper()
	var out strings.Builder
	ctx := tb.Context()
	add := func(what string, v any, err error) {
		text, encodeErr := json.Marshal(v)
		fmt.Fprintf(&out, "%s %s %v %v\n", what, text, err, encodeErr)
	}
	fmt.Fprintln(&out, s.InstallID())
	open := []roster.RunState{roster.RunPreparing, roster.RunDelivering}
	for _, f := range []roster.RunFilter{{}, {State: open}, {Job: "acme/x"}, {Job: "acme/y"}, {Job: "acme/z"}} {
		runs, err := s.Runs(ctx, f)
		add("runs", runs, err)
	}
	for _, job := range []string{"acme/x", "acme/y", "acme/z"} {
		cursor, err := s.Cursor(ctx, job, sdk.KindMember)
		add("cursor", cursor, err)
		due, err := s.LastDue(ctx, job)
		add("due", due, err)
	}
	refused, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	add("quarantine", refused, err)
	for _, q := range refused {
		one, err := s.QuarantinedByID(ctx, q.ID)
		add("quarantined", one, err)
	}
	for _, f := range []roster.SessionFilter{{}, {Open: true}, {Awaiting: true}} {
		sessions, err := s.Sessions(ctx, f)
		add("sessions", sessions, err)
		for _, session := range sessions[:min(len(sessions), 4)] {
			outcomes, err := s.Outcomes(ctx, session.ID)
			add("outcomes", outcomes, err)
			places, err := s.FindClients(ctx, session.ID, clientIDs())
			add("places", places, err)
			of, err := s.Sessions(ctx, roster.SessionFilter{Run: session.Run})
			add("of run", of, err)
			of, err = s.Sessions(ctx, roster.SessionFilter{Business: session.Business})
			add("of business", of, err)
		}
	}
	return out.String()
}

// put lays a file out as a database of a process that was killed, or, with its
// mark, of one that closed it.
func (g *golden) put(tb testing.TB, dir string, file []byte, closed bool) {
	tb.Helper()
	path := filepath.Join(dir, "rosterd.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	mark, err := os.ReadFile(filepath.Join(g.dir, "rosterd.clean"))
	if err != nil {
		tb.Fatal(err)
	}
	if !closed {
		if err := os.Remove(filepath.Join(dir, "rosterd.clean")); err != nil && !errors.Is(err, os.ErrNotExist) {
			tb.Fatal(err)
		}
		return
	}
	info, err := os.Stat(filepath.Join(g.dir, "rosterd.db"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(
		os.Chtimes(path, info.ModTime(), info.ModTime()), os.WriteFile(filepath.Join(dir, "rosterd.clean"), mark, 0o600),
	); err != nil {
		tb.Fatal(err)
	}
}

// read opens what put has laid out, and reads it.
func read(tb testing.TB, dir string) (content string, err error) {
	tb.Helper()
	s, err := try(tb, dir)
	if err != nil {
		return "", err
	}
	content = contentOf(tb, s) + linksOf(tb, s)
	return content, s.Close()
}
