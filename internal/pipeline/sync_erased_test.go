package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// erasedOf leaves out who was erased in a store, as the daemon does.
type erasedOf struct {
	*bolt.Erased

	conn string
}

func (e erasedOf) Record(kind sdk.Kind, id string) bool { return e.Erased.Record(e.conn, kind, id) }

// erases has the runs of a pair leave out whom its store has erased.
func (p *pair) erases() {
	p.t.Helper()
	erased, err := p.store.Erased(p.t.Context(), "acme")
	if err != nil {
		p.t.Fatal(err)
	}
	p.connect = func(f *pipeline.Flow) {
		f.Erased = nil
		if erased != nil {
			f.Erased = erasedOf{erased, p.refs[0]}
		}
	}
}

func (p *pair) erase(block bool, subjects ...roster.Subject) {
	p.t.Helper()
	who := roster.Person{Account: "acme", Subjects: subjects, Sources: map[string]string{syncJob: "acme/crm"}}
	if block {
		who.Emails = []string{"p03@example.com"}
	}
	if _, _, err := p.store.Erase(p.t.Context(), who, roster.Tombstone{ID: "t1"}, block); err != nil {
		p.t.Fatal(err)
	}
	p.erases()
}

func prospect(id string) roster.Subject {
	return roster.Subject{Connection: "acme/crm", Kind: sdk.KindProspect, ID: id}
}

func TestAnErasedPersonIsLeftOutAndNobodyElse(t *testing.T) {
	p := newPair(t, newCRM(people(7)...), newClub(sdk.ClassC))
	p.read = false
	p.run()
	p.erase(false, prospect("p02"))
	p.crm.put(person{id: "p02", name: "Changed", phone: "555-02"})
	p.crm.put(person{id: "p05", name: "Changed, too", phone: "555-05"})
	calls := p.club.calls
	run := p.run()
	if c := run.Counts; run.State != roster.RunOK || c.Read != 7 || c.Skipped != 1 || *c.Updated != 1 || c.Unchanged != 5 || p.club.calls != calls+1 {
		t.Errorf("%s %v, %+v, %d operations", run.State, run.Fault, c, p.club.calls-calls)
	}
	if want := "1 record is left out because they were erased"; len(run.Warnings) != 1 || !strings.Contains(run.Warnings[0], want) {
		t.Errorf("warnings %q", run.Warnings)
	}
	if links, err := p.store.Links(t.Context(), goldRoute(p), roster.LinkFilter{}); err != nil || len(links) != 6 {
		t.Errorf("%d links, %v", len(links), err)
	}
	// A sweep does not take them for gone, and neither the target's record.
	run = p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunOK || run.Counts.Deactivated != 0 || run.Counts.Skipped != 1 {
		t.Errorf("a sweep: %s %v, %+v", run.State, run.Fault, run.Counts)
	}
	if _, err := p.store.LiftTombstone(t.Context(), "t1"); err != nil {
		t.Fatal(err)
	}
	p.erases()
	if run = p.run(); run.Counts.Skipped != 0 || len(run.Warnings) != 0 || *run.Counts.Created != 1 {
		t.Errorf("after it was lifted: %+v, %q", run.Counts, run.Warnings)
	}
}

func goldRoute(p *pair) roster.Route {
	return roster.Route{From: p.refs[0], To: p.refs[1], Kind: sdk.KindProspect}
}

func TestAnAddressThatIsBlockedIsLeftOutUnderAnyIdAndItsTargetStaysAsItIs(t *testing.T) {
	p := newPair(t, newCRM(people(4)...), newClub(sdk.ClassC))
	p.read = false
	p.run()
	p.erase(true, prospect("p03"))
	// Another record that is linked has the address, and so has a new one.
	p.crm.put(person{id: "p01", name: "Name 01 <P03@Example.com>", phone: "555-01"})
	p.crm.put(person{id: "new", name: "New", phone: "p03@example.com"})
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunOK || run.Counts.Skipped != 3 || run.Counts.Deactivated != 0 || run.Counts.Unchanged != 2 || len(p.club.records) != 4 {
		t.Errorf("%s %v, %+v, the target has %d", run.State, run.Fault, run.Counts, len(p.club.records))
	}
}

func TestARefusedRecordWithABlockedAddressLeavesTheQuarantine(t *testing.T) {
	p := newPair(t, newCRM(person{id: "p1", name: "bad", phone: "p03@example.com"}, person{id: "p2", name: "Good", phone: "1"}), newClub(sdk.ClassC))
	if run := p.run(); run.Counts.Quarantined != 1 {
		t.Fatalf("%+v", run.Counts)
	}
	// By their address alone the refused record is found; here another one is erased,
	// and this one is met when it is tried again.
	p.erase(false, prospect("elsewhere"))
	who := roster.Person{Account: "other", Emails: []string{"p03@example.com"}}
	if _, _, err := p.store.Erase(t.Context(), who, roster.Tombstone{ID: "t2"}, true); err != nil {
		t.Fatal(err)
	}
	other, err := p.store.Erased(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	p.connect = func(f *pipeline.Flow) { f.Erased = erasedOf{other, "acme/crm"} }
	run := p.run()
	if run.State != roster.RunOK || run.Counts.Skipped != 1 || run.Counts.Quarantined != 0 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
	if left, err := p.store.Quarantine(t.Context(), roster.QuarantineFilter{}); err != nil || len(left) > 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

func TestAnErasedStaffMemberIsNobodysOwner(t *testing.T) {
	crm := newCRM(person{id: "p1", name: "One", phone: "1", owner: "s1"})
	crm.putStaff(person{id: "s1", name: "s1@example.com"})
	p := newPair(t, crm, newClub(sdk.ClassC))
	p.kinds = []sdk.Kind{sdk.KindStaff, sdk.KindProspect}
	p.erase(false, roster.Subject{Connection: "acme/crm", Kind: sdk.KindStaff, ID: "s1"})
	run := p.run()
	if run.State != roster.RunOK || run.Counts.Skipped != 1 || *run.Counts.Created != 1 || run.Counts.Warned != 0 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
	open, err := p.store.OpenLinks(t.Context(), goldRoute(p), roster.LinkFilter{})
	if err != nil || len(open) > 0 {
		t.Errorf("their id is stored: %+v, %v", open, err)
	}
}

func TestNothingIsDoneToAnAccountOfWhichOneJobHasARun(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	jobs := []string{syncJob, backJob}
	did := 0
	do := func() error { did++; return nil }
	if err := p.WhileAllIdle(t.Context(), jobs, do); err != nil || did != 1 {
		t.Fatalf("%d, %v", did, err)
	}
	// One that a daemon left behind counts, too, whatever its place among the jobs.
	left := roster.Run{ID: "left", Job: syncJob, Type: roster.JobSync, State: roster.RunDelivering, Asked: p.clock.Now()}
	if err := p.store.CreateRun(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]string{jobs, {backJob, syncJob}} {
		err := p.WhileAllIdle(t.Context(), order, do)
		if running, ok := errors.AsType[*roster.RunningError](err); !ok || running.Run != "left" || did != 1 {
			t.Errorf("%q: %d, %v", order, did, err)
		}
	}
}
