package pipeline_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// newJoining is a sync of prospects and members. The club makes a member of a
// prospect by a call of its own, or keeps one record for both.
func newJoining(t *testing.T, sameRecord bool) *pair {
	t.Helper()
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.kinds = []sdk.Kind{sdk.KindProspect, sdk.KindMember}
	p.connect = func(flow *pipeline.Flow) {
		member := p.club.kind
		member.Kind, member.SameRecord = sdk.KindMember, sameRecord
		if !sameRecord {
			member.Writes = append([]sdk.Op{sdk.OpConvert}, member.Writes...)
		}
		flow.Sync.Target[sdk.KindMember] = member
	}
	return p
}

func TestAConversionWhoseValuesWereNotSentIsSentWithThemLater(t *testing.T) {
	p := newJoining(t, false)
	p.run()
	p.crm.joins(person{id: "p00", name: "Joined"})
	p.crm.joins(person{id: "p01", name: "Joined too"})
	calls := p.club.calls
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "", "auth"}[n-calls] }
	if run := p.run(); run.State != roster.RunFailed {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	p.club.fault = nil
	run := p.run()
	if names := p.club.names(); run.State != roster.RunOK || names["Joined"] != 1 || names["Joined too"] != 1 || len(names) != 3 {
		t.Errorf("the next run: %s %v, %v, %+v", run.State, run.Fault, names, run.Counts)
	}
}

func TestAProspectWhoJoinedIsNotTakenForGone(t *testing.T) {
	for _, sameRecord := range []bool{true, false} {
		for name, scope := range map[string]roster.Scope{"a sweep": {Sweep: true}, "a run that is told of it": {}} {
			p := newJoining(t, sameRecord)
			p.run()
			p.crm.joins(person{id: "p01", name: "Joined"})
			if !scope.Sweep {
				p.crm.gone = []string{"p01"}
			}
			for range 2 {
				run := p.order(pipeline.Order{Job: syncJob, Scope: scope})
				if run.State != roster.RunOK || run.Counts.Deactivated != 0 {
					t.Errorf("%s, one record %t: %s %v, %+v", name, sameRecord, run.State, run.Fault, run.Counts)
				}
				p.crm.gone = nil
			}
			for id, one := range p.club.records {
				if one.inactive {
					t.Errorf("%s, one record %t: %s was deactivated", name, sameRecord, id)
				}
			}
		}
	}
}

func TestAProspectIsNotTakenForGoneWhileItMayBeAmongTheMembers(t *testing.T) {
	for _, name := range []string{"bad", "skip"} {
		p := newJoining(t, true)
		p.run()
		p.crm.joins(person{id: "p01", name: name})
		run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
		if run.Counts.Deactivated != 0 {
			t.Errorf("a member that is %s: %s, %+v", name, run.State, run.Counts)
		}
	}
	p := newJoining(t, true)
	p.run()
	p.crm.joins(person{id: "p01", name: "Joined"})
	p.crm.cut, p.crm.read = 1, 0 // the members are not read
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.Counts.Deactivated != 0 {
		t.Errorf("members that are not read: %s, %+v", run.State, run.Counts)
	}
}

// TestAConversionInDoubtIsAPersonsWhereOnlyFieldsAreSearchedBy: a target of class B
// finds people by fields, and nothing by a marker.
func TestAConversionInDoubtIsAPersonsWhereOnlyFieldsAreSearchedBy(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassB))
	p.kinds = []sdk.Kind{sdk.KindProspect, sdk.KindMember}
	p.connect = func(flow *pipeline.Flow) {
		member := p.club.kind
		member.Kind, member.Writes = sdk.KindMember, append([]sdk.Op{sdk.OpConvert}, member.Writes...)
		flow.Sync.Target[sdk.KindMember] = member
		flow.Sync.Find = func(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
			for _, q := range req.Queries {
				if q.Marker != "" {
					return sdk.FindResponse{}, sdk.Fail(sdk.CodeConfig, errors.New("there is no search by marker"))
				}
			}
			return p.club.Find(ctx, req)
		}
	}
	p.run()
	p.crm.joins(person{id: "p00", name: "Joined"})
	life := make(chan struct{})
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Op == sdk.OpConvert {
			close(life)
			p.store.Close() // the daemon dies here
		}
		return ""
	}
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-life
	p.Stop()
	p.club.fault = nil
	p.begin()
	run = p.await(run.ID)
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err != nil || run.State != roster.RunPartial || len(parked) != 1 {
		t.Errorf("%s %v, %d parked, %v", run.State, run.Fault, len(parked), err)
	}
}

