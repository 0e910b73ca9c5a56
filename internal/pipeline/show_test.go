package pipeline_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Get returns single people, as a source with the ability getter does.
func (c *crm) Get(_ context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := newPeople(req.Kind)
	for _, p := range c.people {
		if slices.Contains(req.IDs, p.id) {
			addPerson(b, p)
		}
	}
	return b.Page(nil, true)
}

func TestAChangeSetIsShownPageByPageWithoutWhatChangesNothing(t *testing.T) {
	p := newPair(t, newCRM(people(5)...), newClub(sdk.ClassC))
	p.read = false
	p.run()
	p.mapping++ // every record is mapped anew: three to the same, two to others
	p.crm.put(person{id: "p01", name: "Changed", phone: "1"})
	p.crm.put(person{id: "p09", name: "New", owner: "s1"})
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob, Plan: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Await(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	changes, err := p.changes.Open(run.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Close()
	var ops []string
	for from := 0; ; {
		page, err := pipeline.ReadChanges(changes, from, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		c := page[0]
		ops = append(ops, string(c.Op)+" "+c.Source)
		if c.Op == sdk.OpUpdate && (c.Target == "" || !slices.Contains(c.Fields, "name") || len(c.Data) == 0) {
			t.Errorf("an update shows %+v", c)
		}
		if c.Op == sdk.OpCreate && (c.Target != "" || !slices.Equal(c.Fields, []string{"name", "owner", "phone"}) || c.Owner != "s1") {
			t.Errorf("a create shows %+v", c)
		}
		from = c.Entry + 1
	}
	slices.Sort(ops)
	if diff := cmp.Diff([]string{"create p09", "update p01"}, ops); diff != "" {
		t.Error(diff)
	}
	if none, err := pipeline.ReadChanges(changes, changes.Len(), 5); err != nil || none != nil {
		t.Errorf("behind the end: %v, %v", none, err)
	}
}

func TestAPreviewTellsWhatARunWouldMakeOfARecordAndStoresNothing(t *testing.T) {
	list := people(3)
	list[1].name, list[2].name = "skip", "bad"
	p := newPair(t, newCRM(list...), newClub(sdk.ClassC))
	preview := func(id string) pipeline.Previewed {
		t.Helper()
		run := roster.Run{Job: syncJob, Type: roster.JobSync, State: roster.RunQueued, Scope: roster.Scope{Record: id}}
		flow := p.open(run, p.clock.Now())
		flow.Sync.GetSource = p.crm.Get
		got, err := p.Preview(t.Context(), run, flow)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := preview("p00"); len(got.Changes) != 1 || got.Changes[0].Op != sdk.OpCreate || got.Read != 1 {
		t.Errorf("a new record: %+v", got)
	}
	if got := preview("p01"); len(got.Changes) != 0 || len(got.Warnings) != 1 {
		t.Errorf("one that the script skips: %+v", got)
	}
	if got := preview("p02"); len(got.Refused) != 1 || got.Refused[0].Payload != nil {
		t.Errorf("one that it rejects: %+v", got)
	}
	if got := preview("p99"); got.Read != 0 || len(got.Changes) != 0 {
		t.Errorf("one that is not there: %+v", got)
	}
	runs, err := p.store.Runs(t.Context(), roster.RunFilter{})
	refused, err2 := p.store.Quarantine(t.Context(), roster.QuarantineFilter{})
	if err != nil || err2 != nil || len(runs)+len(refused)+len(p.club.records) > 0 {
		t.Errorf("stored: %v, %v, %v, %v, %v", runs, refused, p.club.records, err, err2)
	}
	p.run()
	if got := preview("p00"); len(got.Changes) != 0 || got.Counts.Unchanged != 1 {
		t.Errorf("one that is synced: %+v", got)
	}
}
