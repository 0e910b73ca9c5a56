package admin_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (f *fake) Person(_ context.Context, who admin.PersonQuery) (admin.PersonReport, error) {
	switch {
	case who.Job == "acme/lunch":
		return admin.PersonReport{}, &admin.UnknownJobError{Job: who.Job}
	case who.ID == "twice":
		return admin.PersonReport{}, &roster.Fault{Code: "privacy.ambiguous", Message: "two records have the id", Hint: "name the connection"}
	}
	return admin.PersonReport{
		Account: "acme", Asked: start, Holding: roster.Holding{
			Subjects: []roster.Subject{{Connection: "acme/crm", Kind: sdk.KindMember, ID: "m1"}},
			Held: []roster.Held{{
				Where: roster.HeldLink, Job: "acme/launch", Run: "r-ended", Session: "s-open", From: "acme/crm", To: "acme/club", Kind: sdk.KindMember,
				Record: "m1", Target: "t1", Entry: "q-1", State: "created", At: &start, Until: "it is erased", Data: json.RawMessage(`{"x":1}`),
			}},
		},
		Elsewhere: []string{"backups"},
	}, f.fault
}

func (f *fake) ErasePerson(ctx context.Context, order admin.EraseOrder) (admin.Erasure, error) {
	if order.ID == "busy" {
		return admin.Erasure{}, &roster.Fault{Code: "privacy.busy", Message: "a run is under way", Hint: "wait"}
	}
	report, err := f.Person(ctx, order.PersonQuery)
	return admin.Erasure{PersonReport: report, Tombstone: aTombstone(), Remains: "a backup is being made"}, err
}

func (f *fake) Tombstones(context.Context, string) ([]roster.Tombstone, error) {
	return []roster.Tombstone{aTombstone()}, f.fault
}

func (f *fake) LiftTombstone(_ context.Context, id, _ string) (roster.Tombstone, error) {
	if id != "t1" {
		return roster.Tombstone{}, fmt.Errorf("tombstone %s: %w", id, roster.ErrNotFound)
	}
	return aTombstone(), f.fault
}

func aTombstone() roster.Tombstone {
	return roster.Tombstone{ID: "t1", Account: "acme", At: start, By: "ann", Reason: "their wish", Records: 2, Emails: 1}
}
