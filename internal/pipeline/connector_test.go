package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// seedClub is a club system with a staff list and lead sources, as the seed
// document's examples have it.
type seedClub struct {
	*club
	staff []sdk.Staff
	leads []sdk.LeadSource
	// calls are the lead source calls of the system: "list", "create", "update".
	calls   []string
	created []string
	listed  int
}

func (s *seedClub) has(call string) bool { return slices.Contains(s.calls, call) }

// Write takes lead sources beside people.
func (s *seedClub) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	if req.Kind != sdk.KindLeadSource {
		return s.club.Write(ctx, req)
	}
	var res sdk.WriteResponse
	for _, op := range req.Operations {
		name := strings.Trim(strings.TrimPrefix(strings.SplitAfter(string(op.Data), `"name":`)[1], ""), `"}`)
		if op.Op == sdk.OpUpdate {
			for i := range s.leads {
				if s.leads[i].ID == op.ID {
					s.leads[i].Name = name
				}
			}
			res.Results = append(res.Results, sdk.Result{Outcome: sdk.OutcomeOK, ID: op.ID})
			continue
		}
		id := fmt.Sprintf("lead-%d", len(s.leads)+1)
		s.leads = append(s.leads, sdk.LeadSource{ID: id, Name: name})
		s.created = append(s.created, name)
		res.Results = append(res.Results, sdk.Result{Outcome: sdk.OutcomeOK, ID: id})
	}
	return res, nil
}

// seedPair is the crm "InTouch" and the club system of the seed's examples.
func seedPair(t *testing.T, calls ...string) (*pair, *seedClub) {
	t.Helper()
	s := &seedClub{club: newClub(sdk.ClassC), calls: calls}
	p := newPair(t, newCRM(), s.club)
	p.kinds = sdk.Kinds()
	p.connect = func(flow *pipeline.Flow) {
		sync := flow.Sync
		sync.Write = s.Write
		sync.ListStaff = func(context.Context) ([]sdk.Staff, error) { s.listed++; return s.staff, nil }
		if s.has("list") {
			sync.ListLeadSources = func(context.Context) ([]sdk.LeadSource, error) { return s.leads, nil }
		}
		lead := sdk.TargetKind{Kind: sdk.KindLeadSource, Class: sdk.ClassE}
		for _, op := range []sdk.Op{sdk.OpCreate, sdk.OpUpdate} {
			if s.has(string(op)) {
				lead.Writes = append(lead.Writes, op)
			}
		}
		if len(lead.Writes) > 0 {
			sync.Target[sdk.KindLeadSource] = lead
		}
	}
	return p, s
}

