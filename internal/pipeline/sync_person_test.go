package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestFillIfEmptyKeepsWhatTheTargetHas(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	p.options.Policies = map[string]roster.FieldPolicy{"phone": roster.PolicyFillIfEmpty}
	p.run()
	kept := p.club.records["t1"]
	kept.phone = "their own"
	p.club.records["t1"] = kept
	empty := p.club.records["t2"]
	empty.phone = ""
	p.club.records["t2"] = empty
	p.crm.put(person{id: "p00", name: "A", phone: "new"})
	p.crm.put(person{id: "p01", name: "B", phone: "new"})
	p.run()
	if got := p.club.records["t1"]; got.phone != "their own" || got.name != "A" {
		t.Errorf("a filled field: %+v", got)
	}
	if got := p.club.records["t2"]; got.phone != "new" || got.name != "B" {
		t.Errorf("an empty field: %+v", got)
	}
}

func TestAParkedCreateWaitsForAPersonAndTakesTheirVerdict(t *testing.T) {
	park := func(t *testing.T) (*pair, roster.Parked) {
		t.Helper()
		p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassE))
		p.club.fault = func(n int, _ sdk.Operation) string {
			if n == 2 {
				return "lost"
			}
			return ""
		}
		p.run()
		p.club.fault = nil
		parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
		if err != nil || len(parked) != 1 {
			t.Fatalf("parked: %v, %v", parked, err)
		}
		return p, parked[0]
	}
	p, parked := park(t)
	if run := p.run(); run.Counts.Waiting != 0 || len(p.club.records) != 3 {
		t.Errorf("while it waits, unread: %+v", run.Counts)
	}
	p.crm.put(person{id: "p01", name: "Changed"})
	if run := p.run(); run.Counts.Waiting != 1 || run.State != roster.RunPartial || len(p.club.records) != 3 {
		t.Errorf("while it waits: %s, %+v", run.State, run.Counts)
	}
	if err := p.store.SettleParked(t.Context(), parked.ID, roster.ParkedLink, "t2", "anna"); err != nil {
		t.Fatal(err)
	}
	link, err := p.store.Link(t.Context(), p.route(), "p01")
	if err != nil || link.Target != "t2" || link.Origin != roster.LinkManual {
		t.Errorf("linked: %+v, %v", link, err)
	}
	if run := p.run(); *run.Counts.Updated != 1 || run.State != roster.RunOK || len(p.club.records) != 3 {
		t.Errorf("linked and compared: %s %v %+v", run.State, run.Fault, run.Counts)
	}
	p, parked = park(t)
	if err := p.store.SettleParked(t.Context(), parked.ID, roster.ParkedCreate, "", "anna"); err != nil {
		t.Fatal(err)
	}
	if run := p.run(); *run.Counts.Created != 1 || run.State != roster.RunOK {
		t.Errorf("created again: %s %v %+v", run.State, run.Fault, run.Counts)
	}
	p, parked = park(t)
	if err := p.store.SettleParked(t.Context(), parked.ID, roster.ParkedDrop, "", "anna"); err != nil {
		t.Fatal(err)
	}
	p.read = false
	if run := p.run(); run.Counts.Skipped != 1 || len(p.club.records) != 3 {
		t.Errorf("dropped: %+v", run.Counts)
	}
	p.crm.put(person{id: "p01", name: "Changed"})
	if run := p.run(); *run.Counts.Created != 1 {
		t.Errorf("dropped and changed: %s %v %+v", run.State, run.Fault, run.Counts)
	}
}

func TestALinkThatIsTakenParksTheSecondRecord(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	if err := p.store.SetLink(t.Context(), p.route(), "p99", "t2", "anna"); err != nil {
		t.Fatal(err)
	}
	run := p.run()
	if run.State != roster.RunPartial || *run.Counts.Created != 1 || run.Counts.Waiting != 1 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

func TestTheSameRecordTwiceInARunIsCreatedOnce(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	p.crm.people = append(p.crm.people, person{id: "p00", name: "Later", phone: "555-00"})
	p.read = false
	run := p.run()
	if run.State != roster.RunOK || len(p.club.records) != 2 || *run.Counts.Created != 2 {
		t.Errorf("%s %v, %d records, %+v", run.State, run.Fault, len(p.club.records), run.Counts)
	}
	for range 3 {
		if run = p.run(); run.State != roster.RunOK || p.club.names()["Later"] != 1 {
			t.Errorf("the later version did not win: %s, %v", run.State, p.club.names())
		}
	}
}

func TestARunIsDeterministicInItsCounts(t *testing.T) {
	counts := func() roster.Counts {
		list := people(12)
		list[3].name, list[5].name = "bad", "skip"
		return newPair(t, newCRM(list...), newClub(sdk.ClassC)).run().Counts
	}
	if diff := cmp.Diff(counts(), counts()); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyThatMayBeForgottenIsNotSentAgain(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassA))
	p.club.kind.KeyTTL = 10 * time.Second
	sent := map[string][]time.Time{}
	p.club.fault = func(_ int, op sdk.Operation) string {
		sent[op.Key] = append(sent[op.Key], p.clock.Now())
		return "lost"
	}
	if run := p.run(); run.State != roster.RunFailed {
		t.Errorf("while no answer arrives: %s %v", run.State, run.Fault)
	}
	for key, at := range sent {
		if last := at[len(at)-1].Sub(at[0]); len(at) < 2 || last >= p.club.kind.KeyTTL {
			t.Errorf("%s was sent %d times within %s", key, len(at), last)
		}
	}
	// Nothing tells whether they are there.
	p.club.fault = nil
	p.clock.pass(time.Hour)
	run := p.run()
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err != nil || len(parked) != 2 || len(p.club.records) != 2 {
		t.Errorf("%s %v: %d parked, %d records, error %v", run.State, run.Fault, len(parked), len(p.club.records), err)
	}
}

