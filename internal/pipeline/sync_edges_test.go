package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestARecordThatIsMendedInTheSourceLeavesTheQuarantine(t *testing.T) {
	list := people(3)
	list[1].name = "bad"
	p := newPair(t, newCRM(list...), newClub(sdk.ClassC))
	p.run()
	p.crm.put(person{id: "p01", name: "Mended"})
	run := p.run()
	left, err := p.store.Quarantine(t.Context(), roster.QuarantineFilter{})
	if err != nil || run.State != roster.RunOK || len(left) != 0 || p.club.names()["Mended"] != 1 {
		t.Errorf("%s %v, %+v, left in quarantine: %v, %v", run.State, run.Fault, run.Counts, left, err)
	}
}

func TestAnOlderFormInTheQuarantineDoesNotReplaceANewerOne(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	p.run()
	p.club.fault = func(_ int, op sdk.Operation) string {
		if strings.Contains(string(op.Data), "Older") {
			return "reject"
		}
		return ""
	}
	p.crm.put(person{id: "p01", name: "Older"})
	p.run()
	p.crm.put(person{id: "p01", name: "Newer"})
	p.run()
	p.club.fault = nil
	p.run()
	if got := p.club.names(); got["Newer"] != 1 || got["Older"] != 0 {
		t.Errorf("the target has %v", got)
	}
}

func TestAChangeBackToWhatWasOnceSentReachesTheOtherSide(t *testing.T) {
	p := newTwoWay(t)
	p.both()
	link, err := p.store.Link(t.Context(), p.route(), "h1")
	if err != nil {
		t.Fatal(err)
	}
	p.back.change("h1", func(p *person) { p.phone = "new" })
	p.both()
	p.club.change(link.Target, func(p *person) { p.phone = "1" })
	p.both()
	if here, there := p.back.records["h1"].phone, p.club.records[link.Target].phone; here != "1" || there != "1" {
		t.Errorf("here %q, there %q", here, there)
	}
	if there, here := p.both(); there != 0 || here != 0 {
		t.Errorf("then: %d and %d operations", there, here)
	}
}

func TestARecordOfTheTargetThatIsLinkedIsNotOverwrittenByASecondOne(t *testing.T) {
	list := people(2)
	list[1].name, list[1].phone = list[0].name, list[0].phone
	p := newPair(t, newCRM(list[0]), newClub(sdk.ClassC))
	p.options.Match, p.named = []string{"name_mobile"}, true
	p.run()
	calls := p.club.calls
	p.crm.put(list[1])
	run := p.run()
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err != nil || run.State != roster.RunPartial || run.Counts.Waiting != 1 || len(parked) != 1 || p.club.calls != calls {
		t.Errorf("%s, %+v, parked %v, %v, %d operations", run.State, run.Counts, parked, err, p.club.calls-calls)
	}

	p = newPair(t, newCRM(list...), newClub(sdk.ClassC))
	p.options.Match, p.named = []string{"name_mobile"}, true
	p.club.records["x"] = person{id: "x", name: list[0].name, phone: list[0].phone}
	run = p.run()
	if run.State != roster.RunPartial || run.Counts.Waiting != 1 || p.club.calls != 1 {
		t.Errorf("two in one run: %s, %+v, %d operations", run.State, run.Counts, p.club.calls)
	}
}

func TestARecordThatMatchesALinkedOneAndIsOnlyLinkedIsAPersons(t *testing.T) {
	list := people(2)
	list[1].name, list[1].phone = list[0].name, list[0].phone
	p := newPair(t, newCRM(list...), newClub(sdk.ClassC))
	p.options.Match, p.named, p.options.OnMatch = []string{"name_mobile"}, true, false
	p.club.records["x"] = person{id: "x", name: list[0].name, phone: list[0].phone}
	run := p.run()
	if run.State != roster.RunPartial || run.Counts.Linked != 1 || run.Counts.Waiting != 1 {
		t.Errorf("%s, %+v", run.State, run.Counts)
	}
}

