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

// newTwoWay is a sync in two directions between two clubs that change the names
// that they store, each in its own way.
func newTwoWay(t *testing.T) *pair {
	t.Helper()
	here, there := newClub(sdk.ClassC), newClub(sdk.ClassC)
	here.normal = func(name string) string { return strings.Join(strings.Fields(name), " ") }
	there.normal = strings.ToUpper
	for i := range 5 {
		here.records[fmt.Sprintf("h%d", i)] = person{id: fmt.Sprintf("h%d", i), name: fmt.Sprintf("Ann  Number %d", i), phone: fmt.Sprint(i)}
	}
	p := newPair(t, newCRM(), there)
	p.from, p.back, p.read, p.twoWay = here, here, false, true
	return p
}

// both runs both directions and returns the operations of each.
func (p *pair) both() (there, here int) {
	p.t.Helper()
	before := [2]int{p.club.calls, p.back.calls}
	for _, job := range []string{syncJob, backJob} {
		if run := p.order(pipeline.Order{Job: job}); run.State != roster.RunOK {
			p.t.Fatalf("%s: %s %v", job, run.State, run.Fault)
		}
	}
	return p.club.calls - before[0], p.back.calls - before[1]
}

func TestTwoDirectionsReachZeroWritesAlthoughTheTargetNormalises(t *testing.T) {
	for _, seen := range []bool{true, false} {
		p := newTwoWay(t)
		p.noGet = !seen
		there, here := p.both()
		if there != 5 || seen && here != 0 {
			t.Errorf("with Getter %t, first: %d and %d operations", seen, there, here)
		}
		p.both()
		for range 3 {
			if there, here = p.both(); there != 0 || here != 0 {
				t.Errorf("with Getter %t, in steady state: %d and %d operations", seen, there, here)
			}
		}
		if len(p.club.records) != 5 || len(p.back.records) != 5 {
			t.Errorf("with Getter %t: %d and %d records", seen, len(p.club.records), len(p.back.records))
		}
	}
}

func TestAChangeOnEitherSideReachesTheOther(t *testing.T) {
	p := newTwoWay(t)
	p.both()
	p.back.change("h1", func(p *person) { p.phone = "from here" })
	p.club.change("t3", func(p *person) { p.phone = "from there" })
	p.both()
	link, err := p.store.Link(t.Context(), p.route(), "h1")
	if err != nil || p.club.records[link.Target].phone != "from here" {
		t.Errorf("here to there: %+v, %v", p.club.records[link.Target], err)
	}
	back, err := p.store.Link(t.Context(), p.route().Reverse(), "t3")
	if err != nil || p.back.records[back.Target].phone != "from there" {
		t.Errorf("there to here: %+v, %v", p.back.records[back.Target], err)
	}
	p.both()
	if there, here := p.both(); there != 0 || here != 0 {
		t.Errorf("then: %d and %d operations", there, here)
	}
}

func TestAConflictIsWonAsTheJobSaysAndTheLoserIsRecorded(t *testing.T) {
	early, late := time.Unix(1_700_000_000, 0).UTC(), time.Unix(1_700_000_500, 0).UTC()
	for _, test := range []struct {
		conflict        string
		here, there     time.Time
		phone, note     string
		skipped, writes int
	}{
		{"from", early, late, "from here", "the target's change was overwritten", 0, 1},
		{"newest", late, early, "from here", "the target's change was overwritten", 0, 1},
		{"newest", early, late, "from there", "the source's change was left out: the target's is newer", 1, 0},
	} {
		p := newTwoWay(t)
		p.options.Conflict, p.options.Modified = test.conflict, "changed"
		p.both()
		link, err := p.store.Link(t.Context(), p.route(), "h2")
		if err != nil {
			t.Fatal(err)
		}
		p.back.change("h2", func(p *person) { p.phone, p.changed = "from here", test.here })
		p.club.change(link.Target, func(p *person) { p.phone, p.changed = "from there", test.there })
		calls := p.club.calls
		run := p.order(pipeline.Order{Job: syncJob})
		if got := p.club.records[link.Target].phone; got != test.phone || run.Counts.Skipped != test.skipped || p.club.calls-calls != test.writes {
			t.Errorf("%s, %s: the target has %q, %+v", test.conflict, test.note, got, run.Counts)
		}
		events, err := p.store.LinkHistory(t.Context(), p.route(), "h2")
		if err != nil {
			t.Fatal(err)
		}
		if last := events[len(events)-1]; last.What != "conflict" || last.Note != test.note {
			t.Errorf("%s: the history ends with %+v", test.conflict, last)
		}
		p.both()
		if there, here := p.both(); there != 0 || here != 0 {
			t.Errorf("%s: then %d and %d operations", test.conflict, there, here)
		}
		if p.back.records["h2"].phone != p.club.records[link.Target].phone {
			t.Errorf("%s: the two sides differ: %+v and %+v", test.conflict, p.back.records["h2"], p.club.records[link.Target])
		}
	}
}

func TestWhatACreateInDoubtMayHaveMadeIsNotSentBackAsARecordOfItsOwn(t *testing.T) {
	for _, class := range []sdk.GuaranteeClass{sdk.ClassC, sdk.ClassE} {
		p := newTwoWay(t)
		p.club.kind.Class = class
		p.both()
		p.back.records["h8"] = person{id: "h8", name: "Eighth", phone: "8"}
		p.back.records["h9"] = person{id: "h9", name: "Ninth", phone: "9"}
		calls := p.club.calls
		p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "lost", "auth"}[n-calls] }
		p.order(pipeline.Order{Job: syncJob})
		p.club.fault = nil
		run := p.order(pipeline.Order{Job: backJob})
		if run.State != roster.RunPartial || run.Counts.Quarantined != 1 || len(p.back.records) != 7 {
			t.Errorf("class %s: %s %v, %+v, %v", class, run.State, run.Fault, run.Counts, p.back.names())
		}
		if class == sdk.ClassE {
			parked, err := p.store.Parked(t.Context(), roster.ParkedFilter{})
			if err == nil && len(parked) == 1 {
				err = p.store.SettleParked(t.Context(), parked[0].ID, roster.ParkedLink, "t6", "anna")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		p.order(pipeline.Order{Job: syncJob})
		run = p.order(pipeline.Order{Job: backJob})
		if run.State != roster.RunOK || len(p.back.records) != 7 || len(p.club.records) != 7 {
			t.Errorf("class %s, settled: %s %v, %+v, %v and %v", class, run.State, run.Fault, run.Counts, p.back.names(), p.club.names())
		}
	}
}
