package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

// The triggers of runs that a schedule starts.
const (
	triggerSchedule = "schedule"
	triggerSweep    = "sweep"
)

// timed returns a job with its schedules, which were checked when the
// configuration was read.
func timed(job roster.Job) (schedule.Job, error) {
	t := job.Timing
	out := schedule.Job{
		Ref: job.Ref, SkipMissed: t.SkipMissed, MaxAge: t.MaxAge, QueueOne: t.QueueOne, Jitter: t.Jitter,
	}
	var err error
	if out.Schedule, err = schedule.Parse(job.Schedule, job.Location); err != nil {
		return out, fmt.Errorf("job %s: %w", job.Ref, err)
	}
	if job.Sync.Sweep == "" {
		return out, nil
	}
	if out.Sweep, err = schedule.Parse(job.Sync.Sweep, job.Location); err != nil {
		return out, fmt.Errorf("sweep of job %s: %w", job.Ref, err)
	}
	return out, nil
}

// loop is the schedule of all jobs.
func (p *parts) loop(cfg *config.Config) (*schedule.Loop, error) {
	loop := &schedule.Loop{Store: timings{p.store}, Now: p.pulse.now, Log: p.log, Fire: p.fire, Wake: p.wake}
	for _, job := range cfg.Jobs {
		t, err := timed(job)
		if err != nil {
			return nil, err
		}
		loop.Jobs = append(loop.Jobs, t)
	}
	return loop, nil
}

// fire starts a run that is due.
func (p *parts) fire(ctx context.Context, job string, sweep bool) error {
	trigger := triggerSchedule
	if sweep {
		trigger = triggerSweep
	}
	_, err := p.runner.Order(ctx, pipeline.Order{Job: job, Trigger: trigger, Scope: roster.Scope{Sweep: sweep}})
	return err
}

// timings fits the store to what the schedule asks for.
type timings struct{ store *bolt.Store }

// LastDue returns up to when the slots of a name are dealt with.
func (t timings) LastDue(name string) (time.Time, error) {
	return t.store.LastDue(context.Background(), name)
}

// SetLastDue stores up to when the slots of a name are dealt with.
func (t timings) SetLastDue(name string, due time.Time) error {
	return t.store.SetLastDue(context.Background(), name, due)
}

// Paused reports whether a person has paused the job.
func (t timings) Paused(job string) (bool, error) {
	_, err := t.store.Pause(context.Background(), job)
	if errors.Is(err, roster.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Again returns when the latest run of the job asks to be started again.
func (t timings) Again(job string) (at time.Time, sweep bool, err error) {
	runs, err := t.store.Runs(context.Background(), roster.RunFilter{Job: job, Limit: 1})
	if err != nil || len(runs) == 0 {
		return time.Time{}, false, err
	}
	run := runs[0]
	if run.Again != nil && run.State.Ended() {
		at = *run.Again
	}
	return at, run.Scope.Sweep || run.Trigger == triggerSweep, nil
}

// timingOf tells when a job is started next, and who has paused it.
func (p *parts) timingOf(ctx context.Context, job roster.Job, js *admin.JobStatus) error {
	js.Sweep = job.Sync.Sweep
	pause, err := p.store.Pause(ctx, job.Ref)
	if err == nil {
		js.Paused = &pause
		return nil
	}
	if !errors.Is(err, roster.ErrNotFound) {
		return err
	}
	t, err := timed(job)
	if err != nil {
		return err
	}
	last, err := p.store.LastDue(ctx, job.Ref)
	if err != nil {
		return err
	}
	swept, err := p.store.LastDue(ctx, schedule.SweepName(job.Ref))
	if err != nil {
		return err
	}
	if slot, ok := t.Next(time.Now(), last, swept); ok {
		at := slot.At.In(job.Location)
		js.Next = &at
	}
	return nil
}

// pausedProblem reminds of a job that a person has paused: it looks healthy and
// does nothing.
func pausedProblem(js admin.JobStatus) []admin.Finding {
	if js.Paused == nil {
		return nil
	}
	return []admin.Finding{{
		Code:    "job.paused",
		Message: fmt.Sprintf("%s is paused by %s since %s: %s", js.Ref, js.Paused.By, js.Paused.Since.Format(time.RFC3339), js.Paused.Reason),
		Hint:    "its schedule starts it again when it is resumed", Command: "rosterd job resume " + js.Ref,
	}}
}

// PauseJob keeps a job from being started by its schedule.
func (o operations) PauseJob(ctx context.Context, job string, pause roster.Pause) (admin.JobStatus, error) {
	return o.changeJob(ctx, job, func() error {
		err := o.p.store.PauseJob(ctx, job, pause)
		if errors.Is(err, roster.ErrExists) {
			return fmt.Errorf("job %s is paused: %w", job, roster.ErrConflict)
		}
		return err
	})
}

// ResumeJob ends a pause.
func (o operations) ResumeJob(ctx context.Context, job string) (admin.JobStatus, error) {
	return o.changeJob(ctx, job, func() error {
		err := o.p.store.ResumeJob(ctx, job)
		if errors.Is(err, roster.ErrNotFound) {
			return fmt.Errorf("job %s is not paused: %w", job, roster.ErrConflict)
		}
		return err
	})
}

// changeJob changes how a job stands, and lets the schedule look at it.
func (o operations) changeJob(ctx context.Context, ref string, change func() error) (admin.JobStatus, error) {
	job, ok := o.p.now().jobs[ref]
	if !ok {
		return admin.JobStatus{}, fmt.Errorf("job %q: %w", ref, roster.ErrNotFound)
	}
	if err := change(); err != nil {
		return admin.JobStatus{}, err
	}
	select {
	case o.p.wake <- struct{}{}:
	default: // it is about to look
	}
	js, _, err := o.jobStatus(ctx, job)
	return js, err
}

// PauseJob is refused.
func (atRest) PauseJob(context.Context, string, roster.Pause) (admin.JobStatus, error) {
	return admin.JobStatus{}, errNoDaemon("pausing a job")
}

// ResumeJob is refused.
func (atRest) ResumeJob(context.Context, string) (admin.JobStatus, error) {
	return admin.JobStatus{}, errNoDaemon("resuming a job")
}
