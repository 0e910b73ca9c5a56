package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
)

// takeUp lets a run deliver that a person has approved, if its change set is what
// a run would make at this moment.
func (r *Runner) takeUp(ctx context.Context, run *roster.Run, flow *Flow, live *progress) error {
	if flow.Sync == nil {
		return &roster.Fault{Code: "job.type", Message: "the job is no sync any more", Hint: "start it again"}
	}
	stale, err := r.stale(ctx, *run, flow)
	if err != nil {
		return err
	}
	if stale != "" {
		return &roster.Fault{
			Code:    "plan.stale",
			Message: "the plan is out of date, and nothing was written: " + stale,
			Hint:    "make another one with `rosterd plan " + run.Job + "`",
		}
	}
	updated, err := r.Runs.BeginDelivery(ctx, run.ID, roster.Delivery{}, func(stored *roster.Run) error {
		stored.State = roster.RunDelivering
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin to deliver: %w", err)
	}
	*run = updated
	live.set(run.Counts)
	return nil
}

// stale says in words what has changed since a change set was made, or nothing.
func (r *Runner) stale(ctx context.Context, run roster.Run, flow *Flow) (string, error) {
	for _, what := range slices.Sorted(maps.Keys(flow.Sync.Basis)) {
		if flow.Sync.Basis[what] != run.Basis[what] {
			return "the " + what + " changed", nil
		}
	}
	for kind, behind := range run.Behind {
		cursor, err := r.Cursors.Cursor(ctx, run.Job, kind)
		if err != nil {
			return "", fmt.Errorf("compare the plan: %w", err)
		}
		if !bytes.Equal(cursor, behind) {
			return "the job has run since", nil
		}
	}
	touched, err := touchedLinks(ctx, flow.Sync)
	if err != nil || touched == 0 {
		return "", err
	}
	return fmt.Sprintf("%d of its records were linked, or their links were changed, since", touched), nil
}

// touchedLinks counts the changes of a change set whose links are not the ones
// that they were made with.
func touchedLinks(ctx context.Context, sync *SyncFlow) (touched int, err error) {
	changes, err := sync.Changes()
	if err != nil {
		return 0, err
	}
	defer func() { _ = changes.Close() }() // it was only read
	w := &writing{sync: sync, changes: changes}
	for at := 0; at < changes.Len(); {
		b, err := w.next(at)
		if err != nil {
			return 0, err
		}
		at = b.end
		sources := make([]string, len(b.items))
		for i, it := range b.items {
			sources[i] = it.source
		}
		standings, err := sync.Links.Standings(ctx, b.route, sources)
		if err != nil {
			return 0, fmt.Errorf("compare the plan: %w", err)
		}
		for i, it := range b.items {
			link := standings[i].Link
			if link.Version != it.version || it.version > 0 && link.Target != it.target {
				touched++
			}
		}
	}
	return touched, nil
}
