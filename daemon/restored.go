package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
)

// restoredFor says what a restored state means for a sync; nil for one whose links
// are complete.
func (p view) restoredFor(job roster.Job) *pipeline.Restored {
	if !p.restored.Unproven(job.Ref) {
		return nil
	}
	return &pipeline.Restored{
		Hold: slices.ContainsFunc(p.cfg.Jobs, func(other roster.Job) bool {
			return opposite(job, other) && !p.restored.Searched(other.Ref)
		}),
		Walked: func(_ context.Context, run roster.Run, held int) error {
			switch {
			case run.State == roster.RunOK && held == 0:
				return p.restored.Prove(job.Ref)
			case run.Counts.Quarantined == held:
				return p.restored.Search(job.Ref)
			}
			return nil
		},
	}
}

// opposite reports whether another job syncs the other way.
func opposite(job, other roster.Job) bool {
	return other.Type == roster.JobSync && other.From == job.To && other.To == job.From
}

// searching are the syncs that search for what they create.
func (p view) searching() []string {
	var jobs []string
	for _, job := range p.cfg.Jobs {
		if job.Type == roster.JobSync && p.restored.Unproven(job.Ref) {
			jobs = append(jobs, job.Ref)
		}
	}
	return jobs
}

// restoredProblems tells which jobs search for what they create.
func (p view) restoredProblems() []admin.Finding {
	at, backup, ok := p.restored.Since()
	if !ok {
		return nil
	}
	var problems []admin.Finding
	for _, ref := range p.searching() {
		hint, command := "it stops by itself when a run has walked the whole source and is ok", "rosterd job run "+ref
		if p.jobs[ref].Sync.Sweep != "" || p.jobs[ref].Read == roster.ReadChanges {
			hint = "it stops by itself when a sweep is ok; `rosterd state accept " + ref + "` ends it at once, if no record was created behind the backup"
			command = "rosterd state accept " + ref
		}
		problems = append(problems, admin.Finding{
			Code: pipeline.CodeRestored,
			Message: fmt.Sprintf("%s searches for each record before it creates it: the state was restored at %s from a backup of %s",
				ref, at.Format(time.RFC3339), backup.Format(time.RFC3339)),
			Hint: hint, Command: command,
		})
	}
	return problems
}

// warnRestored says at a start what a restored state means.
func (p *parts) warnRestored() {
	at, backup, ok := p.restored.Since()
	if jobs := p.now().searching(); ok && len(jobs) > 0 {
		p.log.Warn("the state was restored from a backup: these jobs search for each record before they create it",
			"restored", at, "backup", backup, "jobs", jobs)
	}
}

// AcceptJob lets a job of a restored state create without searching first.
func (o operations) AcceptJob(ctx context.Context, ref, by string) (admin.JobStatus, error) {
	return o.changeJob(ctx, ref, func() error {
		if !o.p.restored.Unproven(ref) || o.p.now().jobs[ref].Type != roster.JobSync {
			return fmt.Errorf("job %s does not search for what it creates: %w", ref, roster.ErrConflict)
		}
		if err := o.p.restored.Prove(ref); err != nil {
			return err
		}
		o.p.log.Info("job creates without searching first", "job", ref, "by", by)
		return nil
	})
}
