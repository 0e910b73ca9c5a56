package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Changes shows what a planned or blocked run would change, with the values that
// the target has at this moment.
func (o operations) Changes(ctx context.Context, id string, from, limit int) (admin.ChangePage, error) {
	run, page, err := o.storedChanges(ctx, id, from, limit)
	if err != nil || len(page.Changes) == 0 {
		return page, err
	}
	if err := o.lookAt(ctx, run.Job, page.Changes); err != nil {
		page.Unseen = err.Error()
	}
	return page, nil
}

// storedChanges is [operations.Changes] without looking at the target.
func (o operations) storedChanges(ctx context.Context, id string, from, limit int) (roster.Run, admin.ChangePage, error) {
	var page admin.ChangePage
	run, err := o.p.store.Run(ctx, id)
	if err != nil {
		return run, page, err
	}
	if run.Type != roster.JobSync || run.State != roster.RunPlanned && run.State != roster.RunBlocked {
		return run, page, fmt.Errorf("run %s is %s, and only a sync that is planned or blocked has changes to show: %w", id, run.State, roster.ErrConflict)
	}
	set, err := openChanges(o.p.changes, id)
	if err != nil {
		return run, page, err
	}
	defer func() { _ = set.Close() }() // it was only read
	found, err := pipeline.ReadChanges(set, from, limit)
	if err != nil {
		return run, page, err
	}
	for _, c := range found {
		page.Changes = append(page.Changes, admin.PlannedChange{Change: c})
	}
	if len(found) == limit {
		page.Next = found[limit-1].Entry + 1
	}
	now := o.p.now()
	page.Script, page.Lines = now.lines(now.jobs[run.Job], run.Script)
	return run, page, nil
}

// lines are the lines of the target fields in a job's script, where that is still
// the one with the digest, and a plan: what a function does is a guess.
func (p view) lines(job roster.Job, digest string) (string, map[string]int) {
	script, err := mapping.ReadScript(p.cfg.ScriptsDir, job.Mapping)
	if err != nil || script.Digest() != digest {
		return "", nil
	}
	d, err := mapping.Describe(script)
	if err != nil || d.Guess {
		return "", nil
	}
	return d.Script, d.Lines()
}

// lookTime bounds how long the target may take to show its records.
const lookTime = 20 * time.Second

// lookAt reads the present values of the target's records. Its error says why
// they are not known.
func (o operations) lookAt(ctx context.Context, ref string, changes []admin.PlannedChange) error {
	byKind := map[sdk.Kind]map[string][]int{}
	for i, c := range changes {
		if c.Target != "" {
			if byKind[c.Kind] == nil {
				byKind[c.Kind] = map[string][]int{}
			}
			byKind[c.Kind][c.Target] = append(byKind[c.Kind][c.Target], i)
		}
	}
	if len(byKind) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	now := o.p.now()
	target, err := now.connectReadOnly(ctx, now.jobs[ref].To, sdk.AbilityTarget)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }() // it was only read
	if !target.Has(sdk.AbilityGetter) {
		return errors.New("the target's adapter lacks the ability " + string(sdk.AbilityGetter))
	}
	for kind, places := range byKind {
		if err := present(ctx, target, kind, places, changes); err != nil {
			return fmt.Errorf("the target's records could not be read: %w", err)
		}
	}
	return nil
}

// present reads records of one kind into the changes that concern them.
func present(ctx context.Context, target sdk.Getter, kind sdk.Kind, places map[string][]int, changes []admin.PlannedChange) error {
	ids := make([]string, 0, len(places))
	for id := range places {
		ids = append(ids, id)
	}
	for len(ids) > 0 {
		n := min(len(ids), sdk.DefaultBatch)
		page, err := target.Get(ctx, sdk.GetRequest{Kind: kind, IDs: ids[:n]})
		if err != nil {
			return err
		}
		ids = ids[n:]
		for i := range page.Rows {
			row := page.Row(i)
			var record struct {
				Fields json.RawMessage `json:"fields"`
			}
			if err := json.Unmarshal(roster.Payload(page.Columns, row), &record); err != nil {
				return err
			}
			for _, at := range places[row.ID()] {
				changes[at].Present = record.Fields
			}
		}
	}
	return nil
}

// errPlanGone says that a plan cannot be shown or applied any more.
func errPlanGone(run string) error {
	return &roster.Fault{
		Code:    "plan.stale",
		Message: fmt.Sprintf("what run %s would change is not kept any more: the job has run since, or it is older than %d days", run, int(planLife.Hours()/24)),
		Hint:    "make another plan with `rosterd plan`",
	}
}

// planLife is how long the change set of a planned or blocked run is kept.
const planLife = 7 * 24 * time.Hour

// keepsPlan reports whether the change set of a run that is over is kept for a
// person to apply: the job's latest, while it is young.
func (p *parts) keepsPlan(ctx context.Context, run roster.Run) (bool, error) {
	if run.Type != roster.JobSync || run.State != roster.RunPlanned && run.State != roster.RunBlocked || time.Since(run.Asked) > planLife {
		return false, nil
	}
	latest, err := p.store.Runs(ctx, roster.RunFilter{Job: run.Job, Limit: 1})
	return err == nil && len(latest) == 1 && latest[0].ID == run.ID, err
}

// openChanges opens a change set for reading.
func openChanges(sets *store.ChangeSets, run string) (pipeline.Changes, error) {
	set, err := sets.Open(run)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errPlanGone(run)
	}
	if err != nil {
		return nil, err
	}
	return set, nil
}
