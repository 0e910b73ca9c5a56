package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Explain tells what is known of one record of a job's source, by its id or by an
// e-mail address, and what a run would make of it.
func (o operations) Explain(ctx context.Context, ref, asked string) (admin.Explanation, error) {
	e, err := o.explainID(ctx, ref, asked)
	if err != nil || e.Known || !isEmail(asked) {
		return e, err
	}
	s := o.search(ref, asked)
	if err := s.everywhere(ctx); err != nil {
		return e, err
	}
	return o.explainFound(ctx, e, s, o.explainID)
}

// explainFound explains the record that was found by its e-mail address, or names
// those that were.
func (o operations) explainFound(
	ctx context.Context, e admin.Explanation, s *emailSearch, explain func(context.Context, string, string) (admin.Explanation, error),
) (admin.Explanation, error) {
	ids := s.ids()
	if len(ids) == 1 {
		one, err := explain(ctx, e.Job, ids[0])
		one.Email, one.Searched = s.email, s.searched
		if !one.Known {
			one.Known, one.Verdict = true, admin.Verdict{Text: "it is there, and no run has sent or refused it yet", Command: jobStanding{job: s.job}.run()}
		}
		return one, err
	}
	e.Email, e.Found, e.Searched = s.email, s.found, s.searched
	return e, nil
}

// explainID is Explain for an id.
func (o operations) explainID(ctx context.Context, ref, record string) (admin.Explanation, error) {
	e, err := o.storedExplanation(ctx, ref, record)
	if err != nil {
		return e, err
	}
	job := o.p.now().jobs[ref]
	if job.Type == roster.JobSync {
		o.sides(ctx, job, &e)
	} else {
		e.Unknown = "an import sends what its source gives each time, and keeps no links"
	}
	return e, o.conclude(ctx, job, &e)
}

// storedExplanation is what the daemon itself knows of a record.
func (o operations) storedExplanation(ctx context.Context, ref, record string) (admin.Explanation, error) {
	e := admin.Explanation{Job: ref, Record: record}
	job, ok := o.p.now().jobs[ref]
	if !ok {
		return e, &admin.UnknownJobError{Job: ref}
	}
	if job.Type == roster.JobSync {
		for _, kind := range job.Kinds {
			report, known, err := o.linkReport(ctx, roster.Route{From: job.From, To: job.To, Kind: kind}, record)
			if err != nil {
				return e, err
			}
			if known {
				e.Kinds = append(e.Kinds, report)
			}
		}
	}
	var err error
	if e.Quarantined, err = o.quarantinedOf(ctx, ref, record); err != nil {
		return e, err
	}
	if e.Lines, err = o.linesOf(ctx, job, record); err != nil {
		return e, err
	}
	e.Pushed, err = o.pushedOf(ctx, job, record)
	return e, err
}

