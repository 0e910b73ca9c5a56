package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestACreateThatWasToBeSentAgainWhenTheDaemonStoppedIsSent(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.club.fault = func(n int, _ sdk.Operation) string {
		return []string{"", "gone", "gone", "gone", "busy", "", "busy"}[n]
	}
	sleep, stopped := p.Sleep, make(chan struct{})
	p.Sleep = func(ctx context.Context, d time.Duration) error {
		if p.club.calls <= 3 {
			return sleep(ctx, d) // until the creates can be searched for
		}
		go func() { defer close(stopped); p.Stop() }()
		<-ctx.Done()
		return ctx.Err()
	}
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-stopped
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.club.fault = nil
	p.begin()
	run = p.await(run.ID)
	if run.State != roster.RunOK || *run.Counts.Created != 3 || len(p.club.records) != 3 {
		t.Errorf("%s %v, %+v, the target has %v", run.State, run.Fault, run.Counts, p.club.names())
	}
}

func TestWhatIsNotRefusedAgainAfterAStopIsInNoQuarantine(t *testing.T) {
	list := people(3)
	list[2].name = "bad"
	p := newPair(t, newCRM(list...), newClub(sdk.ClassC))
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "busy", "reject"}[n] }
	run := p.stopIn(pipeline.Order{Job: syncJob})
	if run.State != roster.RunPartial || *run.Counts.Created != 2 || run.Counts.Quarantined != 1 || len(p.quarantined()) != 1 {
		t.Errorf("%s %v, %+v, quarantined %v", run.State, run.Fault, run.Counts, p.quarantined())
	}
}

func TestAnAnswerThatEndsARunIsCountedOnceWhereTheDaemonStopsMeanwhile(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	stops, stopped := make(chan struct{}), make(chan struct{})
	p.Sleep = func(ctx context.Context, _ time.Duration) error {
		close(stops)
		<-ctx.Done()
		return ctx.Err()
	}
	p.club.fault = func(n int, _ sdk.Operation) string {
		if n > 1 {
			return ""
		}
		go func() { defer close(stopped); p.Stop() }()
		<-stops
		return "auth"
	}
	run, err := p.Order(t.Context(), pipeline.Order{Job: syncJob})
	if err != nil {
		t.Fatal(err)
	}
	<-stopped
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.club.fault = nil
	p.begin()
	if run = p.await(run.ID); run.State != roster.RunOK || *run.Counts.Created != 3 || len(p.club.records) != 3 {
		t.Errorf("%s %v, %+v, the target has %v", run.State, run.Fault, run.Counts, p.club.names())
	}
}

func TestWhatARunHasDeliveredThatWentOnIsSentAnewWhenTheScriptChanges(t *testing.T) {
	p := newPair(t, newCRM(people(3)...), newClub(sdk.ClassC))
	p.club.fault = func(int, sdk.Operation) string { return "busy" }
	if run := p.stopIn(pipeline.Order{Job: syncJob}); run.State != roster.RunOK || *run.Counts.Created != 3 {
		t.Fatalf("%s %v, %+v", run.State, run.Fault, run.Counts)
	}
	p.mapping, p.spoil, p.read = 8, strings.ToUpper, false
	if run := p.run(); *run.Counts.Updated != 3 || p.club.names()["NAME 00"] != 1 {
		t.Errorf("%s %v, %+v, the target has %v", run.State, run.Fault, run.Counts, p.club.names())
	}
}
