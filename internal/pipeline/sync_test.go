package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func people(n int) []person {
	var list []person
	for i := range n {
		list = append(list, person{id: fmt.Sprintf("p%02d", i), name: fmt.Sprintf("Name %02d", i), phone: fmt.Sprintf("555-%02d", i)})
	}
	return list
}

func TestASyncCreatesOnceAndThenOnlySendsWhatDiffers(t *testing.T) {
	p := newPair(t, newCRM(people(7)...), newClub(sdk.ClassC))
	first := p.run()
	if first.State != roster.RunOK || *first.Counts.Created != 7 || len(p.club.records) != 7 {
		t.Fatalf("first: %s %v, %d created", first.State, first.Fault, len(p.club.records))
	}
	p.read = false
	p.mapped.Store(0)
	second := p.run()
	if second.State != roster.RunOK || second.Counts.Unchanged != 7 || p.club.calls != 7 {
		t.Errorf("second: %s, %+v, %d operations", second.State, second.Counts, p.club.calls)
	}
	if p.mapped.Load() != 0 {
		t.Errorf("%d records that had not changed were mapped", p.mapped.Load())
	}
	p.crm.put(person{id: "p03", name: "Renamed", phone: "555-03"})
	third := p.run()
	if *third.Counts.Updated != 1 || third.Counts.Unchanged != 6 || p.club.names()["Renamed"] != 1 {
		t.Errorf("third: %+v", third.Counts)
	}
}

func TestAScriptThatMakesTheSameOfARecordWritesNothingToTheTarget(t *testing.T) {
	p := newPair(t, newCRM(people(5)...), newClub(sdk.ClassC))
	p.read = false
	p.run()
	p.mapping++
	p.mapped.Store(0)
	if run := p.run(); run.Counts.Unchanged != 5 || p.mapped.Load() != 5 || p.club.calls != 5 {
		t.Errorf("after the script changed: %+v, %d mapped, %d operations", run.Counts, p.mapped.Load(), p.club.calls)
	}
	p.mapped.Store(0)
	if run := p.run(); run.Counts.Unchanged != 5 || p.mapped.Load() != 0 {
		t.Errorf("then: %+v, %d mapped", run.Counts, p.mapped.Load())
	}
}

// outcomes of lost answers, by class: how many records the target has of ten, and
// what became of the run.
func TestALostAnswerIsSettledAsTheClassAllows(t *testing.T) {
	for _, test := range []struct {
		class   sdk.GuaranteeClass
		fault   string
		records int
		parked  int
		state   roster.RunState
	}{
		{sdk.ClassA, "lost", 10, 0, roster.RunOK},
		{sdk.ClassB, "lost", 10, 0, roster.RunOK},
		{sdk.ClassBPrime, "lost", 10, 0, roster.RunOK},
		{sdk.ClassC, "lost", 10, 0, roster.RunOK},
		{sdk.ClassC, "gone", 10, 0, roster.RunOK},
		{sdk.ClassC, "late", 10, 0, roster.RunOK},
		{sdk.ClassBPrime, "late", 10, 0, roster.RunOK},
		{sdk.ClassD, "lost", 10, 1, roster.RunPartial},
		{sdk.ClassD, "gone", 10, 0, roster.RunOK},
		{sdk.ClassE, "lost", 10, 1, roster.RunPartial},
		{sdk.ClassE, "gone", 9, 1, roster.RunPartial},
	} {
		t.Run(string(test.class)+" "+test.fault, func(t *testing.T) {
			p := newPair(t, newCRM(people(10)...), newClub(test.class))
			p.club.fault = func(n int, _ sdk.Operation) string {
				if n == 4 {
					return test.fault
				}
				return ""
			}
			run := p.run()
			parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
			if err != nil {
				t.Fatal(err)
			}
			if run.State != test.state || len(p.club.records) != test.records || len(parked) != test.parked {
				t.Errorf("%s %v, %d records, %d parked, counts %+v", run.State, run.Fault, len(p.club.records), len(parked), run.Counts)
			}
			for name, n := range p.club.names() {
				if n > 1 {
					t.Errorf("%s is there %d times", name, n)
				}
			}
		})
	}
}

func TestNothingIsConcludedBeforeTheTargetsTimesHavePassed(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.club.fault = func(n int, _ sdk.Operation) string {
		if n == 1 {
			return "lost"
		}
		return ""
	}
	p.run()
	if want := p.club.kind.ExecLag + p.club.kind.IndexLag; p.clock.slept < want {
		t.Errorf("searched after %s, before %s had passed", p.clock.slept, want)
	}
}

