package main

import (
	"context"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

func TestAJobIsStaleWhenASecondDueTimeIsNotMet(t *testing.T) {
	t.Parallel()
	nine := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	job := func(schedule string) roster.Job {
		return roster.Job{Ref: "acme/leads", Schedule: schedule, Location: time.UTC}
	}
	for _, x := range []struct {
		schedule string
		// since is how long ago the last run that delivered was asked for, at nine.
		since, lag time.Duration
		stale      bool
	}{
		{"manual", 1000 * time.Hour, 0, false},
		{"0 9 * * *", 23 * time.Hour, 0, false},
		{"0 9 * * *", 30 * time.Hour, 6 * time.Hour, false},
		{"0 9 * * *", 48 * time.Hour, 24 * time.Hour, false},
		{"0 9 * * *", 49 * time.Hour, 25 * time.Hour, true},
		{"*/5 * * * *", 4 * time.Minute, 0, false},
		{"*/5 * * * *", 20 * time.Minute, 15 * time.Minute, false},
		{"*/5 * * * *", 40 * time.Minute, 35 * time.Minute, true},
		{"every 1h", 3 * time.Hour, 2 * time.Hour, true},
	} {
		lag, stale, err := lagOf(job(x.schedule), nine, nine.Add(x.since))
		if err != nil || lag != x.lag || stale != x.stale {
			t.Errorf("%s, %s later: lag %s, stale %t (%v), want %s, %t", x.schedule, x.since, lag, stale, err, x.lag, x.stale)
		}
	}
}

// past are runs, the latest first.
type past []roster.Run

func (p past) Runs(_ context.Context, f roster.RunFilter) ([]roster.Run, error) {
	for _, run := range p {
		for _, state := range f.State {
			if run.State == state && run.Job == f.Job {
				return []roster.Run{run}, nil
			}
		}
	}
	return nil, nil
}

func TestTheLastRunsAreLookedForOnceAndThenFollowed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	run := func(id string, state roster.RunState, hours int) roster.Run {
		ended := at.Add(time.Duration(hours) * time.Hour)
		return roster.Run{ID: id, Job: "acme/leads", State: state, Asked: ended.Add(-time.Minute), Ended: &ended}
	}
	from := past{run("r4", roster.RunCancelled, 4), run("r3", roster.RunFailed, 3), run("r2", roster.RunPartial, 2), run("r1", roster.RunOK, 1)}
	var l lastRuns
	check := func(what, judged string, success, delivered int) {
		t.Helper()
		got, err := l.of(t.Context(), from, "acme/leads")
		want := lastOf{
			judged: judged, success: at.Add(time.Duration(success) * time.Hour), delivered: at.Add(time.Duration(delivered) * time.Hour),
			asked: at.Add(time.Duration(delivered)*time.Hour - time.Minute),
		}
		if err != nil || got != want {
			t.Errorf("%s: got %+v, error %v, want %+v", what, got, err, want)
		}
	}
	check("found", "r3", 1, 2)
	from = nil
	l.ended(run("r5", roster.RunSkipped, 5))
	check("skipped", "r3", 1, 2)
	l.ended(run("r6", roster.RunPartial, 6))
	check("partial", "r6", 1, 6)
	l.ended(run("r7", roster.RunOK, 7))
	check("ok", "r7", 7, 7)
	from = past{run("r7", roster.RunPartial, 7)}
	l.forget("acme/leads")
	got, err := l.of(t.Context(), from, "acme/leads")
	if err != nil || !got.success.IsZero() || got.judged != "r7" {
		t.Errorf("forgotten: got %+v, error %v", got, err)
	}
}

func TestWhatIsToldOfARunHasItsCodeAndNotItsText(t *testing.T) {
	t.Parallel()
	ended := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	pic := jobPicture{last: &roster.Run{
		ID: "r1", State: roster.RunFailed, Ended: &ended, Counts: roster.Counts{Read: 120},
		Fault: &roster.Fault{Code: "adapter.auth", Message: "ann@example.com may not log in"},
	}}
	c := pic.run()
	if c.State != "failed" || c.Summary != "its last run failed (adapter.auth) with 120 records read" || c.Command != "rosterd runs r1" {
		t.Errorf("got %+v", c)
	}
	pic.Parked, pic.waiting = 2, 1
	if c := pic.parked(); c.State != "parked" || c.Summary != "2 creates and 1 session of it wait for a person" {
		t.Errorf("got %+v", c)
	}
}
