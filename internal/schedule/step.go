package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// standing is where a job stands.
type standing struct {
	Job
	delay        time.Duration
	runs, sweeps track
	// tried is when a run asked to be started again and could not be.
	tried time.Time
}

// track are the slots of one schedule of a job. A slot is known by the time at
// which its zone's clock shows it first, whatever the clock does then: one that
// is not behind last is dealt with.
type track struct {
	name     string
	schedule Schedule
	sweep    bool
	// queues says that a slot that meets a run waits for its end.
	queues bool
	// last is up to when the slots are dealt with.
	last time.Time
	// again is when a run that was cut short is to go on; zero for never.
	again time.Time
	// queued says that a slot waits for the end of a run.
	queued bool
}

// step fires a job if it is due and returns how long it has nothing to do.
func (l *Loop) step(ctx context.Context, s *standing) time.Duration {
	now := l.Now()
	paused, err := l.Store.Paused(s.Ref)
	if err != nil {
		l.Log.Error("job not looked at", "job", s.Ref, "err", err)
		return never
	}
	if paused {
		s.runs.queued, s.sweeps.queued = false, false
		return never
	}
	l.learn(s)
	sweep, sweepDue := l.due(s, &s.sweeps, now)
	run, runDue := l.due(s, &s.runs, now)
	switch {
	case sweepDue && l.fire(ctx, s, &s.sweeps, sweep):
		l.settle(s, &s.sweeps, now)
		// The sweep reads what the run would have read.
		if runDue {
			l.settle(s, &s.runs, now)
		}
	case sweepDue:
		s.runs.queued = runDue
	case runDue && l.fire(ctx, s, &s.runs, run):
		l.settle(s, &s.runs, now)
	}
	return min(s.rest(&s.runs, now), s.rest(&s.sweeps, now))
}

// learn asks whether the latest run wants to be started again.
func (l *Loop) learn(s *standing) {
	at, sweep, err := l.Store.Again(s.Ref)
	if err != nil {
		l.Log.Error("job is not started again if its last run asked for it", "job", s.Ref, "err", err)
		return
	}
	if at.Equal(s.tried) {
		at = time.Time{}
	}
	if !sweep {
		s.runs.again = at
		return
	}
	s.runs.again = time.Time{}
	if !at.IsZero() && !at.Equal(s.sweeps.again) {
		s.sweeps.again = at
		l.remember(againName(s.Ref), at)
	}
}

// due returns the latest slot that is to be taken.
func (l *Loop) due(s *standing, t *track, now time.Time) (time.Time, bool) {
	if !t.again.IsZero() && !t.again.After(now) {
		return t.again, true
	}
	if t.schedule.Manual() {
		return time.Time{}, false
	}
	// A clock that was set back does not bring a slot of the calendar back. An
	// interval is no place in the calendar, and begins anew.
	if t.last.After(now.Add(clockSlack)) || t.schedule.every > 0 && t.last.After(now) {
		l.dealt(t, now)
	}
	at := now.Add(-s.delay)
	due, ok := t.schedule.Latest(t.last, at)
	if !ok {
		return time.Time{}, false
	}
	late := at.Sub(due)
	if s.MaxAge > 0 && late > s.MaxAge || s.SkipMissed && late > grace && !t.queued {
		l.Log.Info("missed due time left out", "job", s.Ref, "due", due, "sweep", t.sweep, "late_s", int64(late.Seconds()))
		t.queued = false
		l.dealt(t, due)
		return time.Time{}, false
	}
	return due, true
}

// fire asks for a run and reports whether the slot is dealt with.
func (l *Loop) fire(ctx context.Context, s *standing, t *track, due time.Time) bool {
	err := l.Fire(ctx, s.Ref, t.sweep)
	switch {
	case err == nil:
		l.Log.Debug("job was due", "job", s.Ref, "due", due, "sweep", t.sweep)
	case errors.Is(err, roster.ErrStopping), errors.Is(err, roster.ErrRunning) && t.queues:
		if !t.queued {
			l.Log.Info("due run waits: the job is running", "job", s.Ref, "due", due, "sweep", t.sweep)
		}
		t.queued = true
		return false
	case errors.Is(err, roster.ErrRunning):
		l.Log.Warn("due run left out: the job is running", "job", s.Ref, "due", due)
	default:
		l.Log.Error("due run not started", "job", s.Ref, "due", due, "err", err)
		if due.Equal(t.again) {
			s.tried = due
		}
	}
	return true
}

// settle notes that every slot up to now is dealt with.
func (l *Loop) settle(s *standing, t *track, now time.Time) {
	t.queued = false
	if !t.again.IsZero() {
		t.again = time.Time{}
		if t.sweep {
			l.remember(againName(s.Ref), t.again)
		}
	}
	if due, ok := t.schedule.Latest(t.last, now.Add(-s.delay)); ok {
		l.dealt(t, due)
	}
}

func (l *Loop) dealt(t *track, due time.Time) {
	t.last = due
	l.remember(t.name, due)
}

// rest is how long a track has nothing to do.
func (s *standing) rest(t *track, now time.Time) time.Duration {
	if t.queued {
		return queuePause
	}
	wait := never
	if next, ok := t.schedule.Next(t.last); ok {
		wait = next.Add(s.delay).Sub(now)
	}
	if !t.again.IsZero() {
		wait = min(wait, t.again.Sub(now))
	}
	return wait
}