// The seed document's first example: John Staff is 1111 in InTouch and 9999 in the
// club system, and Pete Prospect is assigned to him.
func TestTheSeedsStaffExample(t *testing.T) {
	john := person{id: "1111", name: "jstaff@club.com"}
	pete := person{id: "p1", name: "Pete Prospect", owner: "1111"}

	p, s := seedPair(t)
	s.staff = []sdk.Staff{{ID: "1", Email: "other@club.com"}, {ID: "9999", Email: "JStaff@Club.com"}}
	p.crm.putStaff(john)
	p.crm.put(pete)
	if run := p.run(); run.State != roster.RunOK || run.Counts.Linked != 1 || *run.Counts.Created != 1 || run.Counts.Warned != 0 {
		t.Fatalf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
	if got := s.records["t1"]; got.name != "Pete Prospect" || got.owner != "9999" {
		t.Errorf("Pete was sent with owner %q", got.owner)
	}
	if s.listed != 1 {
		t.Errorf("the staff list was fetched %d times", s.listed)
	}

	p, s = seedPair(t)
	s.staff = []sdk.Staff{{ID: "1", Email: "other@club.com"}}
	p.crm.putStaff(john)
	p.crm.put(pete)
	run := p.run()
	if run.State != roster.RunOK || *run.Counts.Created != 1 || run.Counts.Warned != 1 || s.records["t1"].owner != "" {
		t.Fatalf("without a match: %s %v, %+v, owner %q", run.State, run.Fault, run.Counts, s.records["t1"].owner)
	}

	// A link made later sends the owner then, although Pete is not read again.
	s.staff = append(s.staff, sdk.Staff{ID: "9999", Email: "jstaff@club.com"})
	if run = p.run(); run.Counts.Reopened != 1 || s.records["t1"].owner != "9999" || s.records["t1"].name != "Pete Prospect" {
		t.Errorf("after the staff member came: %+v, owner %q", run.Counts, s.records["t1"].owner)
	}
	if run = p.run(); run.Counts.Reopened != 0 || run.Counts.Unchanged != 1 {
		t.Errorf("then: %+v", run.Counts)
	}
	p.crm.put(pete)
	if run = p.run(); run.Counts.Unchanged != 2 || run.State != roster.RunOK {
		t.Errorf("when Pete is read again: %+v", run.Counts)
	}
}

func TestTwoStaffMembersWithOneEmailAreNotTaken(t *testing.T) {
	p, s := seedPair(t)
	s.staff = []sdk.Staff{{ID: "1", Email: "jstaff@club.com"}, {ID: "2", Email: "jstaff@club.com"}}
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	run := p.run()
	if run.Counts.Linked != 0 || s.records["t1"].owner != "" || !strings.Contains(strings.Join(run.Warnings, "\n"), "several staff members") {
		t.Errorf("%+v, %v", run.Counts, run.Warnings)
	}
}

// unlinked asks which records have no counterpart, and returns the causes by id.
func (p *pair) unlinked() map[string]roster.UnlinkedCause {
	p.t.Helper()
	flow, err := p.Open(p.t.Context(), roster.Run{Job: syncJob, Type: roster.JobSync, Plan: true}, p.Jobs[syncJob])
	if err != nil {
		p.t.Fatal(err)
	}
	defer flow.Close()
	found, err := p.Unlinked(p.t.Context(), roster.Run{Job: syncJob, Type: roster.JobSync}, flow)
	if err != nil {
		p.t.Fatal(err)
	}
	causes := map[string]roster.UnlinkedCause{}
	for _, one := range found {
		causes[one.Source] = one.Why
	}
	return causes
}

func TestWhoHasNoCounterpartIsToldWithTheCauseAndNothingIsStored(t *testing.T) {
	p, s := seedPair(t, "list")
	p.options.LeadSources = "match"
	s.staff = []sdk.Staff{
		{ID: "1", Email: "two@club.com"}, {ID: "2", Email: "Two@club.com"}, {ID: "3", Email: "left@club.com", Inactive: true}, {ID: "4", Email: "ann@club.com"},
	}
	s.leads = []sdk.LeadSource{{ID: "7", Name: "Web"}, {ID: "8", Name: "WEB"}}
	for id, mail := range map[string]string{"s1": "two@club.com", "s2": "left@club.com", "s3": "none@club.com", "s4": "ann@club.com", "s5": "skip", "s6": "bad"} {
		p.crm.putStaff(person{id: id, name: mail})
	}
	p.crm.putLead(person{id: "l1", name: "Web"})
	p.crm.putLead(person{id: "l2", name: "Door"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "s3"})
	want := map[string]roster.UnlinkedCause{
		"s1": roster.UnlinkedSeveral, "s2": roster.UnlinkedInactive, "s3": roster.UnlinkedAbsent, "s5": roster.UnlinkedSkipped, "s6": roster.UnlinkedRefused,
		"l1": roster.UnlinkedSeveral, "l2": roster.UnlinkedAbsent,
	}
	if diff := cmp.Diff(want, p.unlinked()); diff != "" {
		t.Errorf("before a run (-want +got):\n%s", diff)
	}
	if runs, err := p.store.Runs(t.Context(), roster.RunFilter{}); err != nil || len(runs) > 0 || len(s.records) > 0 {
		t.Errorf("asking has made runs %v and records %v: %v", runs, s.records, err)
	}
	run := p.run()
	if text := strings.Join(run.Warnings, "\n"); run.Counts.Linked != 1 || !strings.Contains(text, "`rosterd links missing "+syncJob+"`") {
		t.Errorf("%+v, %s", run.Counts, text)
	}
	// One that is linked is not missing, whatever its record is by now.
	p.crm.putStaff(person{id: "s4", name: "skip"})
	if diff := cmp.Diff(want, p.unlinked()); diff != "" {
		t.Errorf("after a run (-want +got):\n%s", diff)
	}
}

func TestARequiredOwnerHoldsThePersonBackUntilItIsLinked(t *testing.T) {
	p, s := seedPair(t)
	p.options.Owner = "required"
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	if run := p.run(); run.State != roster.RunPartial || len(s.records) != 0 {
		t.Fatalf("%s, %d records", run.State, len(s.records))
	}
	s.staff = []sdk.Staff{{ID: "9999", Email: "jstaff@club.com"}}
	if run := p.run(); run.State != roster.RunOK || s.records["t1"].owner != "9999" {
		t.Errorf("%s %v, %+v", run.State, run.Fault, s.records)
	}
}

// The seed document's second example: the lead source Newspaper is 2222 in
// InTouch, and the club system has a list and a create call, only a list, or only a
// create call.
func TestTheSeedsLeadSourceExampleInItsThreeCases(t *testing.T) {
	newspaper := person{id: "2222", name: "Newspaper"}
	for _, test := range []struct {
		name    string
		calls   []string
		there   []sdk.LeadSource
		want    string
		created int
	}{
		{"list and create, the name is there", []string{"list", "create"}, []sdk.LeadSource{{ID: "7", Name: "NEWSPAPER"}}, "7", 0},
		{"list and create, the name is not there", []string{"list", "create"}, []sdk.LeadSource{{ID: "7", Name: "Radio"}}, "lead-2", 1},
		{"list only, the name is there", []string{"list"}, []sdk.LeadSource{{ID: "7", Name: "newspaper"}}, "7", 0},
		{"list only, the name is not there", []string{"list"}, []sdk.LeadSource{{ID: "7", Name: "Radio"}}, "", 0},
		{"create only", []string{"create"}, nil, "lead-1", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, s := seedPair(t, test.calls...)
			s.leads = test.there
			p.crm.putLead(newspaper)
			p.crm.put(person{id: "p1", name: "Pete", lead: "2222"})
			run := p.run()
			if run.State != roster.RunOK || len(s.created) != test.created || s.records["t1"].lead != test.want {
				t.Errorf("%s %v: created %q, Pete has lead source %q", run.State, run.Fault, s.created, s.records["t1"].lead)
			}
			again := p.run()
			if len(s.created) != test.created || again.State != roster.RunOK {
				t.Errorf("a second run: %s, created %q", again.State, s.created)
			}
		})
	}
}