func TestACreateInDoubtThatAFailedRunLeavesIsSettledByTheNextOne(t *testing.T) {
	for _, fault := range []string{"lost", "gone", "late"} {
		p := newPair(t, newCRM(people(20)...), newClub(sdk.ClassC))
		p.club.fault = func(n int, _ sdk.Operation) string {
			switch {
			case n == 3:
				return fault
			case n > 16:
				return "auth"
			}
			return ""
		}
		if run := p.run(); run.State != roster.RunFailed {
			t.Fatalf("%s: %s", fault, run.State)
		}
		p.club.fault = nil
		run := p.run()
		if run.State != roster.RunOK || len(p.club.records) != 20 {
			t.Errorf("%s: the next run: %s %v, %d records, %+v", fault, run.State, run.Fault, len(p.club.records), run.Counts)
		}
		for name, n := range p.club.names() {
			if n > 1 {
				t.Errorf("%s: %s is there %d times", fault, name, n)
			}
		}
	}
}

func TestWhatAFailedRunCannotProveIsParkedWithItsValues(t *testing.T) {
	p := newPair(t, newCRM(people(20)...), newClub(sdk.ClassD))
	p.club.fault = func(n int, _ sdk.Operation) string {
		switch {
		case n == 3:
			return "lost"
		case n > 16:
			return "auth"
		}
		return ""
	}
	run := p.run()
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err != nil || run.State != roster.RunFailed || run.Counts.Waiting != 1 || len(parked) != 1 || parked[0].Reason == "" {
		t.Fatalf("%s, %+v, parked %+v, %v", run.State, run.Counts, parked, err)
	}
	one, err := p.store.ParkedByID(t.Context(), parked[0].ID)
	if err != nil || !strings.Contains(string(one.Payload), "Name 02") {
		t.Errorf("parked with %s, %v", one.Payload, err)
	}
}

func TestAVerdictDoesNotBringBackAnOlderFormOfTheRecord(t *testing.T) {
	settle := func(p *pair) {
		t.Helper()
		parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
		if err == nil && len(parked) == 1 {
			err = p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedCreate, "", "anna")
		}
		if err != nil || len(parked) != 1 {
			t.Fatalf("parked %v, %v", parked, err)
		}
		p.club.fault = nil
	}
	lost := func(int, sdk.Operation) string { return "gone" }

	p := newPair(t, nil, newClub(sdk.ClassE))
	p.from = feed{{id: "p", name: "Older", phone: "1"}, {id: "p", name: "Newer", phone: "1"}}
	p.club.fault = lost
	p.run()
	settle(p)
	if p.run(); p.club.names()["Newer"] != 1 {
		t.Errorf("in one run: the target has %v", p.club.names())
	}

	p = newPair(t, newCRM(people(1)...), newClub(sdk.ClassE))
	p.club.fault = lost
	p.run()
	p.crm.put(person{id: "p00", name: "bad"})
	p.run()
	settle(p)
	if run := p.run(); run.State != roster.RunPartial || len(p.quarantined()) != 1 {
		t.Errorf("refused by a later run: %s, %+v, the target has %v, quarantined %v", run.State, run.Counts, p.club.names(), p.quarantined())
	}
}

