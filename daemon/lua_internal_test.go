package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestAnEditorCompletesWhatEverySyncHas(t *testing.T) {
	for want, kinds := range map[string][]sdk.Kind{
		"email name ": {sdk.KindStaff, sdk.KindLeadSource},
		"name first_name last_name type status owner lead_source target_id ": {sdk.KindLeadSource, sdk.KindProspect, sdk.KindMember},
	} {
		got := ""
		for _, f := range syncFields(roster.Job{Kinds: kinds}) {
			got += f.Name + " "
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", kinds, diff)
		}
	}
}