func TestARenamedLeadSourceFollowsItsLinkWhereTheTargetUpdates(t *testing.T) {
	for _, updates := range []bool{true, false} {
		calls := []string{"list", "create"}
		if updates {
			calls = append(calls, "update")
		}
		p, s := seedPair(t, calls...)
		p.crm.putLead(person{id: "2222", name: "Newspaper"})
		p.run()
		p.crm.putLead(person{id: "2222", name: "Gazette"})
		p.run()
		want := map[bool]string{true: "Gazette", false: "Newspaper"}[updates]
		if len(s.leads) != 1 || s.leads[0].Name != want {
			t.Errorf("updates %t: %+v", updates, s.leads)
		}
	}
}

func TestAPersonIsMatchedBeforeItIsCreatedAsTheRulesSay(t *testing.T) {
	for _, test := range []struct {
		name    string
		there   []person
		records int
		linked  string
		parked  int
	}{
		{"one of the same name and phone", []person{{id: "x", name: "NAME 00", phone: "555-00"}}, 1, "x", 0},
		{"the same phone, another name", []person{{id: "x", name: "Other", phone: "555-00"}}, 2, "t1", 0},
		{"two of the same name and phone", []person{{id: "x", name: "Name 00", phone: "555-00"}, {id: "y", name: "name 00", phone: "555-00"}}, 2, "", 1},
		{"nobody", nil, 1, "t1", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, newCRM(people(1)...), newClub(sdk.ClassC))
			p.options.Match = []string{"name_mobile"}
			p.named = true
			for _, one := range test.there {
				p.club.records[one.id] = one
			}
			p.run()
			link, err := p.store.Link(t.Context(), p.route(), "p00")
			parked, perr := p.store.Parked(t.Context(), roster.ParkedFilter{})
			if perr != nil || len(p.club.records) != test.records || link.Target != test.linked || len(parked) != test.parked {
				t.Errorf("%d records, linked to %q (%v), %d parked (%v)", len(p.club.records), link.Target, err, len(parked), perr)
			}
			if test.linked == "x" && link.Origin != roster.LinkMatched {
				t.Errorf("origin %s", link.Origin)
			}
		})
	}
}