func TestAPlanThatIsAppliedKeepsWhatItHasReadOfAParkedRecord(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassE))
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "gone", "", "", ""}[n] }
	p.run()
	p.crm.put(person{id: "p00", name: "Newer"})
	p.crm.put(person{id: "p01", name: "Other"})
	plan := p.order(pipeline.Order{Job: syncJob, Plan: true})
	if _, err := p.Approve(t.Context(), plan.ID); err != nil {
		t.Fatal(err)
	}
	p.await(plan.ID)
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err == nil && len(parked) == 1 {
		err = p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedCreate, "", "anna")
	}
	if run := p.run(); err != nil || p.club.names()["Newer"] != 1 {
		t.Errorf("%s %v, the target has %v, parked %v, %v", run.State, run.Fault, p.club.names(), parked, err)
	}
}

func TestACreateInDoubtThatAPersonHasLinkedIsNotSentAgain(t *testing.T) {
	p := newPair(t, newCRM(people(1)...), newClub(sdk.ClassC))
	p.club.records["x"] = person{id: "x", name: "By hand"}
	p.club.fault = func(int, sdk.Operation) string { return "gone" }
	sleep := p.Sleep
	p.Sleep = func(ctx context.Context, d time.Duration) error {
		p.club.fault = nil
		return errors.Join(p.store.SetLink(ctx, p.route(), "p00", "x", "anna"), sleep(ctx, d))
	}
	run := p.run()
	if run.State != roster.RunPartial || p.club.calls != 1 {
		t.Errorf("%s %v, %+v, the target has %v", run.State, run.Fault, run.Counts, p.club.names())
	}
	if run = p.run(); run.State != roster.RunOK || len(p.club.records) != 1 || p.club.names()["Name 00"] != 1 {
		t.Errorf("then: %s %v, %+v, the target has %v", run.State, run.Fault, run.Counts, p.club.names())
	}
}

func TestAnUnchangedRecordWhoseLinkAPersonRemovesIsCountedOnce(t *testing.T) {
	p := newPair(t, newCRM(people(1)...), newClub(sdk.ClassC))
	p.club.kind.Batch = 1
	p.run()
	p.crm.put(person{id: "p01", name: "New"})
	p.crm.put(person{id: "p00", name: "Name 00", phone: "555-00", changed: time.Unix(5, 0)})
	p.club.fault = func(int, sdk.Operation) string {
		if err := p.store.RemoveLink(t.Context(), p.route(), "p00", "anna"); err != nil {
			t.Error(err)
		}
		return ""
	}
	if run := p.run(); run.State != roster.RunOK || run.Counts.Unchanged != 1 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

func TestAVerdictWhileARunIsUnderWayIsDoneByTheNextOne(t *testing.T) {
	for name, order := range map[string]pipeline.Order{
		"changes": {Job: syncJob}, "a sweep": {Job: syncJob, Scope: roster.Scope{Sweep: true}},
	} {
		p := newPair(t, nil, newClub(sdk.ClassE))
		p.from = feed{{id: "p", name: "Older", phone: "1"}, {id: "p", name: "Newer", phone: "1"}}
		p.club.fault = func(int, sdk.Operation) string { return "gone" }
		p.run()
		parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
		if err != nil || len(parked) != 1 {
			t.Fatalf("parked %v, %v", parked, err)
		}
		p.clock.pass(time.Hour)
		p.from = append(p.from.(feed), person{id: "q", name: "Other"})
		p.club.fault = func(int, sdk.Operation) string {
			p.club.fault = nil
			p.clock.pass(time.Minute)
			if err := p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedCreate, "", "anna"); err != nil {
				t.Error(err)
			}
			return ""
		}
		p.order(order)
		run := p.run()
		if names := p.club.names(); run.State != roster.RunOK || names["Newer"] != 1 || len(names) != 2 || len(p.quarantined()) != 0 {
			t.Errorf("%s: %s %v, %+v, the target has %v, quarantined %v", name, run.State, run.Fault, run.Counts, names, p.quarantined())
		}
	}
}

func TestAVerdictAfterAPlanIsDoneByTheRunAfterIt(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassE))
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "gone", "", "", ""}[n] }
	p.run()
	p.crm.put(person{id: "p01", name: "Changed"})
	p.clock.pass(time.Hour)
	plan := p.order(pipeline.Order{Job: syncJob, Plan: true, Scope: roster.Scope{Sweep: true}})
	p.clock.pass(time.Minute)
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err == nil && len(parked) == 1 {
		err = p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedCreate, "", "anna")
	}
	if err != nil {
		t.Fatal(err)
	}
	p.clock.pass(time.Minute)
	if _, err := p.Approve(t.Context(), plan.ID); err != nil {
		t.Fatal(err)
	}
	p.await(plan.ID)
	if run := p.run(); run.State != roster.RunOK || p.club.names()["Name 00"] != 1 || p.club.names()["Changed"] != 1 {
		t.Errorf("%s %v, %+v, the target has %v", run.State, run.Fault, run.Counts, p.club.names())
	}
}