// quarantinedOf are the refused records with an id.
func (o operations) quarantinedOf(ctx context.Context, ref, record string) (found []roster.Quarantined, err error) {
	filter := roster.QuarantineFilter{Job: ref, Limit: dropPage}
	for {
		page, err := o.p.store.Quarantine(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, q := range page {
			if q.Record == record {
				found = append(found, q)
			}
		}
		if len(page) < filter.Limit {
			return found, nil
		}
		filter.After = page[len(page)-1].ID
	}
}

// shownLines is how many lines of the record log an explanation has.
const shownLines = 20

// linesOf are the latest lines of the record log about a record of the job's source,
// those of the other direction among them.
func (o operations) linesOf(ctx context.Context, job roster.Job, record string) ([]admin.LogLine, error) {
	back := map[string]bool{}
	for _, other := range o.p.now().cfg.Jobs {
		if opposite(job, other) {
			back[other.Ref] = true
		}
	}
	page, err := o.p.records.Read(ctx, recordlog.Query{
		Account: job.Account, Limit: shownLines,
		Where: func(l *recordlog.Line) bool {
			return l.Job == job.Ref && l.Record == record || back[l.Job] && l.Target == record
		},
	})
	return o.logLines(page.Lines), err
}

// pushedOf are the saves of a record that the job has not read.
func (o operations) pushedOf(ctx context.Context, job roster.Job, record string) (pushed []admin.PushedRecord, err error) {
	from, _ := o.p.now().connection(job.From)
	if from.Adapter != roster.AdapterInbound {
		return nil, nil
	}
	for _, kind := range job.Kinds {
		latest, err := o.p.store.InboundLatest(ctx, job.From, kind, record)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		read, err := o.readOf(ctx, job, latest.Kind)
		if err != nil {
			return nil, err
		}
		one := admin.PushedRecord{Kind: latest.Kind, At: latest.At}
		if latest.Seq > read && slices.Contains(job.Kinds, latest.Kind) && !slices.Contains(pushed, one) {
			pushed = append(pushed, one)
		}
	}
	return pushed, nil
}

// readOf is how far a job has read what was pushed.
func (o operations) readOf(ctx context.Context, job roster.Job, kind sdk.Kind) (uint64, error) {
	cursor, err := o.p.store.Cursor(ctx, job.Ref, kind)
	if err != nil {
		return 0, err
	}
	return connector.ParseCursor(cursor)
}

// conclude says whether anything is known of the record, and why it is where it is.
func (o operations) conclude(ctx context.Context, job roster.Job, e *admin.Explanation) error {
	e.Known = len(e.Kinds) > 0 || len(e.Quarantined) > 0 || len(e.Lines) > 0 || len(e.Pushed) > 0 || e.Next != nil && e.Next.Found
	standing := jobStanding{job: job}
	pause, err := o.p.store.Pause(ctx, job.Ref)
	switch {
	case err == nil:
		standing.paused = &pause
	case !errors.Is(err, roster.ErrNotFound):
		return err
	}
	runs, err := o.p.store.Runs(ctx, roster.RunFilter{Job: job.Ref, Limit: 1})
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		standing.last = runs[0]
	}
	e.Verdict = standing.verdict(e)
	return nil
}

// sides looks at both systems: the record of the source with what a run would make
// of it, and the record of the target that it is linked to.
func (o operations) sides(ctx context.Context, job roster.Job, e *admin.Explanation) {
	now := o.p.now()
	run := roster.Run{Job: job.Ref, Type: job.Type, State: roster.RunQueued, Plan: true, Scope: roster.Scope{Record: e.Record}}
	closing := &closers{warn: func(err error) { o.p.log.Warn("not closed", "job", job.Ref, "err", err) }}
	defer closing.close()
	flow, err := now.openSync(ctx, run, job, closing)
	if err != nil {
		e.Unknown, e.TargetUnknown = reasonOf(err), reasonOf(err)
		return
	}
	o.lookAtTarget(ctx, flow, e)
	seen, err := o.seeSource(ctx, job, flow, e)
	if err == nil {
		e.Next, err = o.next(ctx, run, flow)
	}
	if err == nil {
		err = mapSeen(ctx, flow, seen, e)
	}
	if err != nil {
		e.Unknown = reasonOf(err)
		return
	}
	e.Next.Script, e.Next.Lines = now.lines(job, flow.Script)
}

// reasonOf is an error for a person who is told something else beside it.
func reasonOf(err error) string {
	if f, ok := errors.AsType[*roster.Fault](err); ok {
		return f.Message
	}
	return err.Error()
}

// seen are the pages, by kind, that the source has answered for one record.
type seen map[sdk.Kind]*sdk.Page

// seeSource has what a run reads of the record noted. What another system has pushed
// is read where it waits.
func (o operations) seeSource(ctx context.Context, job roster.Job, flow *pipeline.Flow, e *admin.Explanation) (seen, error) {
	pages := seen{}
	get := flow.Sync.GetSource
	if from, _ := o.p.now().connection(job.From); from.Adapter == roster.AdapterInbound {
		if len(e.Pushed) == 0 {
			return nil, errors.New("the other system pushes its records, and nothing of this one waits to be read")
		}
		var err error
		if get, err = o.getPushed(ctx, job, flow, e); err != nil {
			return nil, err
		}
	}
	if get != nil {
		flow.Sync.GetSource = func(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
			page, err := get(ctx, req)
			if err == nil {
				pages[req.Kind] = page
			}
			return page, err
		}
	}
	return pages, nil
}