func TestARunThatIsKilledGoesOnWithoutCreatingTwice(t *testing.T) {
	for _, class := range []sdk.GuaranteeClass{sdk.ClassA, sdk.ClassB, sdk.ClassBPrime, sdk.ClassC} {
		for killed := 1; killed <= 12; killed += 3 {
			t.Run(fmt.Sprintf("class %s, killed at operation %d", class, killed), func(t *testing.T) {
				p := newPair(t, newCRM(people(40)...), newClub(class))
				life := make(chan struct{})
				p.club.fault = func(n int, _ sdk.Operation) string {
					if n == killed {
						close(life)
						// The daemon dies here: nothing that it does afterwards counts.
						p.store.Close()
					}
					return ""
				}
				if _, err := p.Order(t.Context(), pipeline.Order{Job: syncJob}); err != nil {
					t.Fatal(err)
				}
				<-life
				p.Stop()
				p.clock.pass(time.Second)
				p.begin()
				run := p.await("run-001")
				if run.State != roster.RunOK || len(p.club.records) != 40 || *run.Counts.Created+*run.Counts.Updated < 40 {
					t.Errorf("%s %v: %d records, %+v", run.State, run.Fault, len(p.club.records), run.Counts)
				}
			})
		}
	}
}

func TestOneRefusedRecordStopsOnlyItselfAndIsTriedAgain(t *testing.T) {
	p := newPair(t, newCRM(people(5)...), newClub(sdk.ClassC))
	p.club.fault = func(_ int, op sdk.Operation) string {
		if strings.Contains(string(op.Data), "Name 02") {
			return "reject"
		}
		return ""
	}
	run := p.run()
	if run.State != roster.RunPartial || *run.Counts.Created != 4 || run.Counts.Quarantined != 1 {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	p.club.fault = nil
	if run = p.run(); run.State != roster.RunOK || *run.Counts.Created != 1 || len(p.club.records) != 5 {
		t.Errorf("the next run: %s %v, %+v", run.State, run.Fault, run.Counts)
	}
	if left, err := p.store.Quarantine(t.Context(), roster.QuarantineFilter{}); err != nil || len(left) != 0 {
		t.Errorf("left in quarantine: %v, %v", left, err)
	}
}

func TestARecordThatTheScriptRejectedIsRetriedAlthoughTheSourceDoesNotGiveItAgain(t *testing.T) {
	list := people(3)
	list[1].name = "bad"
	p := newPair(t, newCRM(list...), newClub(sdk.ClassC))
	if run := p.run(); run.State != roster.RunPartial || *run.Counts.Created != 2 {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	if run := p.run(); run.State != roster.RunPartial || run.Counts.Read != 1 {
		t.Errorf("a second time: %s, %+v", run.State, run.Counts)
	}
	if left, err := p.store.Quarantine(t.Context(), roster.QuarantineFilter{}); err != nil || len(left) != 1 {
		t.Errorf("in quarantine: %v, %v", left, err)
	}
}

func TestATargetThatCannotBeWrittenFailsTheRunAndLosesNothing(t *testing.T) {
	p := newPair(t, newCRM(people(20)...), newClub(sdk.ClassC))
	p.club.fault = func(n int, _ sdk.Operation) string {
		if n > 7 {
			return "auth"
		}
		return ""
	}
	if run := p.run(); run.State != roster.RunFailed || run.Fault.Code != "adapter.auth" {
		t.Fatalf("%s %v", run.State, run.Fault)
	}
	p.club.fault = nil
	if run := p.run(); run.State != roster.RunOK || len(p.club.records) != 20 || run.Counts.Unchanged != 7 {
		t.Errorf("the next run: %s %v, %d records, %+v", run.State, run.Fault, len(p.club.records), run.Counts)
	}
}

func TestAQuotaOfTheTargetEndsTheRunAndTheNextOneGoesOn(t *testing.T) {
	p := newPair(t, newCRM(people(40)...), newClub(sdk.ClassC))
	p.club.busy = 5 * time.Hour
	p.club.fault = func(n int, _ sdk.Operation) string {
		if n > 20 {
			return "busy"
		}
		return ""
	}
	run := p.run()
	if run.State != roster.RunPartial || run.Again == nil || run.Counts.Waiting != 20 {
		t.Fatalf("%s %v, again %v, %+v", run.State, run.Fault, run.Again, run.Counts)
	}
	p.club.fault = nil
	if run = p.run(); run.State != roster.RunOK || len(p.club.records) != 40 {
		t.Errorf("the next run: %s %v, %d records, %+v", run.State, run.Fault, len(p.club.records), run.Counts)
	}
}

func TestAQuotaOfTheSourceIsASuccessWithACursor(t *testing.T) {
	p := newPair(t, newCRM(people(10)...), newClub(sdk.ClassC))
	p.crm.cut = 2
	run := p.run()
	if run.State != roster.RunOK || *run.Counts.Created != 6 || run.Again == nil || len(run.Warnings) != 1 {
		t.Fatalf("%s %v, again %v, %+v", run.State, run.Fault, run.Again, run.Counts)
	}
	p.crm.cut = 0
	if run = p.run(); *run.Counts.Created != 4 || run.Counts.Read != 4 {
		t.Errorf("the next run: %+v", run.Counts)
	}
}

func TestRecordsThatAreGoneAreDeactivatedOnlyAfterACompleteWalk(t *testing.T) {
	p := newPair(t, newCRM(people(6)...), newClub(sdk.ClassC))
	p.run()
	p.crm.remove("p02")
	if run := p.run(); run.Counts.Deactivated != 0 {
		t.Errorf("a run that reads changes: %+v", run.Counts)
	}
	p.crm.cut, p.crm.read = 1, 0
	if run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}}); run.Counts.Deactivated != 0 {
		t.Errorf("a sweep that was cut off: %+v", run.Counts)
	}
	p.crm.cut = 0
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunOK || run.Counts.Deactivated != 1 {
		t.Fatalf("a sweep: %s %v, %+v", run.State, run.Fault, run.Counts)
	}
	if run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}}); run.Counts.Deactivated != 0 {
		t.Errorf("a second sweep: %+v", run.Counts)
	}
	p.crm.put(person{id: "p02", name: "Back", phone: "555"})
	if run := p.run(); *run.Counts.Updated != 1 || len(p.club.records) != 6 || p.club.names()["Back"] != 1 {
		t.Errorf("a record that came back: %+v", run.Counts)
	}
}