func TestAReviewThatIsToBeCreatedIsNotMatchedAgain(t *testing.T) {
	p := newPair(t, newCRM(people(1)...), newClub(sdk.ClassC))
	p.options.Match = []string{"name_mobile"}
	p.named, p.read = true, false
	for _, id := range []string{"x", "y"} {
		p.club.records[id] = person{id: id, name: "Name 00", phone: "555-00"}
	}
	if run := p.run(); run.Counts.Waiting != 1 || run.State != roster.RunPartial {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{Review: true})
	if err != nil || len(parked) != 1 || len(parked[0].Hits) != 2 {
		t.Fatalf("parked: %v, %v", parked, err)
	}
	if err := p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedCreate, "", "anna"); err != nil {
		t.Fatal(err)
	}
	if run := p.run(); run.State != roster.RunOK || *run.Counts.Created != 1 || len(p.club.records) != 3 {
		t.Errorf("%s %v, %+v, %d records", run.State, run.Fault, run.Counts, len(p.club.records))
	}
	if run := p.run(); run.State != roster.RunOK || run.Counts.Unchanged != 1 || len(p.club.records) != 3 {
		t.Errorf("then: %s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

// loseLeadSources has the answer to each create of a lead source lost, of which a
// search shows that it was done.
func loseLeadSources(p *pair, s *seedClub) {
	seed := p.connect
	p.connect = func(flow *pipeline.Flow) {
		seed(flow)
		sync := flow.Sync
		lead := sync.Target[sdk.KindLeadSource]
		lead.Class = sdk.ClassC
		sync.Target[sdk.KindLeadSource] = lead
		sync.Write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
			res, err := s.Write(ctx, req)
			if req.Kind == sdk.KindLeadSource {
				res.Results[0] = sdk.Result{Outcome: sdk.OutcomeUnknown}
			}
			return res, err
		}
		sync.Find = func(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
			if req.Kind != sdk.KindLeadSource {
				return s.Find(ctx, req)
			}
			return sdk.FindResponse{Matches: [][]sdk.Match{{{ID: "lead-1", Marker: req.Queries[0].Marker}}}}, nil
		}
	}
	p.crm.putLead(person{id: "2222", name: "Newspaper"})
}

func TestALeadSourceWhoseAnswerWasLostIsSettledBeforeItsPeopleAreSent(t *testing.T) {
	p, s := seedPair(t, "create")
	loseLeadSources(p, s)
	p.crm.put(person{id: "p1", name: "Pete", lead: "2222"})
	run := p.run()
	if run.State != roster.RunOK || *run.Counts.Created != 2 || run.Counts.Warned != 0 || s.records["t1"].lead != "lead-1" {
		t.Errorf("%s %v, %+v, Pete has lead source %q", run.State, run.Fault, run.Counts, s.records["t1"].lead)
	}
}

func TestThePeopleBehindASettledLeadSourceAreSentAfterAStop(t *testing.T) {
	p, s := seedPair(t, "create")
	loseLeadSources(p, s)
	p.crm.put(person{id: "p1", name: "Pete", lead: "2222"})
	// The daemon stops while the first person waits for the target.
	waits := p.Sleep
	stopped := make(chan struct{})
	p.Sleep = func(ctx context.Context, d time.Duration) error {
		if s.club.calls == 0 {
			return waits(ctx, d) // until the lead source can be searched for
		}
		go func() { defer close(stopped); p.Stop() }()
		<-ctx.Done()
		return ctx.Err()
	}
	p.club.fault = func(int, sdk.Operation) string { return "busy" }
	order, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-stopped
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.club.fault = nil
	p.begin()
	run := p.await(order.ID)
	if run.State != roster.RunOK || *run.Counts.Created != 2 || s.records["t1"].lead != "lead-1" {
		t.Errorf("%s %v, %+v, Pete: %+v", run.State, run.Fault, run.Counts, s.records["t1"])
	}
}