func TestAConversionInDoubtIsNeverSentAgain(t *testing.T) {
	for _, class := range []sdk.GuaranteeClass{sdk.ClassA, sdk.ClassB, sdk.ClassC} {
		t.Run(string(class), func(t *testing.T) { testConversionInDoubt(t, class) })
	}
}

func testConversionInDoubt(t *testing.T, class sdk.GuaranteeClass) {
	t.Helper()
	p := newJoining(t, false)
	p.club.kind.Class = class
	p.run()
	p.crm.joins(person{id: "p00", name: "Joined"})
	p.crm.put(person{id: "p02", name: "Changed"})
	converted, life := 0, make(chan struct{})
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Op == sdk.OpConvert {
			converted++
			close(life)
			p.store.Close() // the daemon dies here
		}
		return ""
	}
	p.kinds = []sdk.Kind{sdk.KindMember, sdk.KindProspect}
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-life
	p.Stop()
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Op == sdk.OpConvert {
			converted++
		}
		return "auth"
	}
	p.begin()
	if run = p.await(run.ID); run.State != roster.RunFailed {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Op == sdk.OpConvert {
			converted++
		}
		return ""
	}
	run = p.run()
	parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
	if err != nil || converted != 1 || len(parked) != 1 {
		t.Errorf("converted %d times, %d parked, %v, %+v", converted, len(parked), err, run.Counts)
	}
}

func TestAProspectWhoJoinsInTheRunThatCreatesThemIsOneRecord(t *testing.T) {
	for _, sameRecord := range []bool{true, false} {
		p := newJoining(t, sameRecord)
		p.run()
		p.crm.put(person{id: "p07", name: "Seven"})
		p.crm.keep(&p.crm.members, person{id: "p07", name: "Seven joined"})
		run := p.run()
		if names := p.club.names(); run.State != roster.RunOK || names["Seven joined"] != 1 || names["Seven"] != 0 {
			t.Errorf("one record %t: %s %v, %+v, the target has %v", sameRecord, run.State, run.Fault, run.Counts, names)
		}
	}
}

func TestAMemberWaitsWhileItsProspectIsInDoubt(t *testing.T) {
	for _, sameRecord := range []bool{true, false} {
		p := newJoining(t, sameRecord)
		p.club.kind.Class = sdk.ClassE
		p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "", "lost", ""}[n] }
		p.run()
		p.club.fault = nil
		p.crm.joins(person{id: "p01", name: "Joined"})
		if run := p.run(); run.State != roster.RunPartial || run.Counts.Quarantined != 1 || len(p.club.records) != 3 {
			t.Errorf("one record %t: %s %v, %+v, the target has %v", sameRecord, run.State, run.Fault, run.Counts, p.club.names())
		}
		parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
		if err == nil && len(parked) == 1 {
			err = p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedLink, "t2", "anna")
		}
		if run := p.run(); err != nil || run.State != roster.RunOK || len(p.club.records) != 3 || p.club.names()["Joined"] != 1 {
			t.Errorf("one record %t, settled: %s %v, %+v, the target has %v, %v", sameRecord, run.State, run.Fault, run.Counts, p.club.names(), err)
		}
	}
}

func TestAConversionOfAProspectThatTheRunCreatesIsNeverSentAgain(t *testing.T) {
	p := newJoining(t, false)
	p.run()
	p.crm.put(person{id: "p07", name: "Seven"})
	p.crm.keep(&p.crm.members, person{id: "p07", name: "Seven joined"})
	converted, life := 0, make(chan struct{})
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Op == sdk.OpConvert {
			converted++
			close(life)
			p.store.Close() // the daemon dies here
		}
		return ""
	}
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-life
	p.Stop()
	p.club.fault = nil
	p.begin()
	run = p.await(run.ID)
	if run.State != roster.RunPartial || run.Counts.Waiting != 1 || converted != 1 || len(p.club.records) != 4 {
		t.Errorf("%s %v, %+v, converted %d times, the target has %v", run.State, run.Fault, run.Counts, converted, p.club.names())
	}
}
