package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// waitingRoom are parts with a room, an import and the two directions of a sync.
func waitingRoom() (p *parts, launch, there, back roster.Job) {
	connections := map[string]roster.Connection{}
	for _, key := range []string{"crm", "club", "files", "intandem"} {
		connections[key] = roster.Connection{Ref: "acme/" + key, Concurrency: 2}
	}
	p = &parts{room: schedule.NewRoom(2)}
	p.current.Store(newSetup(&config.Config{Accounts: map[string]roster.Account{"acme": {ID: "acme", Connections: connections}}}))
	launch = roster.Job{Ref: "acme/launch", Account: "acme", Type: roster.JobImport, From: "acme/files", To: "acme/intandem"}
	there = roster.Job{Ref: "acme/there", Account: "acme", Type: roster.JobSync, From: "acme/crm", To: "acme/club", Kinds: []sdk.Kind{sdk.KindMember}}
	back = there
	back.Ref, back.From, back.To = "acme/back", there.To, there.From
	return p, launch, there, back
}

func emptyFlow(context.Context, roster.Run, roster.Job) (*pipeline.Flow, error) {
	return &pipeline.Flow{
		Deliver: func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
			return pipeline.Delivery{}, nil
		},
		Close: func() {},
	}, nil
}

func TestTheTwoDirectionsOfASyncRunOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, there, back := waitingRoom()
		open := p.admitted(func(view) opener { return emptyFlow })
		first, err := open(t.Context(), roster.Run{ID: "r1", Job: there.Ref}, there)
		if err != nil {
			t.Fatal(err)
		}
		begun := make(chan *pipeline.Flow, 1)
		go func() {
			flow, err := open(t.Context(), roster.Run{ID: "r2", Job: back.Ref}, back)
			if err != nil {
				t.Error(err)
			}
			begun <- flow
		}()
		synctest.Wait()
		if got := p.room.Waits("r2"); got != "waits for the member links of acme/club acme/crm, used by run r1" {
			t.Errorf("r2 %s", got)
		}
		if _, err := first.Deliver(t.Context(), roster.Run{}, nil); err != nil || p.room.Waits("r2") == "" {
			t.Error("a sync gave its place back before it was over")
		}
		first.Close()
		(<-begun).Close()
	})
}

func TestAnImportKeepsItsPlaceUntilItsChangeSetStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, launch, _, _ := waitingRoom()
		p.room = schedule.NewRoom(1)
		open := p.admitted(func(view) opener { return emptyFlow })
		first, err := open(t.Context(), roster.Run{ID: "r1"}, launch)
		if err != nil {
			t.Fatal(err)
		}
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		if _, err := open(ctx, roster.Run{ID: "r2"}, launch); !errors.Is(err, stopped) {
			t.Errorf("a second import began, or ended with %v", err)
		}
		if _, err := first.Deliver(t.Context(), roster.Run{}, nil); err != nil {
			t.Fatal(err)
		}
		// The first one is being delivered: one goes on after a restart, one begins.
		resumed, err := open(t.Context(), roster.Run{ID: "r0", State: roster.RunDelivering}, launch)
		if err != nil {
			t.Fatal(err)
		}
		second, err := open(t.Context(), roster.Run{ID: "r3"}, launch)
		if err != nil {
			t.Fatal(err)
		}
		for _, flow := range []*pipeline.Flow{first, resumed, second} {
			flow.Close()
		}
	})
}

func TestARunThatDoesNotOpenKeepsNoPlace(t *testing.T) {
	p, launch, _, _ := waitingRoom()
	p.room = schedule.NewRoom(1)
	refused := errors.New("refused")
	for range 2 {
		_, err := p.admitted(func(view) opener {
			return func(context.Context, roster.Run, roster.Job) (*pipeline.Flow, error) { return nil, refused }
		})(t.Context(), roster.Run{ID: "r1"}, launch)
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
	}
}
