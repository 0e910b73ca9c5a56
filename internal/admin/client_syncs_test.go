package admin_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestTheClientAsksForRunsOfAllScopes(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	for _, order := range []admin.RunOrder{
		{Plan: true, Scope: roster.Scope{Sweep: true}},
		{Scope: roster.Scope{Record: "ann lee@example.com"}},
		{Scope: roster.Scope{Replay: true, Entries: []string{"q-1", "q-2"}}},
		{Scope: roster.Scope{Replay: true, Code: "map.rejected"}},
	} {
		order.Job = "acme/launch"
		_, err := c.OrderRun(t.Context(), order)
		order.Trigger = "manual"
		same[any](t, "order", f.asked, err, order)
	}
	run, err := c.ApproveRun(t.Context(), "r-planned")
	same(t, "approve", run.State, err, roster.RunQueued)
	if _, err = c.ApproveRun(t.Context(), "r-live"); !errors.Is(err, roster.ErrConflict) {
		t.Errorf("approve a run under way: %v", err)
	}
}

func TestTheClientShowsAndSettlesWhatSyncsKeep(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	ctx, set := t.Context(), admin.LinkSet{Job: "acme/launch", Kind: sdk.KindMember}

	lonely, err := c.Unlinked(ctx, "acme/launch")
	if err != nil || len(lonely) != 2 || lonely[0].MayBe[0] != "t1" || lonely[1].Why != roster.UnlinkedRefused {
		t.Errorf("unlinked: %+v, %v", lonely, err)
	}
	if _, err = c.Unlinked(ctx, "acme/lunch"); !errors.Is(err, roster.ErrNotFound) {
		t.Errorf("unlinked records of a job that there is not: %v", err)
	}

	page, err := c.Changes(ctx, "r-planned", 2, 7)
	same[any](t, "changes", f.asked, err, []any{"r-planned", 2, 7})
	same(t, "a change", page.Changes[1], nil, admin.PlannedChange{Change: plannedChange(), Present: json.RawMessage(`{"first_name":null}`)})
	explained, err := c.Explain(ctx, "acme/launch", "ann lee")
	same(t, "explain", explained.Record, err, "ann lee")

	links, err := c.Links(ctx, set, roster.LinkFilter{After: "a b", Limit: 1})
	same[any](t, "links", f.asked, err, []any{set, roster.LinkFilter{After: "a b", Limit: 1}})
	same(t, "next", links.Next, nil, "m1")
	report, err := c.Link(ctx, set, "m1")
	same(t, "link", report, err, f.report())
	_, err = c.SetLink(ctx, set, "m 1", "t/1", "the same person")
	if err != nil || !strings.HasSuffix(f.linkedBy, ": the same person") || strings.HasPrefix(f.linkedBy, ":") {
		t.Errorf("set a link: by %q, %v", f.linkedBy, err)
	}
	_, err = c.RemoveLink(ctx, set, "m 1", "a mistake")
	if err != nil || !strings.HasSuffix(f.linkedBy, ": a mistake") {
		t.Errorf("remove a link: by %q, %v", f.linkedBy, err)
	}

	parked, err := c.Parked(ctx, roster.ParkedFilter{Job: "acme/launch", After: "p-0", Limit: 1})
	same[any](t, "parked", f.asked, err, roster.ParkedFilter{Job: "acme/launch", After: "p-0", Limit: 1})
	if len(parked.Parked) != 1 || parked.Parked[0].Payload != nil || parked.Next != "p-1" {
		t.Errorf("parked: %+v", parked)
	}
	_, err = c.Parked(ctx, roster.ParkedFilter{Review: true, Limit: 1})
	same[any](t, "reviews", f.asked, err, roster.ParkedFilter{Review: true, Limit: 1})
	one, err := c.ParkedCreate(ctx, "p-1")
	same(t, "one parked create", string(one.Record), err, string(parkedOne().Payload))
	_, err = c.SettleParked(ctx, "p-1", roster.ParkedLink, "t 1")
	if asked, ok := f.asked.([]any); err != nil || !ok || asked[2] != "t 1" || asked[3] == "" {
		t.Errorf("settle: %v, %v", f.asked, err)
	}
	n, err := c.DropQuarantined(ctx, nil, roster.QuarantineFilter{Job: "acme/launch", Code: "map.rejected"})
	same(t, "drop", n, err, 2)
}

func TestTheClientShowsTheRecordLog(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	filter := admin.LogFilter{
		Account: "acme", Job: "acme/launch", Club: "downtown", Level: roster.LogWarning, Since: start, Limit: 7, After: admin.LogBegin,
	}
	page, err := c.RecordLog(t.Context(), filter)
	same[any](t, "filter", f.asked, err, filter)
	if len(page.Lines) != 1 || page.Next == "" || !page.More {
		t.Fatalf("%+v", page)
	}
	line := page.Lines[0]
	if got := line.At.Format("15:04:05 -0700"); got != "04:30:00 -0500" {
		t.Errorf("the line is of %s, which is not the club's time", got)
	}
	line.At = logLine().At
	same(t, "line", line, nil, logLine())
}
