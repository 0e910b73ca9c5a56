package pipeline_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// feed gives every change of a record as a record of its own, a page of a few at a
// time.
type feed []person

func (f feed) Read(_ context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	at, _ := strconv.Atoi(string(req.After))
	end := min(at+crmPage, len(f))
	b := newPeople(req.Kind)
	for _, one := range f[at:end] {
		addPerson(b, one)
	}
	return b.Page(sdk.Cursor(strconv.Itoa(end)), end == len(f))
}

// newForms is a sync of a feed in which one record has several forms. The target
// refuses those named "refused".
func newForms(t *testing.T, names ...string) *pair {
	t.Helper()
	p := newPair(t, nil, newClub(sdk.ClassC))
	p.club.fault = func(_ int, op sdk.Operation) string {
		if strings.Contains(string(op.Data), "refused") {
			return "reject"
		}
		return ""
	}
	changes := feed{{id: "first", name: "First"}}
	for _, name := range names {
		changes = append(changes, person{id: "p", name: name, phone: "1"})
	}
	p.from = changes
	return p
}

func (p *pair) quarantined() []roster.Quarantined {
	p.t.Helper()
	left, err := p.store.Quarantine(p.t.Context(), roster.QuarantineFilter{})
	if err != nil {
		p.t.Fatal(err)
	}
	return left
}

func TestTheLastFormOfARecordIsWhatCounts(t *testing.T) {
	for _, test := range []struct {
		forms       []string
		target      string
		quarantined int
	}{
		{[]string{"bad", "Good"}, "Good", 0},
		{[]string{"Good", "bad"}, "Good", 1},
		{[]string{"refused", "Good"}, "Good", 0},
		{[]string{"Good", "refused"}, "Good", 1},
		{[]string{"bad", "refused"}, "", 1},
		{[]string{"bad", "bad", "refused", "Good"}, "Good", 0},
		{[]string{"refused", "bad"}, "", 1},
		{[]string{"refused", "bad", "Good", "refused"}, "", 1},
		{[]string{"bad", "skip"}, "", 0},
		{[]string{"refused", "refused"}, "", 1},
		{[]string{"One", "Two", "bad", "Three", "One"}, "One", 0},
	} {
		p := newForms(t, test.forms...)
		run := p.run()
		left := p.quarantined()
		if len(left) != run.Counts.Quarantined {
			t.Errorf("%q: quarantined %v, %+v", test.forms, left, run.Counts)
		}
		// The next run tries the form again that is in the quarantine.
		p.run()
		if left = p.quarantined(); len(left) != test.quarantined {
			t.Errorf("%q: then quarantined %v", test.forms, left)
		}
		want := map[string]int{"First": 1}
		if test.target != "" {
			want[test.target] = 1
		}
		if got := p.club.names(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: the target has %v", test.forms, got)
		}
	}
}

func TestTheLastFormCountsAlsoWhereRecordsAreMatched(t *testing.T) {
	p := newForms(t, "Good", "bad")
	p.options.Match, p.named = []string{"name_mobile"}, true
	if run := p.run(); run.State != roster.RunPartial || len(p.quarantined()) != 1 {
		t.Errorf("%s, %+v, quarantined %v", run.State, run.Counts, p.quarantined())
	}
	p = newForms(t, "One", "Two")
	p.options.Match, p.named = []string{"name_mobile"}, true
	if run := p.run(); *run.Counts.Created != 2 || *run.Counts.Updated != 1 || run.Counts.ToCreate != 2 {
		t.Errorf("%s, %+v", run.State, run.Counts)
	}
}

func TestAFormThatIsWhatWasSentLastComesAfterAnotherOne(t *testing.T) {
	for _, forms := range [][]string{
		{"Changed", "Good"},
		{"Good", "Changed"},
		{"bad", "Good"},
		{"refused", "Good"},
		{"Changed", "Other", "Good", "bad", "Good"},
		{"Good", "Changed", "Good", "Other"},
	} {
		p := newForms(t, append([]string{"Good"}, forms...)...)
		all := p.from.(feed)
		p.from = all[:2]
		p.run()
		p.from = all
		p.run()
		p.run()
		last := forms[len(forms)-1]
		if got := p.club.names(); got[last] != 1 || len(got) != 2 || len(p.quarantined()) != 0 {
			t.Errorf("%q: the target has %v, quarantined %v", forms, got, p.quarantined())
		}
	}
}

