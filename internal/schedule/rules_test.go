package schedule_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
)

// The bubble's clock begins on Saturday, 1 January 2000, at midnight UTC.

func running() error { return &roster.RunningError{Job: "acme/x", Run: "r1"} }

func TestAJobThatSkipsMissedSlotsWaitsForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "0 * * * *", time.UTC), SkipMissed: true}
		runFor(t, time.Minute, store, job)
		time.Sleep(3*time.Hour + 30*time.Minute)
		want(t, runFor(t, time.Hour, store, job), "04:00:00 acme/x")
	})
}

func TestASlotOlderThanItsLimitIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			down time.Duration
			want []string
		}{
			{2*time.Hour + 40*time.Minute, nil},
			{2*time.Hour + 20*time.Minute, []string{"acme/x"}},
		} {
			store := &memory{}
			job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "0 * * * *", time.UTC), MaxAge: 30 * time.Minute}
			runFor(t, time.Second, store, job)
			time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(tt.down)))
			got := runFor(t, time.Minute, store, job)
			if len(got) != len(tt.want) {
				t.Errorf("after %s: got %v, want %v", tt.down, got, tt.want)
			}
		}
	})
}

func TestASlotThatMeetsARunIsLeftOutOrWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			queue bool
			want  []string
		}{
			{false, []string{"00:40:00 acme/x"}},
			// Two slots have met the run, and become one.
			{true, []string{"00:25:00 acme/x", "00:40:00 acme/x"}},
		} {
			synctest.Wait()
			time.Sleep(time.Until(time.Now().Truncate(24 * time.Hour).Add(24*time.Hour + time.Second)))
			r := &runner{busy: running()}
			job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "0,10,20,40 * * * *", time.UTC), QueueOne: tt.queue}
			go func() {
				time.Sleep(25*time.Minute - 2*time.Second)
				r.set(nil)
			}()
			runWith(t, 50*time.Minute, &memory{}, r, nil, job)
			want(t, r.got, tt.want...)
		}
	})
}

func TestASweepTakesThePlaceOfTheRunThatIsDueWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "*/30 * * * *", time.UTC), Sweep: parse(t, "0 1 * * *", time.UTC)}
		want(t, runFor(t, 100*time.Minute, store, job), "00:30:00 acme/x", "01:00:00 acme/x sweep", "01:30:00 acme/x")
		want(t, runFor(t, 10*time.Minute, store, job))
		// Missed together, they are one run too.
		time.Sleep(24 * time.Hour)
		want(t, runFor(t, time.Minute, store, job), "01:50:00 acme/x sweep")
	})
}

func TestASweepWaitsForTheRunThatItMeets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runner{busy: running()}
		job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "*/20 * * * *", time.UTC), Sweep: parse(t, "10 0 * * *", time.UTC)}
		go func() {
			time.Sleep(25*time.Minute - time.Second)
			r.set(nil)
		}()
		runWith(t, 45*time.Minute, &memory{}, r, nil, job)
		want(t, r.got, "00:25:00 acme/x sweep", "00:40:00 acme/x")
	})
}

func TestAJobIsPutOffByTheSameTimeAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "0 * * * *", time.UTC), Jitter: 10 * time.Minute}
		upcoming := job.Upcoming(time.Now(), 3)
		delay := upcoming[0].At.Sub(upcoming[0].At.Truncate(time.Hour))
		if delay <= 0 || delay >= job.Jitter {
			t.Fatalf("the delay is %s", delay)
		}
		var expect fired
		for _, slot := range upcoming {
			expect = append(expect, slot.At.Format("15:04:05")+" acme/x")
		}
		want(t, runFor(t, 3*time.Hour, &memory{}, job), expect...)
		other := job
		other.Ref = "acme/y"
		if other.Upcoming(time.Now(), 1)[0].At.Minute() == upcoming[0].At.Minute() {
			t.Error("two jobs are put off by the same time")
		}
		every := schedule.Job{Ref: "acme/x", Schedule: parse(t, "every 1h", time.UTC), Jitter: 10 * time.Minute}
		got := runFor(t, 3*time.Hour, &memory{}, every)
		if len(got) != 2 {
			t.Errorf("got %v, want two runs an hour apart", got)
		}
	})
}

func TestAPausedJobIsNotStartedAndCatchesUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, r, wake := &memory{paused: true}, &runner{}, make(chan struct{}, 1)
		job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "*/10 * * * *", time.UTC)}
		go func() {
			time.Sleep(35*time.Minute + time.Second)
			store.set(func() { store.paused = false })
			wake <- struct{}{}
		}()
		runWith(t, 45*time.Minute, store, r, wake, job)
		want(t, r.got, "00:35:01 acme/x", "00:40:00 acme/x")
	})
}

func TestARunThatAsksForItIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, r := &memory{again: time.Now().Add(17 * time.Minute)}, &runner{}
		go func() {
			time.Sleep(17*time.Minute + time.Second)
			store.set(func() { store.again = time.Time{} })
		}()
		runWith(t, time.Hour, store, r, nil, schedule.Job{Ref: "acme/manual"})
		want(t, r.got, "00:17:00 acme/manual")
	})
}

func TestASweepThatAsksForItIsStartedAgainAlthoughRunsCameBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, r := &memory{again: time.Now().Add(47 * time.Minute), sweep: true}, &runner{}
		job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "*/20 * * * *", time.UTC), Sweep: parse(t, "0 3 * * 0", time.UTC)}
		go func() {
			time.Sleep(20*time.Minute + time.Second)
			store.set(func() { store.again, store.sweep = time.Time{}, false })
		}()
		runWith(t, 30*time.Minute, store, r, nil, job)
		// The daemon is started anew meanwhile.
		runWith(t, time.Hour, store, r, nil, job)
		want(t, r.got, "00:20:00 acme/x", "00:40:00 acme/x", "00:47:00 acme/x sweep", "01:00:00 acme/x", "01:20:00 acme/x")
	})
}

func TestARunThatCannotBeStartedAgainIsNotTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		store, r := &memory{again: time.Now().Add(time.Minute)}, &runner{busy: roster.ErrNotFound}
		r.onFire = func() { tries++ }
		runWith(t, 2*time.Hour, store, r, nil, schedule.Job{Ref: "acme/x"})
		if tries != 1 {
			t.Errorf("%d tries, want 1", tries)
		}
	})
}

func TestUpcomingSlotsAreThoseOfBothSchedules(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 40, 0, 0, time.UTC) // a Sunday
	job := schedule.Job{Ref: "acme/x", Schedule: parse(t, "*/30 * * * *", time.UTC), Sweep: parse(t, "0 3 * * 0", time.UTC)}
	var got []string
	for _, slot := range job.Upcoming(at, 3) {
		text := slot.At.Format("15:04")
		if slot.Sweep {
			text += " sweep"
		}
		got = append(got, text)
	}
	if diff := cmp.Diff(got, []string{"03:00 sweep", "03:30", "04:00"}); diff != "" {
		t.Error(diff)
	}
	every := schedule.Job{Ref: "acme/x", Schedule: parse(t, "every 15m", time.UTC)}
	next, ok := every.Next(at, at.Add(-50*time.Minute), time.Time{})
	if wanted := at.Add(10 * time.Minute); !ok || !next.At.Equal(wanted) {
		t.Errorf("the next slot is %s, want %s", next.At, wanted)
	}
	if got := (schedule.Job{Ref: "acme/manual"}).Upcoming(at, 5); got != nil {
		t.Errorf("a manual job is due at %v", got)
	}
}