func TestEveryOperationNamesTheRecordsClub(t *testing.T) {
	p, s := seedPair(t)
	seed := p.connect
	p.clubKey = "north"
	p.connect = func(flow *pipeline.Flow) {
		seed(flow)
		flow.Sync.Clubs = map[string]string{"north": "N", "south": "S"}
	}
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Club != "N" {
			t.Errorf("%s of a record without its club: %q", op.Op, op.Club)
		}
		return ""
	}
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	p.crm.put(person{id: "p2", name: "Ann"})
	p.run()
	s.staff = append(s.staff, sdk.Staff{ID: "9999", Email: "jstaff@club.com"})
	if run := p.run(); run.Counts.Reopened != 1 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
	p.crm.remove("p2")
	if run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}}); run.Counts.Deactivated != 1 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

func TestOwnersThatAreSentLaterCountAsUpdatesForTheGuard(t *testing.T) {
	p, s := seedPair(t)
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	for _, one := range people(5) {
		one.owner = "1111"
		p.crm.put(one)
	}
	p.run()
	s.staff = append(s.staff, sdk.Staff{ID: "9999", Email: "jstaff@club.com"})
	p.options.Guards.MaxUpdate = roster.Limit{Count: 4}
	if run := p.run(); run.State != roster.RunBlocked {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

func TestAnOwnerThatIsLinkedWhileACreateIsInDoubtIsSentLater(t *testing.T) {
	p, s := seedPair(t)
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	life := make(chan struct{})
	p.club.fault = func(int, sdk.Operation) string {
		close(life)
		p.store.Close() // the daemon dies here
		return ""
	}
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-life
	p.Stop()
	p.club.fault = nil
	p.clock.pass(time.Second)
	keys, err := store.LoadKeyring(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	between, err := bolt.Open(t.Context(), p.dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	staff := p.route()
	staff.Kind = sdk.KindStaff
	if err := errors.Join(between.SetLink(t.Context(), staff, "1111", "9999", "anna"), between.Close()); err != nil {
		t.Fatal(err)
	}
	p.begin()
	p.await(run.ID)
	if run = p.run(); run.State != roster.RunOK || s.records["t1"].owner != "9999" {
		t.Errorf("%s %v, owner %q", run.State, run.Fault, s.records["t1"].owner)
	}
}

func TestAnOwnerIsNotTakenAwayWhenTheJobStopsSendingOwners(t *testing.T) {
	p, s := seedPair(t)
	s.staff = []sdk.Staff{{ID: "9999", Email: "jstaff@club.com"}}
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	p.run()
	p.options.Owner = "ignore"
	p.crm.put(person{id: "p1", name: "Peter", owner: "1111"})
	p.club.fault = func(_ int, op sdk.Operation) string {
		if slices.Contains(op.Changed, roster.OwnerField) {
			t.Errorf("the owner is among the changed fields: %q", op.Changed)
		}
		return ""
	}
	if run := p.run(); run.State != roster.RunOK || *run.Counts.Updated != 1 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

func TestAnOwnerWhoIsItNoLongerIsTakenAwayAndTheOneWhoIsComesLater(t *testing.T) {
	p, s := seedPair(t)
	s.staff = []sdk.Staff{{ID: "9999", Email: "jstaff@club.com"}}
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.putStaff(person{id: "1112", name: "mary@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	p.run()
	p.crm.put(person{id: "p1", name: "Pete", owner: "1112"})
	var owners []string
	p.club.fault = func(_ int, op sdk.Operation) string {
		if slices.Contains(op.Changed, roster.OwnerField) {
			owners = append(owners, op.Owner)
		}
		return ""
	}
	if run := p.run(); *run.Counts.Updated != 1 || run.Counts.Warned != 1 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
	s.staff = append(s.staff, sdk.Staff{ID: "8888", Email: "mary@club.com"})
	if run := p.run(); run.Counts.Reopened != 1 || !slices.Equal(owners, []string{"", "8888"}) {
		t.Errorf("%s %v, %+v, owners sent: %q", run.State, run.Fault, run.Counts, owners)
	}
}

func TestAPlanOfOneRecordDoesNotKeepItsID(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	p.connect = func(flow *pipeline.Flow) {
		flow.Sync.GetSource = func(_ context.Context, req sdk.GetRequest) (*sdk.Page, error) {
			b := newPeople(req.Kind)
			addPerson(b, person{id: req.IDs[0], name: "One"})
			return b.Page(nil, true)
		}
	}
	run := p.order(pipeline.Order{Job: syncJob, Plan: true, Scope: roster.Scope{Record: "p00"}})
	if run.State != roster.RunPlanned || run.Scope.Record != "" {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Scope)
	}
}

// stopIn lets the daemon stop while a run waits for the target, and starts it
// again.
func (p *pair) stopIn(order pipeline.Order) roster.Run {
	p.t.Helper()
	stopped := make(chan struct{})
	p.Sleep = func(ctx context.Context, _ time.Duration) error {
		go func() { defer close(stopped); p.Stop() }()
		<-ctx.Done()
		return ctx.Err()
	}
	run, err := p.Order(p.t.Context(), order)
	if err != nil {
		p.t.Fatal(err)
	}
	<-stopped
	if err := p.store.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.club.fault = nil
	p.begin()
	return p.await(run.ID)
}

func TestWhatWasParkedWhenTheDaemonStoppedIsCounted(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassE))
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "busy", "lost", ""}[n] }
	run := p.stopIn(pipeline.Order{Job: syncJob})
	if run.State != roster.RunPartial || run.Counts.Waiting != 1 || *run.Counts.Created != 2 {
		t.Errorf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

func TestWhatWasDeactivatedWhenTheDaemonStoppedIsCounted(t *testing.T) {
	for _, gone := range []string{"deactivate", "delete"} {
		p := newPair(t, newCRM(people(6)...), newClub(sdk.ClassC))
		p.options.OnGone = gone
		p.run()
		p.crm.remove("p01")
		p.crm.remove("p02")
		calls := p.club.calls
		p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "busy", ""}[n-calls] }
		run := p.stopIn(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
		if run.State != roster.RunOK || run.Counts.Deactivated != 2 || run.Counts.Quarantined != 0 {
			t.Errorf("%s: %s %v, %+v", gone, run.State, run.Fault, run.Counts)
		}
	}
}

func TestADeactivationThatIsRefusedOrLeftForLaterIsNotOK(t *testing.T) {
	for _, fault := range []string{"reject", "busy"} {
		p := newPair(t, newCRM(people(6)...), newClub(sdk.ClassC))
		p.run()
		p.crm.remove("p01")
		p.club.busy = 5 * time.Hour
		p.club.fault = func(int, sdk.Operation) string { return fault }
		run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
		if run.State != roster.RunPartial {
			t.Errorf("%s: %s %v, %+v", fault, run.State, run.Fault, run.Counts)
		}
	}
}

func TestAQuotaCountsWhatItLeavesOnce(t *testing.T) {
	p := newPair(t, newCRM(people(40)...), newClub(sdk.ClassC))
	p.club.busy = 5 * time.Hour
	p.club.fault = func(n int, _ sdk.Operation) string {
		switch {
		case n == 3:
			return "reject"
		case n > 20:
			return "busy"
		}
		return ""
	}
	if run := p.run(); run.Counts.Waiting != 20 || run.Counts.Quarantined != 1 {
		t.Errorf("%s, %+v", run.State, run.Counts)
	}
}

func TestTheEmptySourceGuardLooksAtEachKind(t *testing.T) {
	p := newJoining(t, false)
	p.crm.keep(&p.crm.members, person{id: "m1", name: "Member"})
	p.run()
	p.crm.people = nil
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunBlocked {
		t.Errorf("%s, %+v", run.State, run.Counts)
	}
	p.crm.cut, p.crm.read = 1, 1
	if run = p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}}); run.State == roster.RunBlocked {
		t.Errorf("a source that cannot be read for now: %s %v", run.State, run.Fault)
	}
}