func TestADeactivationThatIsRefusedIsTriedAgain(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.run()
	p.crm.remove("p01")
	p.crm.gone = []string{"p01"}
	p.club.fault = func(int, sdk.Operation) string { return "reject" }
	if run := p.run(); run.State != roster.RunPartial || run.Counts.Remaining != 1 {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	p.crm.gone = nil // it is not said again
	if run := p.run(); run.Counts.Remaining != 1 || len(p.quarantined()) != 1 {
		t.Fatalf("refused again: %s, %+v", run.State, run.Counts)
	}
	p.club.fault = nil
	run := p.run()
	link, err := p.store.Link(t.Context(), p.route(), "p01")
	if err != nil || run.State != roster.RunOK || run.Counts.Deactivated != 1 || !p.club.records[link.Target].inactive || len(p.quarantined()) != 0 {
		t.Errorf("%s %v, %+v, quarantined %v, %v", run.State, run.Fault, run.Counts, p.quarantined(), err)
	}
}

func TestARecordThatIsBackIsNotDeactivatedAfterAll(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.run()
	p.crm.gone = []string{"p01"}
	p.club.fault = func(_ int, op sdk.Operation) string {
		if op.Op == sdk.OpDeactivate {
			return "reject"
		}
		return ""
	}
	p.run()
	p.crm.gone, p.club.fault = nil, nil
	p.crm.put(person{id: "p01", name: "Back"})
	run := p.run()
	if run.State != roster.RunOK || run.Counts.Deactivated != 0 || len(p.quarantined()) != 0 {
		t.Errorf("%s, %+v, quarantined %v", run.State, run.Counts, p.quarantined())
	}
}

func TestAQuarantinedRecordThatIsGoneIsNotSent(t *testing.T) {
	list := people(3)
	list[1].name = "refused"
	p := newPair(t, newCRM(list...), newClub(sdk.ClassC))
	p.club.fault = func(_ int, op sdk.Operation) string {
		if strings.Contains(string(op.Data), "refused") {
			return "reject"
		}
		return ""
	}
	p.run()
	p.crm.remove("p01")
	p.crm.gone = []string{"p01"}
	p.club.fault = nil
	if run := p.run(); run.State != roster.RunOK || len(p.club.records) != 2 || len(p.quarantined()) != 0 {
		t.Errorf("%s, %+v, %v, quarantined %v", run.State, run.Counts, p.club.names(), p.quarantined())
	}
}

func TestWhatIsOnlyLinkedIsSentWhenTheJobUpdates(t *testing.T) {
	p := newPair(t, newCRM(people(1)...), newClub(sdk.ClassC))
	p.options.Match, p.named, p.options.OnMatch = []string{"name_mobile"}, true, false
	p.club.records["x"] = person{id: "x", name: "NAME 00", phone: "555-00"}
	if run := p.run(); run.Counts.Linked != 1 || p.club.calls != 0 {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	p.options.OnMatch, p.read = true, false
	if run := p.run(); *run.Counts.Updated != 1 || p.club.names()["Name 00"] != 1 {
		t.Errorf("%s, %+v, the target has %v", run.State, run.Counts, p.club.names())
	}
}

func TestARecordThatWasDeactivatedIsNotSentBack(t *testing.T) {
	p := newTwoWay(t)
	p.both()
	p.both()
	p.club.idle = func(one *person) { one.phone = "" }
	delete(p.back.records, "h1")
	if there, here := p.both(); there != 1 || here != 0 {
		t.Errorf("%d and %d operations", there, here)
	}
	if there, here := p.both(); there != 0 || here != 0 {
		t.Errorf("then: %d and %d operations", there, here)
	}
}

// early gives a record anew at its place early in a walk.
func (c *crm) early(p person) {
	c.put(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes[p.id] = 1
}

func TestASweepThatAQuotaCutsShortLeavesNoOlderFormBehind(t *testing.T) {
	sweep := pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}}
	refuses := func(what string) func(int, sdk.Operation) string {
		return func(_ int, op sdk.Operation) string {
			if strings.Contains(string(op.Op)+string(op.Data), what) {
				return "reject"
			}
			return ""
		}
	}
	p := newPair(t, newCRM(people(9)...), newClub(sdk.ClassC))
	p.run()
	p.club.fault = refuses("Older")
	p.crm.put(person{id: "p01", name: "Older"})
	p.run()
	p.crm.early(person{id: "p01", name: "Newer"})
	p.crm.read, p.crm.cut = 0, 2
	p.order(sweep)
	p.crm.cut, p.club.fault = 0, nil
	if p.run(); p.club.names()["Newer"] != 1 || len(p.quarantined()) != 0 {
		t.Errorf("the target has %v, quarantined %v", p.club.names(), p.quarantined())
	}

	p = newPair(t, newCRM(people(9)...), newClub(sdk.ClassC))
	p.run()
	p.club.fault = refuses("deactivate")
	p.crm.gone = []string{"p01"}
	p.run()
	p.crm.gone = nil
	p.crm.early(people(2)[1])
	p.crm.read, p.crm.cut = 0, 2
	p.order(sweep)
	p.crm.cut, p.club.fault = 0, nil
	if run := p.run(); run.Counts.Deactivated != 0 || len(p.quarantined()) != 0 {
		t.Errorf("%s, %+v, quarantined %v", run.State, run.Counts, p.quarantined())
	}
}

func TestARecordThatIsReadByItselfLeavesNoOlderFormBehind(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	p.connect = func(flow *pipeline.Flow) {
		flow.Sync.GetSource = func(_ context.Context, req sdk.GetRequest) (*sdk.Page, error) {
			b := newPeople(req.Kind)
			addPerson(b, person{id: req.IDs[0], name: "Newer"})
			return b.Page(nil, true)
		}
	}
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "", "reject", ""}[n] }
	p.run()
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Record: "p01"}})
	p.club.fault = nil
	p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Replay: true}})
	if p.club.names()["Newer"] != 1 || len(p.quarantined()) != 0 {
		t.Errorf("%s %v: the target has %v, quarantined %v", run.State, run.Fault, p.club.names(), p.quarantined())
	}
}