func TestARecordThatTheSourceRemovesIsDeactivatedAtOnce(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.run()
	p.crm.gone = []string{"p01", "never-linked"}
	if run := p.run(); run.Counts.Deactivated != 1 || run.State != roster.RunOK {
		t.Errorf("%s, %+v", run.State, run.Counts)
	}
}

func TestAnEmptySourceBlocksAndWritesNothing(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.run()
	p.crm.people = nil
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunBlocked || run.Fault.Code != "guard.limit" || p.club.calls != 3 {
		t.Errorf("%s %v, %d operations", run.State, run.Fault, p.club.calls)
	}
}

func TestGuardsBlockARunAndAPersonLetsItGoOn(t *testing.T) {
	p := newPair(t, newCRM(people(10)...), newClub(sdk.ClassC))
	p.options.Guards.MaxCreate = roster.Limit{Count: 9}
	run := p.run()
	if run.State != roster.RunBlocked || p.club.calls != 0 || !strings.Contains(run.Fault.Message, "max_create") {
		t.Fatalf("%s %v, %d operations", run.State, run.Fault, p.club.calls)
	}
	if _, err := p.Approve(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	if run = p.await(run.ID); run.State != roster.RunOK || len(p.club.records) != 10 {
		t.Errorf("approved: %s %v, %d records", run.State, run.Fault, len(p.club.records))
	}
}

func TestABlankedColumnBlocksTheRun(t *testing.T) {
	p := newPair(t, newCRM(people(10)...), newClub(sdk.ClassC))
	p.run()
	for _, one := range people(10) {
		one.phone = ""
		p.crm.put(one)
	}
	p.options.Guards.BlankField = roster.Limit{Percent: 10, Relative: true}
	run := p.run()
	if run.State != roster.RunBlocked || !strings.Contains(run.Fault.Message, "the field phone of 10 records") {
		t.Errorf("%s %v", run.State, run.Fault)
	}
}

func TestAPlanWritesNothingAndIsAppliedOnlyWhileItFits(t *testing.T) {
	for name, change := range map[string]func(p *pair){
		"unchanged":       func(*pair) {},
		"the script":      func(p *pair) { p.basis = "two" },
		"the job has run": func(p *pair) { p.run() },
		"a link by a person": func(p *pair) {
			if err := p.store.SetLink(p.t.Context(), p.route(), "p01", "t99", "anna"); err != nil {
				p.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, newCRM(people(4)...), newClub(sdk.ClassC))
			plan := p.order(pipeline.Order{Job: syncJob, Plan: true})
			if plan.State != roster.RunPlanned || p.club.calls != 0 || plan.Counts.ToCreate != 4 {
				t.Fatalf("%s %v, %d operations, %+v", plan.State, plan.Fault, p.club.calls, plan.Counts)
			}
			change(p)
			if _, err := p.Approve(t.Context(), plan.ID); err != nil {
				t.Fatal(err)
			}
			run := p.await(plan.ID)
			if name == "unchanged" {
				if run.State != roster.RunOK || len(p.club.records) != 4 {
					t.Errorf("applied: %s %v", run.State, run.Fault)
				}
				return
			}
			if run.State != roster.RunFailed || run.Fault.Code != "plan.stale" {
				t.Errorf("a stale plan: %s %v", run.State, run.Fault)
			}
		})
	}
}

func TestWhatAJobLeavesAloneIsCountedAsSkipped(t *testing.T) {
	p := newPair(t, newCRM(people(4)...), newClub(sdk.ClassC))
	p.options.OnMissing = false
	if run := p.run(); run.Counts.Skipped != 4 || p.club.calls != 0 || len(run.Warnings) != 1 {
		t.Errorf("update only: %+v", run.Counts)
	}
	p = newPair(t, newCRM(people(4)...), newClub(sdk.ClassC))
	p.run()
	p.options.OnMatch = false
	p.crm.put(person{id: "p00", name: "Changed"})
	if run := p.run(); run.Counts.Skipped != 1 || p.club.calls != 4 {
		t.Errorf("create only: %+v", run.Counts)
	}
}
