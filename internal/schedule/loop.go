package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Job is a job with its schedule.
type Job struct {
	// Ref is account/job.
	Ref      string
	Schedule Schedule
}

// Store remembers up to when the slots of each job are dealt with, so that a
// restarted daemon knows which it missed.
type Store interface {
	// LastDue returns the zero time for a job that was never seen.
	LastDue(job string) (time.Time, error)
	SetLastDue(job string, due time.Time) error
}

// Loop asks for runs when they are due.
type Loop struct {
	Jobs  []Job
	Store Store
	// Fire asks for a run of the job. It returns when the run is accepted or
	// refused, and does not wait for its end. After a crash it may be called
	// again for the same job and due time.
	Fire func(ctx context.Context, job string, due time.Time)
	// Now is the clock.
	Now func() time.Time
	Log *slog.Logger
}

const (
	// maxSleep bounds how late the loop notices a clock that was set, or a
	// machine that slept: timers follow neither.
	maxSleep = time.Minute
	// clockSlack is how far in the future a stored due time may be. One
	// further off was written under a wrong clock and is forgotten.
	clockSlack = 24 * time.Hour
)

// pending is a job with the due time up to which it is dealt with.
type pending struct {
	Job
	last time.Time
}

// Run asks for runs until ctx ends, and then returns nil. Slots that were
// missed while no loop ran become one run, at once. It returns an error when
// the store cannot tell where the jobs stand; whoever starts it waits for it to
// return.
func (l *Loop) Run(ctx context.Context) error {
	jobs, err := l.recall()
	if err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(l.tick(ctx, jobs))
	}
}

// recall loads where each job stands. A job that was never seen starts here,
// which is stored too: its first slot may be missed as well.
func (l *Loop) recall() ([]*pending, error) {
	var jobs []*pending
	for _, job := range l.Jobs {
		if job.Schedule.Manual() {
			continue
		}
		last, err := l.Store.LastDue(job.Ref)
		if err != nil {
			return nil, fmt.Errorf("recall last due time of %s: %w", job.Ref, err)
		}
		now := l.Now()
		if last.IsZero() || last.After(now.Add(clockSlack)) {
			last = now
			l.remember(job.Ref, last)
		}
		jobs = append(jobs, &pending{Job: job, last: last})
	}
	return jobs, nil
}

// tick fires every job that is due and returns how long to sleep.
func (l *Loop) tick(ctx context.Context, jobs []*pending) time.Duration {
	for _, job := range jobs {
		due, ok := job.Schedule.Latest(job.last, l.Now())
		if !ok || ctx.Err() != nil {
			continue
		}
		l.Log.Debug("job is due", "job", job.Ref, "due", due)
		l.Fire(ctx, job.Ref, due)
		l.remember(job.Ref, due)
		job.last = due
	}
	return l.sleep(jobs)
}

// remember stores up to when a job is dealt with. A store that cannot take it,
// as on a full disk, does not end the loop: this process knows it all the same,
// and only after a restart the slot may be taken once more.
func (l *Loop) remember(job string, due time.Time) {
	if err := l.Store.SetLastDue(job, due); err != nil {
		l.Log.Warn("due time not stored; after a restart the job may be started once more for it", "job", job, "due", due, "err", err)
	}
}

func (l *Loop) sleep(jobs []*pending) time.Duration {
	wait, now := maxSleep, l.Now()
	for _, job := range jobs {
		if next, ok := job.Schedule.Next(job.last); ok {
			wait = min(wait, next.Sub(now))
		}
	}
	return max(wait, 0)
}
