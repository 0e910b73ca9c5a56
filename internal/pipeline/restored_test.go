package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// copyOf ends a life, copies its database and begins another one.
func (p *pair) copyOf() []byte {
	p.t.Helper()
	p.end()
	file, err := os.ReadFile(filepath.Join(p.dir, "rosterd.db"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.begin()
	return file
}

// putBack ends a life and begins another one on a copy of the database.
func (p *pair) putBack(file []byte, restored *pipeline.Restored) {
	p.t.Helper()
	p.end()
	err := os.Remove(filepath.Join(p.dir, "rosterd.clean"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "rosterd.db"), file, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.restored = restored
	p.clock.pass(time.Hour)
	p.begin()
}

// midHistory syncs 10 records, keeps a copy of the store, and syncs 10 more of
// which some change: the copy does not know the latter.
func midHistory(t *testing.T, class sdk.GuaranteeClass) (*pair, []byte) {
	t.Helper()
	p := newPair(t, newCRM(people(10)...), newClub(class))
	p.run()
	file := p.copyOf()
	for _, one := range people(20)[10:] {
		p.crm.put(one)
	}
	if run := p.run(); run.State != roster.RunOK || len(p.club.records) != 20 {
		t.Fatalf("before the restore: %s %v, %d records", run.State, run.Fault, len(p.club.records))
	}
	return p, file
}

func TestARestoredStateCreatesNothingTwice(t *testing.T) {
	for _, class := range []sdk.GuaranteeClass{sdk.ClassB, sdk.ClassBPrime, sdk.ClassC} {
		t.Run(string(class), func(t *testing.T) {
			p, file := midHistory(t, class)
			p.crm.put(person{id: "p20", name: "Name 20", phone: "555-20"})
			p.putBack(file, &pipeline.Restored{})
			run := p.run()
			if run.State != roster.RunOK || len(p.club.records) != 21 {
				t.Fatalf("%s %v, %d records, %+v", run.State, run.Fault, len(p.club.records), run.Counts)
			}
			for name, n := range p.club.names() {
				if n > 1 {
					t.Errorf("%s is there %d times", name, n)
				}
			}
			p.restored, p.read = nil, false
			if run := p.run(); run.State != roster.RunOK || run.Counts.Unchanged != 21 {
				t.Errorf("afterwards: %s %v, %+v", run.State, run.Fault, run.Counts)
			}
		})
	}
}

func TestWithoutTheRuleARestoredStateWouldCreateTwice(t *testing.T) {
	p, file := midHistory(t, sdk.ClassC)
	p.putBack(file, nil)
	if p.run(); len(p.club.records) != 30 {
		t.Errorf("%d records: the test above would not see the fault that it is for", len(p.club.records))
	}
}

func TestWhatIsFoundAfterARestoreIsBroughtUpToDate(t *testing.T) {
	p, file := midHistory(t, sdk.ClassC)
	p.crm.put(person{id: "p15", name: "Married", phone: "555-15"})
	p.putBack(file, &pipeline.Restored{})
	run := p.run()
	link, err := p.store.Link(t.Context(), p.route(), "p15")
	if err != nil || link.Origin != roster.LinkFound || run.State != roster.RunOK || p.club.records[link.Target].name != "Married" {
		t.Errorf("%s %v: %+v %v, %v", run.State, run.Fault, link, err, p.club.records[link.Target])
	}
	if *run.Counts.Created != 0 || *run.Counts.Updated != 10 {
		t.Errorf("counts %d created, %d updated", *run.Counts.Created, *run.Counts.Updated)
	}
}

func TestARunThatWasUnderWayInTheBackupIsSearchedForToo(t *testing.T) {
	p := newPair(t, newCRM(people(40)...), newClub(sdk.ClassC))
	stop := make(chan struct{})
	p.club.fault = func(n int, _ sdk.Operation) string {
		if n == 20 {
			close(stop)
			p.store.Close()
		}
		return ""
	}
	if _, err := p.Order(t.Context(), pipeline.Order{Job: syncJob}); err != nil {
		t.Fatal(err)
	}
	<-stop
	p.Stop()
	file, err := os.ReadFile(filepath.Join(p.dir, "rosterd.db"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := os.ReadFile(filepath.Join(p.dir, "changesets", "run-001.cs"))
	if err != nil {
		t.Fatal(err)
	}
	p.clock.pass(time.Minute)
	p.begin()
	p.await("run-001")
	if len(p.club.records) != 40 {
		t.Fatalf("%d records", len(p.club.records))
	}
	if err := os.WriteFile(filepath.Join(p.dir, "changesets", "run-001.cs"), set, 0o600); err != nil {
		t.Fatal(err)
	}
	p.putBack(file, &pipeline.Restored{})
	if run := p.await("run-001"); run.State != roster.RunOK || len(p.club.records) != 40 {
		t.Errorf("%s %v, %d records", run.State, run.Fault, len(p.club.records))
	}
}

func TestARestoredStateBlocksWhatCannotBeSearchedFor(t *testing.T) {
	for name, change := range map[string]func(*pair){
		"class A": func(p *pair) { p.club.kind.Class = sdk.ClassA },
		"class D": func(p *pair) { p.club.kind.Class = sdk.ClassD },
		"class E": func(p *pair) { p.club.kind.Class = sdk.ClassE },
		"class C without a search": func(p *pair) {
			p.noFind = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, file := midHistory(t, sdk.ClassC)
			change(p)
			p.putBack(file, &pipeline.Restored{})
			run := p.run()
			if run.State != roster.RunBlocked || run.Fault.Code != pipeline.CodeRestored || len(p.club.records) != 20 {
				t.Fatalf("%s %v, %d records", run.State, run.Fault, len(p.club.records))
			}
			if _, err := p.Approve(t.Context(), run.ID); err != nil {
				t.Fatal(err)
			}
			if run = p.await(run.ID); run.State != roster.RunFailed || run.Fault.Code != pipeline.CodeRestored || len(p.club.records) != 20 {
				t.Errorf("approved: %s %v, %d records", run.State, run.Fault, len(p.club.records))
			}
		})
	}
}

func TestOnlyACompleteWalkEndsTheSearching(t *testing.T) {
	p, file := midHistory(t, sdk.ClassC)
	var walked []string
	restored := &pipeline.Restored{Walked: func(_ context.Context, run roster.Run, held int) error {
		walked = append(walked, fmt.Sprint(run.ID, " ", run.State, " ", held))
		return nil
	}}
	p.putBack(file, restored)
	p.run()
	if len(walked) != 0 {
		t.Errorf("a run that reads changes: %q", walked)
	}
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if want := fmt.Sprint(run.ID, " ok 0"); len(walked) != 1 || walked[0] != want {
		t.Errorf("a sweep: %q, want %q", walked, want)
	}
}

func TestAQuotaThatCutsADeliveryShortDoesNotEndTheSearching(t *testing.T) {
	p, file := midHistory(t, sdk.ClassC)
	walked := 0
	p.putBack(file, &pipeline.Restored{Walked: func(context.Context, roster.Run, int) error { walked++; return nil }})
	p.crm.put(person{id: "p20", name: "Name 20", phone: "555-20"})
	p.club.busy = 5 * time.Hour
	p.club.fault = func(int, sdk.Operation) string { return "busy" }
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunPartial || run.Again == nil || walked != 0 {
		t.Errorf("%s %v, again %v, told %d times", run.State, run.Fault, run.Again, walked)
	}
}

func TestCreatesWaitUntilTheOtherDirectionWasSearched(t *testing.T) {
	p, file := midHistory(t, sdk.ClassC)
	p.crm.put(person{id: "p20", name: "Name 20", phone: "555-20"})
	var held int
	p.putBack(file, &pipeline.Restored{Hold: true, Walked: func(_ context.Context, _ roster.Run, n int) error {
		held = n
		return nil
	}})
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.State != roster.RunPartial || run.Counts.Quarantined != 1 || held != 1 || len(p.club.records) != 20 {
		t.Fatalf("%s %v, %+v, %d held, %d records", run.State, run.Fault, run.Counts, held, len(p.club.records))
	}
	p.restored = &pipeline.Restored{}
	if run = p.run(); run.State != roster.RunOK || *run.Counts.Created != 1 || len(p.club.records) != 21 {
		t.Errorf("afterwards: %s %v, %+v", run.State, run.Fault, run.Counts)
	}
}

// TestNoHistoryWithARestoreCreatesTwice makes up histories: records come and
// change, answers are lost, and at some moment an earlier copy of the store comes
// back. The target never has a record twice.
func TestNoHistoryWithARestoreCreatesTwice(t *testing.T) {
	for seed := range uint64(12) {
		class := []sdk.GuaranteeClass{sdk.ClassA, sdk.ClassB, sdk.ClassBPrime, sdk.ClassC}[seed%4]
		t.Run(fmt.Sprintf("class %s, seed %d", class, seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 10))
			p := newPair(t, newCRM(people(5)...), newClub(class))
			p.club.fault = func(int, sdk.Operation) string {
				return []string{"lost", "gone", "late", "", "", "", "", "", "", ""}[random.IntN(10)]
			}
			p.run()
			copies := [][]byte{p.copyOf()}
			next := 5
			for range 12 {
				switch random.IntN(5) {
				case 0:
					copies = append(copies, p.copyOf())
				case 1:
					p.putBack(copies[random.IntN(len(copies))], &pipeline.Restored{})
				default:
					p.crm.put(person{id: fmt.Sprintf("p%02d", next), name: fmt.Sprintf("Name %02d", next), phone: fmt.Sprintf("555-%02d", next)})
					next++
				}
				p.run()
			}
			p.putBack(copies[0], &pipeline.Restored{})
			p.run()
			p.club.settle()
			for name, n := range p.club.names() {
				if n > 1 {
					t.Errorf("%s is there %d times", name, n)
				}
			}
		})
	}
}
