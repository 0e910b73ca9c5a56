package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/schedule"
)

// memory is a store in memory that takes nothing when err is set.
type memory struct {
	mu     sync.Mutex
	last   map[string]time.Time
	err    error
	paused bool
	// again is when the latest run, a sweep or not, asks to be started again.
	again time.Time
	sweep bool
}

func (m *memory) Paused(string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.paused, nil
}

func (m *memory) Again(string) (time.Time, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.again, m.sweep, nil
}

func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *memory) LastDue(job string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last[job], nil
}

func (m *memory) SetLastDue(job string, due time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.last == nil {
		m.last = map[string]time.Time{}
	}
	m.last[job] = due
	return nil
}

// fired are the runs that were asked for, with the time at which they were.
type fired []string

// runner accepts runs, or refuses them while busy holds an error.
type runner struct {
	mu   sync.Mutex
	busy error
	got  fired
	// onFire is called with each request; nil for nothing.
	onFire func()
}

func (r *runner) fire(_ context.Context, job string, sweep bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onFire != nil {
		r.onFire()
	}
	if r.busy != nil {
		return r.busy
	}
	if sweep {
		job += " sweep"
	}
	r.got = append(r.got, time.Now().UTC().Format("15:04:05")+" "+job)
	return nil
}

func (r *runner) set(busy error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = busy
}

// runFor lets a loop run for d of the bubble's time.
func runFor(t *testing.T, d time.Duration, store schedule.Store, jobs ...schedule.Job) fired {
	t.Helper()
	r := &runner{}
	runWith(t, d, store, r, nil, jobs...)
	return r.got
}

func runWith(t *testing.T, d time.Duration, store schedule.Store, r *runner, wake <-chan struct{}, jobs ...schedule.Job) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	loop := schedule.Loop{
		Jobs: jobs, Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Fire: r.fire, Wake: wake,
	}
	if err := loop.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// want fails unless the runs were those.
func want(t *testing.T, got fired, runs ...string) {
	t.Helper()
	if diff := cmp.Diff(got, fired(runs)); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

func TestALoopAsksForRunsWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := runFor(t, 50*time.Minute, &memory{},
			schedule.Job{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)},
			schedule.Job{Ref: "acme/every", Schedule: parse(t, "every 25m30s", time.UTC)},
			schedule.Job{Ref: "acme/manual"},
		)
		want := fired{
			"00:20:00 acme/cron",
			"00:25:30 acme/every",
			"00:40:00 acme/cron",
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSlotsMissedWhileDownBecomeOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		jobs := []schedule.Job{
			{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)},
			{Ref: "acme/seldom", Schedule: parse(t, "0 12 * * *", time.UTC)},
		}
		runFor(t, 5*time.Minute, store, jobs...)
		time.Sleep(3*time.Hour + time.Second)
		got := runFor(t, 20*time.Minute, store, jobs...)
		want := fired{"03:05:01 acme/cron", "03:20:00 acme/cron"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	})
}

func TestASlotIsNotTakenTwiceAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		job := schedule.Job{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)}
		runFor(t, 20*time.Minute+time.Second, store, job)
		if got := runFor(t, 5*time.Minute, store, job); got != nil {
			t.Errorf("got %v, want no run", got)
		}
	})
}

func TestADueTimeFromAWrongClockIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{last: map[string]time.Time{"acme/cron": time.Now().AddDate(30, 0, 0)}}
		got := runFor(t, 21*time.Minute, store, schedule.Job{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)})
		if diff := cmp.Diff(got, fired{"00:20:00 acme/cron"}); diff != "" {
			t.Error(diff)
		}
	})
}

func TestALoopGoesOnWhileTheStoreTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{err: errors.New("disk full")}
		got := runFor(t, 45*time.Minute, store, schedule.Job{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)})
		want := fired{"00:20:00 acme/cron", "00:40:00 acme/cron"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	})
}