// getPushed reads the saves that wait as a source would read its records.
func (o operations) getPushed(
	ctx context.Context, job roster.Job, flow *pipeline.Flow, e *admin.Explanation,
) (func(context.Context, sdk.GetRequest) (*sdk.Page, error), error) {
	pages := seen{}
	for _, pushed := range e.Pushed {
		latest, err := o.p.store.InboundLatest(ctx, job.From, pushed.Kind, e.Record)
		if err != nil {
			return nil, err
		}
		before := sdk.Cursor(strconv.FormatUint(latest.Seq-1, 10))
		if pages[pushed.Kind], err = flow.Source.Read(ctx, sdk.ReadRequest{Kind: pushed.Kind, After: before, Limit: 1}); err != nil {
			return nil, err
		}
	}
	return func(_ context.Context, req sdk.GetRequest) (*sdk.Page, error) {
		if page, ok := pages[req.Kind]; ok {
			return page, nil
		}
		return sdk.NewPageBuilder(req.Kind, nil).Page(nil, true)
	}, nil
}

// nextRefuses leads what a run would refuse.
const nextRefuses = "it goes into the quarantine: "

// next finds out what a run would make of one record.
func (o operations) next(ctx context.Context, run roster.Run, flow *pipeline.Flow) (*admin.NextRun, error) {
	seen, err := o.p.runner.Preview(ctx, run, flow)
	if err != nil {
		return nil, err
	}
	next := &admin.NextRun{Found: seen.Read > 0, Changes: seen.Changes, Reasons: seen.Warnings}
	for _, q := range seen.Refused {
		next.Reasons = append(next.Reasons, fmt.Sprintf(nextRefuses+"%s: %s", q.Code, q.Reason))
	}
	if seen.Counts.Unchanged > 0 {
		next.Reasons = append(next.Reasons, "the target has it already as it would be sent")
	}
	if seen.Counts.Waiting > 0 {
		next.Reasons = append(next.Reasons, "its create is in doubt or waits for a person")
	}
	return next, nil
}

// mapSeen maps what was seen of the source, also where nothing of it would be sent.
func mapSeen(ctx context.Context, flow *pipeline.Flow, pages seen, e *admin.Explanation) error {
	for _, kind := range flow.Kinds {
		page, ok := pages[kind]
		if !ok || page.Rows == 0 {
			continue
		}
		records, err := seenRecords(page)
		if err != nil {
			return err
		}
		e.Source = append(e.Source, records...)
		rows := make([]int, page.Rows)
		for i := range rows {
			rows[i] = i
		}
		mapped, err := flow.Sync.Mapper.MapRows(ctx, page, rows)
		if err != nil {
			return err
		}
		for _, r := range mapped.Records {
			one := admin.MappedRecord{Kind: kind, Owner: r.Owner, LeadSource: r.LeadSource, Line: r.Line}
			switch r.Verdict {
			case roster.VerdictMapped:
				one.Fields = r.Data
			case roster.VerdictSkipped:
				one.Reason = "the script skips it: " + r.Reason
			case roster.VerdictRejected:
				one.Reason = "it is refused: " + r.Reason
			}
			e.Mapped = append(e.Mapped, one)
		}
	}
	return nil
}

// seenRecords are the records of a page for a person.
func seenRecords(page *sdk.Page) ([]admin.SeenRecord, error) {
	records := make([]admin.SeenRecord, page.Rows)
	for i := range records {
		row := page.Row(i)
		var record struct {
			Fields json.RawMessage `json:"fields"`
		}
		if err := json.Unmarshal(roster.Payload(page.Columns, row), &record); err != nil {
			return nil, err
		}
		records[i] = admin.SeenRecord{Kind: page.Kind, ID: row.ID(), Fields: record.Fields}
	}
	return records, nil
}

// lookAtTarget reads the records of the target that the record is linked to.
func (o operations) lookAtTarget(ctx context.Context, flow *pipeline.Flow, e *admin.Explanation) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for _, report := range e.Kinds {
		if report.Link == nil {
			continue
		}
		if flow.Sync.Get == nil {
			e.TargetUnknown = "the target's adapter lacks the ability " + string(sdk.AbilityGetter)
			return
		}
		page, err := flow.Sync.Get(ctx, sdk.GetRequest{Kind: report.Kind, IDs: []string{report.Link.Target}})
		var records []admin.SeenRecord
		if err == nil {
			records, err = seenRecords(page)
		}
		if err != nil {
			e.TargetUnknown = "the target's record could not be read: " + reasonOf(err)
			return
		}
		if len(records) == 0 {
			records = []admin.SeenRecord{{Kind: report.Kind, ID: report.Link.Target}}
		}
		e.Target = append(e.Target, records...)
	}
}
