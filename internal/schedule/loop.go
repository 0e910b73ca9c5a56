package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Store remembers up to when the slots of each job are dealt with, so that a
// restarted daemon knows which it missed, and tells how the jobs stand.
type Store interface {
	// LastDue returns the zero time for a name that was never seen. The name is
	// the job's ref, or [SweepName] of it for its sweeps.
	LastDue(name string) (time.Time, error)
	SetLastDue(name string, due time.Time) error
	// Paused reports whether a person has paused the job.
	Paused(job string) (bool, error)
	// Again returns when the latest run of the job, if it is over, asks to be
	// started again, the zero time if it does not, and whether it was a sweep.
	Again(job string) (at time.Time, sweep bool, err error)
}

// SweepName is the name under which the slots of a job's sweep are remembered.
func SweepName(job string) string { return job + " sweep" }

// againName is the name under which a sweep that asks to be started again is
// remembered: runs between do not take its place.
func againName(job string) string { return job + " sweep again" }

// Loop asks for runs when they are due. Its fields are set before [Loop.Run] and
// not changed.
type Loop struct {
	Jobs  []Job
	Store Store
	// Fire asks for a run of the job, a sweep or one that reads what its job says.
	// It returns when the run is accepted or refused, and does not wait for its
	// end: with roster.ErrRunning when the job has a run that is not over. After a
	// crash it may be called again for the same slot.
	Fire func(ctx context.Context, job string, sweep bool) error
	// Wake makes the loop look at once, as when a job was resumed; nil for never.
	Wake <-chan struct{}
	// Now is the clock.
	Now func() time.Time
	Log *slog.Logger
}

const (
	// maxSleep bounds how late the loop notices a clock that was set, or a
	// machine that slept: timers follow neither.
	maxSleep = time.Minute
	// minSleep keeps a clock that stands still, or runs backwards, from making the
	// loop spin.
	minSleep = 50 * time.Millisecond
	// queuePause is how often a slot that waits for the end of a run is tried.
	queuePause = 5 * time.Second
	// grace is how late a slot may be noticed without being a missed one.
	grace = 2 * maxSleep
	// clockSlack is how far in the future a stored due time may be. One
	// further off was written under a wrong clock and is forgotten.
	clockSlack = 24 * time.Hour
	// never is a rest without an end.
	never = time.Duration(math.MaxInt64)
)

// Run asks for runs until ctx ends, and then returns nil. Slots that were
// missed while no loop ran become one run, at once, unless their job leaves them
// out. It returns an error when the store cannot tell where the jobs stand;
// whoever starts it waits for it to return.
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
		case <-l.Wake:
		}
		timer.Reset(min(l.tick(ctx, jobs), maxSleep))
	}
}

// recall loads where each job stands. A job that was never seen starts here,
// which is stored too: its first slot may be missed as well.
func (l *Loop) recall() ([]*standing, error) {
	var jobs []*standing
	for _, job := range l.Jobs {
		s := &standing{
			Job: job, delay: job.delay(),
			runs:   track{name: job.Ref, schedule: job.Schedule, queues: job.QueueOne},
			sweeps: track{name: SweepName(job.Ref), schedule: job.Sweep, queues: true, sweep: true},
		}
		for _, t := range []*track{&s.runs, &s.sweeps} {
			if t.schedule.Manual() {
				continue
			}
			var err error
			if t.last, err = l.Store.LastDue(t.name); err != nil {
				return nil, fmt.Errorf("recall last due time of %s: %w", t.name, err)
			}
			if t.last.IsZero() {
				l.dealt(t, t.schedule.begin(l.Now(), s.delay))
			}
		}
		var err error
		if s.sweeps.again, err = l.Store.LastDue(againName(job.Ref)); err != nil {
			return nil, fmt.Errorf("recall when %s is to be swept again: %w", job.Ref, err)
		}
		jobs = append(jobs, s)
	}
	return jobs, nil
}

// tick fires every job that is due and returns how long there is nothing to do.
func (l *Loop) tick(ctx context.Context, jobs []*standing) time.Duration {
	wait := never
	for _, job := range jobs {
		if ctx.Err() != nil {
			break
		}
		wait = min(wait, l.step(ctx, job))
	}
	return max(wait, minSleep)
}

// remember stores up to when a job is dealt with. A store that cannot take it,
// as on a full disk, does not end the loop: this process knows it all the same,
// and only after a restart the slot may be taken once more.
func (l *Loop) remember(name string, due time.Time) {
	if err := l.Store.SetLastDue(name, due); err != nil {
		l.Log.Warn("due time not stored; after a restart the job may be started once more for it", "job", name, "due", due, "err", err)
	}
}
