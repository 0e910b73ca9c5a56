package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const pushedRef = "acme/crm"

// pushedParts are the parts around a store with jobs that read what is pushed.
// Their runs fail as long as fails is true.
func pushedParts(t *testing.T, fails *bool, jobs ...roster.Job) *parts {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &parts{
		log: slog.New(slog.DiscardHandler), inbound: &inbound{},
	}
	p.current.Store(newSetup(&config.Config{Jobs: jobs}))
	p.inbound.current.Store(&receiving{})
	if p.store, err = bolt.Open(t.Context(), dir, keys); err != nil {
		t.Fatal(err)
	}
	ids := 0
	p.runner = &pipeline.Runner{
		Runs: p.store, Quarantine: p.store, Cursors: p.store, Jobs: p.now().jobs, Now: time.Now, Sleep: sleep, Logger: p.log,
		NewID:   func() string { ids++; return fmt.Sprint("run-", ids) },
		Abandon: func(context.Context, roster.Run) (int, error) { return 0, nil },
		Open: func(context.Context, roster.Run, roster.Job) (*pipeline.Flow, error) {
			if *fails {
				return nil, errors.New("the target does not answer")
			}
			return nil, &roster.Fault{Code: "test"}
		},
	}
	if err := p.runner.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.runner.Stop()
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func pushTo(t *testing.T, p *parts, kind sdk.Kind, id string) {
	t.Helper()
	if _, err := p.store.SaveInbound(t.Context(), pushedRef, roster.Inbound{Kind: kind, ID: id}, 100); err != nil {
		t.Fatal(err)
	}
}

// runsOf waits for the runs that there are, and counts them.
func runsOf(t *testing.T, p *parts) int {
	t.Helper()
	runs, err := p.store.Runs(t.Context(), roster.RunFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if err := p.runner.Await(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
		if run.Trigger != triggerInbound {
			t.Errorf("run %s has the trigger %s", run.ID, run.Trigger)
		}
	}
	return len(runs)
}

func TestSavesThatComeTogetherShareARunAndAFailedOneIsTriedAgain(t *testing.T) {
	fails := true
	p := pushedParts(t, &fails, roster.Job{Ref: "acme/leads", From: pushedRef, Type: roster.JobSync}, roster.Job{Ref: "acme/other", From: "acme/gym"})
	pushTo(t, p, sdk.KindMember, "1")
	w := newWaker(p)
	at := time.Now()
	for range 5 {
		w.saved(pushedRef)
	}
	look := func(after time.Duration, want int) {
		t.Helper()
		w.look(t.Context(), at.Add(after))
		if got := runsOf(t, p); got != want {
			t.Errorf("after %s there are %d runs, want %d", after, got, want)
		}
	}
	look(0, 0)
	look(gatherTime+time.Second, 1)
	look(time.Minute, 1) // notices that the run failed
	w.saved(pushedRef)   // changes nothing: the job waits
	look(90*time.Second, 1)
	look(2*time.Minute, 2)
	look(2*time.Minute, 2)
	look(3*time.Minute, 2) // two minutes later now
	look(4*time.Minute, 3)
	if _, err := p.store.DropInbound(t.Context(), pushedRef, sdk.KindMember, 1); err != nil {
		t.Fatal(err)
	}
	look(5*time.Minute, 3)
	look(5*time.Hour, 3) // nothing waits any more
}

func TestAPausedJobIsStartedWhenItIsResumed(t *testing.T) {
	fails := false
	p := pushedParts(t, &fails, roster.Job{Ref: "acme/leads", From: pushedRef, Type: roster.JobSync})
	if err := p.store.PauseJob(t.Context(), "acme/leads", roster.Pause{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	w := newWaker(p)
	at := time.Now().Add(gatherTime)
	w.saved(pushedRef)
	w.look(t.Context(), at.Add(time.Second))
	if got := runsOf(t, p); got != 0 {
		t.Errorf("a paused job has %d runs", got)
	}
	if err := p.store.ResumeJob(t.Context(), "acme/leads"); err != nil {
		t.Fatal(err)
	}
	w.look(t.Context(), at.Add(time.Minute))
	if got := runsOf(t, p); got != 1 {
		t.Errorf("the resumed job has %d runs, want 1", got)
	}
}

// savingRuns are runs that are pushed to while each of them is accepted.
type savingRuns struct {
	pipeline.RunStore
	save func()
}

func (s savingRuns) CreateRun(ctx context.Context, run roster.Run) error {
	s.save()
	return s.RunStore.CreateRun(ctx, run)
}

// TestASaveWaitsForNoRunThatIsBeingStartedAndGetsAnotherOne: the run may have read
// already when the save is stored.
func TestASaveWaitsForNoRunThatIsBeingStartedAndGetsAnotherOne(t *testing.T) {
	fails := false
	p := pushedParts(t, &fails, roster.Job{Ref: "acme/leads", From: pushedRef, Type: roster.JobSync})
	w := newWaker(p)
	saves := 0
	p.runner.Runs = savingRuns{p.runner.Runs, func() {
		if saves++; saves == 1 {
			w.saved(pushedRef)
		}
	}}
	at := time.Now().Add(gatherTime)
	w.saved(pushedRef)
	for n, want := range []int{1, 2, 2} {
		w.look(t.Context(), at.Add(time.Duration(n+1)*time.Minute))
		if got := runsOf(t, p); got != want {
			t.Errorf("look %d: there are %d runs, want %d", n+1, got, want)
		}
	}
}

func TestWhatEveryJobHasReadIsRemoved(t *testing.T) {
	fails := false
	people := []sdk.Kind{sdk.KindProspect, sdk.KindMember}
	p := pushedParts(t, &fails, roster.Job{Ref: "acme/one", From: pushedRef, Kinds: people}, roster.Job{Ref: "acme/two", From: pushedRef, Kinds: people[1:]})
	for _, id := range []string{"1", "2", "3"} {
		pushTo(t, p, sdk.KindMember, id)
	}
	pushTo(t, p, sdk.KindProspect, "4")
	pushTo(t, p, sdk.KindStaff, "5") // nobody reads staff
	read := func(job, run, cursor string) {
		t.Helper()
		if err := p.store.CreateRun(t.Context(), roster.Run{ID: run, Job: job, State: roster.RunDelivering}); err != nil {
			t.Fatal(err)
		}
		with := roster.Delivery{Cursors: map[sdk.Kind]sdk.Cursor{sdk.KindMember: sdk.Cursor(cursor)}}
		if _, err := p.store.BeginDelivery(t.Context(), run, with, func(*roster.Run) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (ids []string) {
		t.Helper()
		if err := p.dropRead(t.Context(), pushedRef); err != nil {
			t.Fatal(err)
		}
		for _, kind := range sdk.Kinds() {
			found, err := p.store.InboundAfter(t.Context(), pushedRef, kind, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range found {
				ids = append(ids, record.ID)
			}
		}
		return ids
	}
	var got [][]string
	got = append(got, left())
	read("acme/one", "r1", "3")
	got = append(got, left())
	read("acme/two", "r2", "2")
	got = append(got, left())
	if diff := cmp.Diff([][]string{{"4", "1", "2", "3"}, {"4", "1", "2", "3"}, {"4", "3"}}, got); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

func TestASweepOfWhatWasPushedIsRefused(t *testing.T) {
	p := view{&parts{}, newSetup(&config.Config{Accounts: map[string]roster.Account{"acme": {Connections: map[string]roster.Connection{
		"crm": {Ref: pushedRef, Adapter: roster.AdapterInbound},
	}}}})}
	_, err := p.source(t.Context(), roster.Run{Scope: roster.Scope{Sweep: true}}, pushedRef, nil)
	if fault, ok := errors.AsType[*roster.Fault](err); !ok || fault.Code != "job.sweep" {
		t.Errorf("got %v", err)
	}
}
