package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

// standing tells of a job whether its schedule is kept, when it last delivered,
// when a quota is there again, and how far it is.
func (p *parts) standing(ctx context.Context, job roster.Job, js *admin.JobStatus, now time.Time) error {
	last, err := p.last.of(ctx, p.store, job.Ref)
	if err != nil {
		return err
	}
	js.LastSuccess, js.LastDelivered = orNil(last.success), orNil(last.delivered)
	if js.Paused == nil {
		if js.Freshness, err = freshnessOf(job, p.duesFrom(last), now); err != nil {
			return err
		}
	}
	if js.Running != nil {
		js.Progress = progressOf(*js.Running)
	} else if js.Last != nil && js.Last.Again != nil && js.Last.Again.After(now) {
		js.QuotaAgain = js.Last.Again
	}
	return nil
}

// orNil is nil for a time that is not known.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// freshnessOf says whether the due times of a job behind from are met.
func freshnessOf(job roster.Job, from, now time.Time) (admin.Freshness, error) {
	t, err := timed(job)
	if err != nil || t.Schedule.Manual() && t.Sweep.Manual() {
		return "", err
	}
	lag, stale, err := lagOf(job, from, now)
	switch {
	case err != nil:
		return "", err
	case stale:
		return admin.Stale, nil
	case lag > staleGrace:
		return admin.Late, nil
	}
	return admin.Fresh, nil
}

// progressOf is how far a run is that is not over.
func progressOf(run roster.Run) *admin.Progress {
	n := run.Counts
	switch {
	case run.State != roster.RunDelivering:
		return &admin.Progress{Done: n.Read}
	case run.Type == roster.JobSync:
		all := changesOf(n) + n.ToLink
		return &admin.Progress{Done: min(changesDone(n)+n.Linked, all), Of: &all}
	default:
		return &admin.Progress{Done: n.Served, Of: &n.Frozen}
	}
}

// staleProblem says that a schedule is not kept, of a job of which nothing else
// says why.
func staleProblem(js admin.JobStatus) []admin.Finding {
	if js.Freshness != admin.Stale || js.Running != nil {
		return nil
	}
	last := "no run has delivered since the daemon was started"
	if js.LastDelivered != nil {
		last = "its last run that delivered ended at " + js.LastDelivered.Format(dueFormat)
	}
	return []admin.Finding{{
		Code: "job.stale", Message: fmt.Sprintf("the schedule of %s is not kept: %s", js.Ref, last),
		Hint:    "`rosterd runs --job " + js.Ref + "` shows what became of the runs that were due; this starts one",
		Command: "rosterd job run " + js.Ref,
	}}
}

// adapterProblems tells which adapters that are used are not started any more.
func adapterProblems(used []string, health []adapters.Health) []admin.Finding {
	var found []admin.Finding
	for _, h := range health {
		if h.Parked && slices.Contains(used, h.Name) {
			found = append(found, admin.Finding{
				Code: "adapter.parked", Message: fmt.Sprintf("adapter %s has ended %d times and is not started again", h.Name, h.Ends),
				Hint:    "its lines in the log say why; install a corrected version, or start the service anew",
				Command: "journalctl -u rosterd ROSTERD_ADAPTER=" + h.Name,
			})
		}
	}
	return found
}
