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

// memory is a store in memory that fails when err is set.
type memory struct {
	mu   sync.Mutex
	last map[string]time.Time
	err  error
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

// runFor lets a loop run for d of the bubble's time.
func runFor(t *testing.T, d time.Duration, store schedule.Store, jobs ...schedule.Job) fired {
	t.Helper()
	var got fired
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	loop := schedule.Loop{
		Jobs: jobs, Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Fire: func(_ context.Context, job string, due time.Time) {
			got = append(got, time.Now().UTC().Format("15:04:05")+" "+job+" due "+due.UTC().Format("15:04:05"))
		},
	}
	if err := loop.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestALoopAsksForRunsWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := runFor(t, 50*time.Minute, &memory{},
			schedule.Job{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)},
			schedule.Job{Ref: "acme/every", Schedule: parse(t, "every 25m30s", time.UTC)},
			schedule.Job{Ref: "acme/manual"},
		)
		want := fired{
			"00:20:00 acme/cron due 00:20:00",
			"00:25:30 acme/every due 00:25:30",
			"00:40:00 acme/cron due 00:40:00",
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
		want := fired{"03:05:01 acme/cron due 03:00:00", "03:20:00 acme/cron due 03:20:00"}
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
		if diff := cmp.Diff(got, fired{"00:20:00 acme/cron due 00:20:00"}); diff != "" {
			t.Error(diff)
		}
	})
}

func TestALoopGoesOnWhileTheStoreTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{err: errors.New("disk full")}
		got := runFor(t, 45*time.Minute, store, schedule.Job{Ref: "acme/cron", Schedule: parse(t, "*/20 * * * *", time.UTC)})
		want := fired{"00:20:00 acme/cron due 00:20:00", "00:40:00 acme/cron due 00:40:00"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	})
}
