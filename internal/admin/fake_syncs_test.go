package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (f *fake) ApproveRun(_ context.Context, id string) (roster.Run, error) {
	defer f.lock()()
	run, ok := f.runs[id]
	switch {
	case !ok:
		return run, fmt.Errorf("approve run %s: %w", id, roster.ErrNotFound)
	case run.State != roster.RunPlanned:
		return run, fmt.Errorf("run %s is %s: %w", id, run.State, roster.ErrConflict)
	}
	run.State, run.Approved = roster.RunQueued, true
	f.runs[id] = run
	return run, f.fault
}

func plannedChange() roster.Change {
	return roster.Change{
		Entry: 3, Op: sdk.OpUpdate, Kind: sdk.KindMember, Source: "m 1", Target: "t1", Club: "downtown", Position: "line 2",
		Fields: []string{"first_name"}, Owner: "s1", LeadSource: "l1", Data: json.RawMessage(`{"first_name":"` + personalName + `"}`),
	}
}

func (f *fake) Changes(_ context.Context, run string, from, limit int) (admin.ChangePage, error) {
	defer f.lock()()
	f.asked = []any{run, from, limit}
	switch run {
	case "r-planned":
		return admin.ChangePage{
			Changes: []admin.PlannedChange{
				{Change: roster.Change{Op: sdk.OpCreate, Kind: sdk.KindMember, Source: "m0"}},
				{Change: plannedChange(), Present: json.RawMessage(`{"first_name":null}`)},
			},
			Script: "members.lua", Lines: map[string]int{"first_name": 2}, Next: 4, Unseen: "it cannot be read",
		}, f.fault
	case "r-ended":
		return admin.ChangePage{}, fmt.Errorf("run %s: %w", run, roster.ErrConflict)
	}
	return admin.ChangePage{}, fmt.Errorf("run %s: %w", run, roster.ErrNotFound)
}

func (f *fake) report() admin.LinkReport {
	link := f.link()
	return admin.LinkReport{
		From: "acme/gym", To: "acme/crm", Kind: sdk.KindMember, Link: &link,
		Pending: &admin.Pending{State: roster.IntentParked, Run: "r-ended", Attempt: 1, Armed: start, Reason: "no answer", Parked: "p-1"},
		History: []roster.LinkEvent{{At: start, What: "created", Source: "m1", Target: "t1", By: "r-ended", Note: "x"}},
	}
}

func (*fake) link() roster.Link {
	return roster.Link{Source: "m1", Target: "t1", Version: 1, Origin: roster.LinkCreated, Made: start, Changed: start, Gone: true}
}

func (f *fake) Explain(_ context.Context, job, record string) (admin.Explanation, error) {
	defer f.lock()()
	if job != "acme/launch" {
		return admin.Explanation{}, &admin.UnknownJobError{Job: job}
	}
	records := f.records[:1]
	records[0].Payload = nil
	return admin.Explanation{
		Job: job, Record: record, Known: true, Email: "ann@example.com", Found: []admin.FoundRecord{{Kind: sdk.KindMember, Record: "m1", Target: "t1", Where: "source"}},
		Searched: []string{"the source"}, Lines: []admin.LogLine{logLine()}, Pushed: []admin.PushedRecord{{Kind: sdk.KindMember, At: start}},
		Source:        []admin.SeenRecord{{Kind: sdk.KindMember, ID: "m1", Fields: json.RawMessage(`{"first":"` + personalName + `"}`)}},
		Mapped:        []admin.MappedRecord{{Kind: sdk.KindMember, Fields: json.RawMessage(`{}`), Owner: "s1", LeadSource: "l1", Reason: "left out", Line: 3}},
		Target:        []admin.SeenRecord{{Kind: sdk.KindMember, ID: "t1"}},
		TargetUnknown: "it does not answer", Verdict: admin.Verdict{Text: "the target has it", Command: "rosterd sync acme/launch m1"},
		Kinds: []admin.LinkReport{f.report(), {From: "acme/gym", To: "acme/crm", Kind: sdk.KindProspect}}, Quarantined: records,
		Next: &admin.NextRun{Found: true, Changes: []roster.Change{plannedChange()}, Script: "members.lua", Lines: map[string]int{"first_name": 2}}, Unknown: "none",
	}, f.fault
}

