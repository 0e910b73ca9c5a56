package turnup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/turnup"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestClubsAreMatchedById(t *testing.T) {
	t.Parallel()
	found, missing := turnup.Clubs(map[string]string{"downtown": "12", "airport": "99", "uptown": "7"}, []sdk.Club{{ID: "12", Name: "Downtown"}, {ID: "13", Name: "airport"}})
	want := []turnup.Club{{ID: "12", Name: "Downtown", Club: "downtown"}, {ID: "13", Name: "airport"}}
	if diff := cmp.Diff(want, found) + cmp.Diff([]string{"airport", "uptown"}, missing); diff != "" {
		t.Error(diff)
	}
}

func TestStaffAreMatchedByEmailAndOneAtATime(t *testing.T) {
	t.Parallel()
	got := turnup.Staff([]sdk.Staff{
		{ID: "1", Email: " Ann@Example.com"},
		{ID: "2", Email: "bob@example.com"},
		{ID: "3"},
		{ID: "4", Email: "cy@example.com", Inactive: true},
		{ID: "5", Email: "dee@example.com"},
		{ID: "6", Email: "eve@example.com"},
		{ID: "7", Email: "EVE@example.com"},
		{ID: "8", Email: "fay@example.com"},
	}, []sdk.Staff{
		{ID: "a", Email: "ann@example.com"},
		{ID: "c", Email: "cy@example.com"},
		{ID: "d1", Email: "dee@example.com"},
		{ID: "d2", Email: "dee@example.com"},
		{ID: "e", Email: "eve@example.com"},
		{ID: "f", Email: "fay@example.com", Inactive: true},
	})
	want := []turnup.StaffMember{
		{ID: "1", Other: "a", Verdict: turnup.Links},
		{ID: "2", Verdict: turnup.NoneThere},
		{ID: "3", Verdict: turnup.NoEmail},
		{ID: "4", Other: "c", Verdict: turnup.Links},
		{ID: "5", Verdict: turnup.Several},
		{ID: "6", Verdict: turnup.Several},
		{ID: "7", Verdict: turnup.Several},
		{ID: "8", Verdict: turnup.NoneThere},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
