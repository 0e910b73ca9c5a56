package main

import (
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

func TestTheScheduleHearsOfPausesAndOfRunsThatAskToBeStartedAgain(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(ctx, dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	times := timings{s}
	asked := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	again := asked.Add(21 * time.Hour)
	for i, run := range []roster.Run{
		{ID: "r1", Trigger: triggerSweep, State: roster.RunPartial, Again: &again},
		{ID: "r2", Trigger: triggerSchedule, State: roster.RunPartial, Again: &again},
		{ID: "r3", Trigger: triggerSchedule, State: roster.RunDelivering, Again: &again},
		{ID: "r4", Trigger: "manual", State: roster.RunOK},
	} {
		run.Job, run.Asked = "acme/x", asked.Add(time.Duration(i)*time.Minute)
		if err := s.CreateRun(ctx, run); err != nil {
			t.Fatal(err)
		}
		at, sweep, err := times.Again("acme/x")
		want := run.Again != nil && run.State.Ended()
		if err != nil || at.Equal(again) != want || sweep != (run.Trigger == triggerSweep) {
			t.Errorf("behind %s: again %s, sweep %t, error %v", run.ID, at, sweep, err)
		}
	}
	if err := s.PauseJob(ctx, "acme/x", roster.Pause{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	for job, want := range map[string]bool{"acme/x": true, "acme/y": false} {
		if paused, err := times.Paused(job); err != nil || paused != want {
			t.Errorf("%s is paused: %t, error %v", job, paused, err)
		}
	}
	if at, _, err := times.Again("acme/none"); err != nil || !at.IsZero() {
		t.Errorf("a job without runs is to be started again at %s, error %v", at, err)
	}
}