func (f *fake) Unlinked(_ context.Context, job string) ([]roster.Unlinked, error) {
	defer f.lock()()
	f.asked = job
	if job != "acme/launch" {
		return nil, &admin.UnknownJobError{Job: job}
	}
	return []roster.Unlinked{
		{Kind: sdk.KindStaff, Source: "s1", Name: personalName, Email: "a@example.com", Why: roster.UnlinkedSeveral, Reason: "several", MayBe: []string{"t1"}},
		{Kind: sdk.KindLeadSource, Source: "l1", Why: roster.UnlinkedRefused, Reason: "name is missing"},
	}, f.fault
}

func (f *fake) Links(_ context.Context, links admin.LinkSet, filter roster.LinkFilter) ([]roster.Link, error) {
	defer f.lock()()
	f.asked = []any{links, filter}
	if links.Job == "acme/lunch" {
		return nil, &admin.UnknownJobError{Job: links.Job}
	}
	return []roster.Link{f.link()}, f.fault
}

func (f *fake) Link(_ context.Context, links admin.LinkSet, id string) (admin.LinkReport, error) {
	defer f.lock()()
	f.asked = []any{links, id}
	if id == "none" {
		return admin.LinkReport{}, fmt.Errorf("read a link: %w", roster.ErrNotFound)
	}
	return f.report(), f.fault
}

func (f *fake) SetLink(_ context.Context, _ admin.LinkSet, _, target, by string) error {
	defer f.lock()()
	f.linkedBy = by
	if target == "taken" {
		return fmt.Errorf("set a link: %w: the target is linked to another record", roster.ErrConflict)
	}
	return f.fault
}

func (f *fake) RemoveLink(_ context.Context, _ admin.LinkSet, source, by string) error {
	defer f.lock()()
	f.linkedBy = by
	if source == "none" {
		return fmt.Errorf("remove a link: %w", roster.ErrNotFound)
	}
	return f.fault
}

func parkedOne() roster.Parked {
	return roster.Parked{
		ID: "p-1", Job: "acme/launch", Kind: sdk.KindMember, From: "acme/gym", To: "acme/crm",
		Intent: roster.Intent{
			Source: "m1", State: roster.IntentParked, Run: "r-ended", Entry: 3, Attempt: 1, Epoch: 2, Armed: start, Row: 7, Reason: "no answer",
			Hits: []string{"t1"}, Payload: []byte(`{"name":"` + personalName + `"}`),
		},
	}
}

func (f *fake) Parked(_ context.Context, filter roster.ParkedFilter) ([]roster.Parked, error) {
	defer f.lock()()
	f.asked = filter
	return []roster.Parked{parkedOne()}, f.fault
}

func (f *fake) ParkedCreate(_ context.Context, id string) (roster.Parked, error) {
	defer f.lock()()
	if id != "p-1" {
		return roster.Parked{}, fmt.Errorf("parked create %s: %w", id, roster.ErrNotFound)
	}
	return parkedOne(), f.fault
}

func (f *fake) SettleParked(_ context.Context, id string, verdict roster.ParkedVerdict, target, by string) error {
	defer f.lock()()
	f.asked = []any{id, verdict, target, by}
	if target == "taken" {
		return fmt.Errorf("settle: %w", roster.ErrConflict)
	}
	return f.fault
}

func (f *fake) DropQuarantined(_ context.Context, ids []string, filter roster.QuarantineFilter) (int, error) {
	defer f.lock()()
	f.asked = []any{ids, filter}
	return 2, f.fault
}

func (f *fake) RecordLog(_ context.Context, filter admin.LogFilter) (admin.LogPage, error) {
	defer f.lock()()
	f.asked = filter
	if filter.Job == "acme/lunch" {
		return admin.LogPage{Next: admin.LogBegin}, f.fault
	}
	return admin.LogPage{Lines: []admin.LogLine{logLine()}, More: true, Next: "2026-03-01-00001.2.0", Lost: 3, Damaged: 1}, f.fault
}

func logLine() admin.LogLine {
	return admin.LogLine{
		At: start.In(time.FixedZone("", -5*3600)), Zone: "America/Toronto", Level: roster.LogWarning, Code: roster.LogCreated, Job: "acme/launch", Run: "r-ended",
		Kind: sdk.KindProspect, Record: "4711", Target: "8812", Club: "downtown", Text: "created, without its owner, who has no link at clubsys",
	}
}
