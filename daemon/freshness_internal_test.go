package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestAScheduleIsFreshLateOrStale(t *testing.T) {
	t.Parallel()
	nine := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		schedule, sweep string
		// since is how long ago the last run that delivered was asked for, at nine.
		since time.Duration
		want  admin.Freshness
	}{
		{"manual", "", 1000 * time.Hour, ""},
		{"manual", "0 9 * * *", 25 * time.Hour, admin.Late},
		{"0 9 * * *", "", 23 * time.Hour, admin.Fresh},
		{"0 9 * * *", "", 24*time.Hour + staleGrace, admin.Fresh},
		{"0 9 * * *", "", 24*time.Hour + staleGrace + time.Second, admin.Late},
		{"0 9 * * *", "", 48*time.Hour + staleGrace, admin.Late},
		{"0 9 * * *", "", 48*time.Hour + staleGrace + time.Second, admin.Stale},
		{"every 1h", "", 76 * time.Minute, admin.Late},
		{"*/5 * * * *", "", 20 * time.Minute, admin.Fresh},
	} {
		job := roster.Job{Ref: "acme/leads", Schedule: x.schedule, Location: time.UTC, Sync: roster.SyncOptions{Sweep: x.sweep}}
		if got, err := freshnessOf(job, nine, nine.Add(x.since)); err != nil || got != x.want {
			t.Errorf("%s sweep %q, %s later: %q (%v), want %q", x.schedule, x.sweep, x.since, got, err, x.want)
		}
	}
}

func TestAJobShowsWhatItDoesAndWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	later, earlier, three := now.Add(5*time.Hour), now.Add(-3*time.Hour), 3
	counts := roster.Counts{Read: 9, ToCreate: 4, ToUpdate: 2, ToDeactivate: 1, ToLink: 1, Created: &three, Linked: 1, Frozen: 8, Served: 5}
	run := func(kind roster.JobType, state roster.RunState, waits string) *roster.Run {
		return &roster.Run{Type: kind, State: state, Waits: waits, Counts: counts}
	}
	for want, j := range map[string]admin.JobStatus{
		"-":                                     {},
		"waits for a quota until Mon 14:00 UTC": {QuotaAgain: &later},
		"queued: for a place":                   {Running: run(roster.JobSync, roster.RunQueued, "for a place")},
		"preparing 9 read":                      {Running: run(roster.JobImport, roster.RunPreparing, "")},
		"delivering 5/8":                        {Running: run(roster.JobImport, roster.RunDelivering, "")},
		"delivering 4/8: for the quota":         {Running: run(roster.JobSync, roster.RunDelivering, "for the quota")},
	} {
		if j.Running != nil {
			j.Progress = progressOf(*j.Running)
		}
		cells := jobCells(j, now)
		if got := cells[len(cells)-1]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	cells := jobCells(admin.JobStatus{
		Next: &later, LastSuccess: &earlier, Freshness: admin.Late, Last: &roster.Run{State: roster.RunPartial, Asked: now.Add(-time.Minute)},
	}, now)
	if got := []any{cells[3], cells[4], cells[5], cells[6]}; got[0] != "Mon 14:00 UTC" || got[1] != "partial 1m ago" || got[2] != "3h ago" || got[3] != "late" {
		t.Errorf("got %q", got)
	}
}

func TestAStaleScheduleIsAProblemUnlessItsJobRuns(t *testing.T) {
	t.Parallel()
	js := admin.JobStatus{Ref: "acme/leads", Freshness: admin.Stale}
	if f := staleProblem(js); len(f) != 1 || f[0].Command != "rosterd job run acme/leads" {
		t.Errorf("got %+v", f)
	}
	js.Running = &roster.Run{}
	if f := staleProblem(js); len(f) != 0 {
		t.Errorf("of a job that runs: %+v", f)
	}
	if f := staleProblem(admin.JobStatus{Freshness: admin.Late}); len(f) != 0 {
		t.Errorf("of a job that is late: %+v", f)
	}
}

func TestOnlyAParkedAdapterThatIsUsedIsAProblem(t *testing.T) {
	t.Parallel()
	health := []adapters.Health{{Name: "csv", Parked: true, Ends: 5}, {Name: "rest"}, {Name: "old", Parked: true}}
	if f := adapterProblems([]string{"csv", "rest"}, health); len(f) != 1 || f[0].Message != "adapter csv has ended 5 times and is not started again" {
		t.Errorf("got %+v", f)
	}
}

// drawnBy plays a watched status whose nth screen is what draw says, and ends it
// behind the last.
func drawnBy(t *testing.T, c *cli, redraws bool, screens ...func(*cli) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := &cobra.Command{Use: "status"}
	cmd.SetContext(ctx)
	ticks := make(chan time.Time, len(screens))
	for i := range screens {
		ticks <- time.Date(2026, 3, 2, 9, 0, 2*i+2, 0, time.UTC)
	}
	n := 0
	return c.screens(cmd, ticks, redraws, func(drawn *cli, _ context.Context) error {
		if n == len(screens) {
			cancel()
			return ctx.Err()
		}
		n++
		return screens[n-1](drawn)
	})
}

func says(text string) func(*cli) error {
	return func(c *cli) error {
		_, err := c.stdout.Write([]byte(text + "\n"))
		return err
	}
}

func TestAWatchedStatusIsDrawnOverOrBehindTheOneBefore(t *testing.T) {
	t.Parallel()
	gone := func(*cli) error { return errors.New("gone") }
	for name, x := range map[string]struct {
		redraws, json bool
		want          string
	}{
		"on a terminal": {true, false, home + "one\nevery 2s; Ctrl-C ends it\n" + home + "rosterd: gone\nevery 2s; Ctrl-C ends it\n" + home + "two\nevery 2s; Ctrl-C ends it\n"},
		"elsewhere":     {false, false, "one\n--- 2026-03-02T09:00:02Z\nrosterd: gone\n--- 2026-03-02T09:00:04Z\ntwo\n"},
		"as JSON":       {true, true, "one\n" + `{"command":"status","ok":false,"error":{"code":"failure","message":"gone","exit":1}}` + "\ntwo\n"},
	} {
		var out bytes.Buffer
		c := &cli{process: process{stdout: &out, stderr: &out}, json: x.json}
		if err := drawnBy(t, c, x.redraws, says("one"), gone, says("two")); err != nil || out.String() != x.want {
			t.Errorf("%s: %v, got %q, want %q", name, err, out.String(), x.want)
		}
	}
}

func TestAWatchedStatusEndsWithWhatIsWrongTheFirstTime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{process: process{stdout: &out, stderr: &out}}
	err := drawnBy(t, c, true, func(*cli) error { return errors.New("no such file") })
	if err == nil || !strings.Contains(err.Error(), "no such file") || out.Len() > 0 {
		t.Errorf("error %v, output %q", err, out.String())
	}
}