// unreadable is a crm of which some records cannot be read.
type unreadable struct {
	*crm
	ids []string
}

func (u *unreadable) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	page, err := u.crm.Read(ctx, req)
	if err != nil {
		return nil, err
	}
	one := *page
	for _, id := range u.ids {
		one.Rejected = append(one.Rejected, sdk.Rejected{ID: id, Reason: "it is cut", Raw: []byte("{")})
	}
	return &one, nil
}

func TestARecordThatCanBeReadAgainLeavesTheQuarantine(t *testing.T) {
	p := newPair(t, newCRM(people(2)...), newClub(sdk.ClassC))
	source := &unreadable{p.crm, []string{"p09"}}
	p.from = source
	if run := p.run(); run.State != roster.RunPartial || run.Counts.Quarantined != 1 {
		t.Fatalf("%s, %+v", run.State, run.Counts)
	}
	source.ids = nil
	if run := p.run(); run.State != roster.RunOK || len(p.quarantined()) != 1 {
		t.Errorf("while it is not read: %s, %+v, quarantined %v", run.State, run.Counts, p.quarantined())
	}
	p.crm.put(person{id: "p09", name: "Mended"})
	if run := p.run(); run.State != roster.RunOK || p.club.names()["Mended"] != 1 || len(p.quarantined()) != 0 {
		t.Errorf("%s, %+v, quarantined %v", run.State, run.Counts, p.quarantined())
	}
}

// telling says with the first page that a record is gone.
type telling struct {
	pipeline.Source
	gone string
}

func (s telling) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	page, err := s.Source.Read(ctx, req)
	if err != nil || req.After != nil {
		return page, err
	}
	one := *page
	one.Removed = []string{s.gone}
	return &one, nil
}

func TestARecordThatIsGoneAndBackInOneRunStays(t *testing.T) {
	for _, gone := range []string{"deactivate", "delete"} {
		for name, back := range map[string]person{
			"as it was":      people(7)[6],
			"newer":          {id: "p06", name: "Newer", phone: "555-06"},
			"mapped as ever": {id: "p06", name: "Name 06", phone: "555-06", changed: time.Unix(5, 0)},
		} {
			p := newPair(t, newCRM(people(7)...), newClub(sdk.ClassC))
			p.options.OnGone = gone
			p.run()
			p.crm.put(back)
			p.from, p.read = telling{p.crm, "p06"}, false
			p.run()
			p.from, p.read = p.crm, true
			p.run() // takes up what was refused
			link, err := p.store.Link(t.Context(), p.route(), "p06")
			if got, there := p.club.records[link.Target]; err != nil || !there || got.inactive || got.name != back.name || len(p.quarantined()) != 0 {
				t.Errorf("%s, %s: %+v, %t, quarantined %v, %v", gone, name, got, there, p.quarantined(), err)
			}
		}
	}
}

func TestARecordThatTheSourceSaysIsGoneIsDeactivatedOnceByASweep(t *testing.T) {
	p := newPair(t, newCRM(people(7)...), newClub(sdk.ClassC))
	p.run()
	p.crm.remove("p06")
	p.from = telling{p.crm, "p06"}
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	if run.Counts.ToDeactivate != 1 || run.Counts.Deactivated != 1 {
		t.Errorf("%s, %+v", run.State, run.Counts)
	}
}
