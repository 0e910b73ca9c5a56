package storetest

import (
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

func testAlerts(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	found, err := s.Alerts(ctx)
	must(t, err)
	if len(found) != 0 {
		t.Fatalf("a new store has alerts: %v", found)
	}
	failed := roster.Alert{Receiver: "ops", Subject: "acme/x", Facet: "run", Told: "failed", Sent: begin()}
	parked := roster.Alert{
		Receiver: "ops", Subject: "acme/x", Facet: "parked",
		Next: &roster.AlertMessage{ID: "m1", State: "parked", Since: begin().Add(time.Minute), Tries: 2},
	}
	must(t, s.PutAlerts(ctx, []roster.Alert{failed, parked}))
	must(t, s.PutAlerts(ctx, nil))
	wantErr(t, s.PutAlerts(ctx, []roster.Alert{{Receiver: "ops", Facet: "run", Told: "failed"}}), roster.ErrInvalid)
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	found, err = s.Alerts(ctx)
	must(t, err)
	same(t, found, []roster.Alert{parked, failed})
	failed.Told = ""
	must(t, s.PutAlerts(ctx, []roster.Alert{failed}))
	found, err = s.Alerts(ctx)
	must(t, err)
	same(t, found, []roster.Alert{parked})
}
