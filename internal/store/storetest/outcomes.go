package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// OutcomeStore keeps what became of the clients of sessions.
type OutcomeStore interface {
	IndexClients(ctx context.Context, session string, ids []string) error
	FindClients(ctx context.Context, session string, ids []string) ([]int, error)
	ForgetClients(ctx context.Context, session string) error
	RecordOutcome(ctx context.Context, session string, change func(*roster.OutcomeRecord) error) error
	Outcomes(ctx context.Context, session string) ([]roster.Outcome, error)
}

func clientIDs(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("member-", i)
	}
	return all
}

func testClients(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	wantErr(t, s.IndexClients(ctx, "s1", clientIDs(1)), store.ErrNotFound)
	must(t, s.CreateSession(ctx, session("s1", "r1", "b1", 0)))
	must(t, s.CreateSession(ctx, session("s2", "r2", "b2", 1)))
	_, err := s.FindClients(ctx, "s1", []string{"member-0"})
	wantErr(t, err, store.ErrNotFound)
	must(t, s.IndexClients(ctx, "s1", clientIDs(100)))
	must(t, s.IndexClients(ctx, "s2", []string{"member-7"}))
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	got, err := s.FindClients(ctx, "s1", append([]string{"", "member", "member-100"}, clientIDs(100)...))
	must(t, err)
	want := []int{-1, -1, -1}
	for i := range 100 {
		want = append(want, i)
	}
	same(t, got, want)
	got, err = s.FindClients(ctx, "s2", []string{"member-7", "member-0"})
	must(t, err)
	same(t, got, []int{0, -1})

	awaiting := func(filter roster.SessionFilter) []string {
		filter.Awaiting = true
		found, err := s.Sessions(ctx, filter)
		must(t, err)
		return ids(found, sessionID)
	}
	same(t, awaiting(roster.SessionFilter{}), []string{"s2", "s1"})
	same(t, awaiting(roster.SessionFilter{Business: "b1"}), []string{"s1"})
	must(t, s.ForgetClients(ctx, "s2"))
	must(t, s.ForgetClients(ctx, "s2"))
	same(t, awaiting(roster.SessionFilter{}), []string{"s1"})
	same(t, awaiting(roster.SessionFilter{Open: true}), []string{"s1"})
	_, err = s.FindClients(ctx, "s2", []string{"member-7"})
	wantErr(t, err, store.ErrNotFound)
}

// tell makes a record of what the target told: clients failed and created.
func tell(failed, created int) func(*roster.OutcomeRecord) error {
	return func(record *roster.OutcomeRecord) error {
		record.Clients[failed], record.Clients[created] = roster.OutcomeFailed, roster.OutcomeCreated
		record.Session.Outcome = &roster.OutcomeCounts{Created: 1, Failed: 1}
		record.Run.Counts.Tell(roster.OutcomeCounts{}, *record.Session.Outcome)
		record.Run.State = roster.RunPartial
		q := refused("acme/x", "r1", "member-3", 1)
		q.Stage, q.Code = roster.StageDeliver, roster.CodeDeliverFailed
		record.Refused = []roster.Quarantined{q}
		return nil
	}
}

func testOutcomes(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	wantErr(t, s.RecordOutcome(ctx, "s1", tell(3, 99)), store.ErrNotFound)
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	must(t, s.CreateSession(ctx, session("s1", "r1", "b1", 0)))
	end(t, s, "s1", roster.SessionClosed)
	none, err := s.Outcomes(ctx, "s1")
	must(t, err)
	same(t, len(none), 0)
	must(t, s.RecordOutcome(ctx, "s1", tell(3, 99)))
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	want := make([]roster.Outcome, 100)
	want[3], want[99] = roster.OutcomeFailed, roster.OutcomeCreated
	checkOutcome(t, s, want, roster.OutcomeCounts{Created: 1, Failed: 1}, roster.RunPartial, 1)

	stop := errors.New("no")
	wantErr(t, s.RecordOutcome(ctx, "s1", func(record *roster.OutcomeRecord) error {
		record.Clients[5], record.Run.State = roster.OutcomeKept, roster.RunOK
		record.Settled = record.Refused
		return stop
	}), stop)
	wantErr(t, s.RecordOutcome(ctx, "s1", func(record *roster.OutcomeRecord) error {
		record.Run.Job = "acme/y"
		return nil
	}), roster.ErrInvalid)
	checkOutcome(t, s, want, roster.OutcomeCounts{Created: 1, Failed: 1}, roster.RunPartial, 1)

	must(t, s.RecordOutcome(ctx, "s1", func(record *roster.OutcomeRecord) error {
		if diff := cmp.Diff(want, record.Clients); diff != "" {
			t.Errorf("the outcomes to change (-want +got):\n%s", diff)
		}
		record.Clients[3] = roster.OutcomeUpdated
		record.Session.Outcome = &roster.OutcomeCounts{Created: 1, Updated: 1}
		record.Run.State = roster.RunOK
		record.Settled = []roster.Quarantined{refused("acme/x", "r1", "member-3", 9), refused("acme/none", "r1", "member-3", 9)}
		return nil
	}))
	want[3] = roster.OutcomeUpdated
	checkOutcome(t, s, want, roster.OutcomeCounts{Created: 1, Updated: 1}, roster.RunOK, 0)
}

func checkOutcome(t *testing.T, s Store, want []roster.Outcome, counts roster.OutcomeCounts, state roster.RunState, quarantined int) {
	t.Helper()
	ctx := t.Context()
	got, err := s.Outcomes(ctx, "s1")
	must(t, err)
	same(t, got, want)
	one, err := s.Session(ctx, "s1")
	must(t, err)
	same(t, one.Outcome, &counts)
	r, err := s.Run(ctx, "r1")
	must(t, err)
	same(t, r.State, state)
	entries, err := s.Quarantine(ctx, roster.QuarantineFilter{Run: "r1", Code: roster.CodeDeliverFailed})
	must(t, err)
	same(t, len(entries), quarantined)
}

func testOutcomeOfALostRun(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateSession(ctx, session("s1", "r1", "b1", time.Second)))
	must(t, s.RecordOutcome(ctx, "s1", func(record *roster.OutcomeRecord) error {
		if record.Run.ID != "" {
			t.Errorf("a run that is not there has the id %q", record.Run.ID)
		}
		for i := range record.Clients {
			record.Clients[i] = roster.Outcome(i % 5)
		}
		return nil
	}))
	got, err := s.Outcomes(ctx, "s1")
	must(t, err)
	for i, o := range got {
		if o != roster.Outcome(i%5) {
			t.Fatalf("client %d is %d, want %d", i, o, i%5)
		}
	}
}
