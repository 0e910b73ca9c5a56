package roster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestASyncTargetRequiresWhatItsKindAndTheTargetDo(t *testing.T) {
	fields := []sdk.TargetField{{Name: "email", Required: true}, {Name: "last_name", Required: true}, {Name: "phone"}, {Name: "owner"}}
	for name, test := range map[string]struct {
		kind              sdk.Kind
		info              sdk.TargetKind
		getter            bool
		required, present []string
	}{
		"a person":                    {sdk.KindMember, sdk.TargetKind{}, false, []string{"first_name", "last_name", "type", "status"}, nil},
		"a target without types":      {sdk.KindMember, sdk.TargetKind{Fields: []sdk.TargetField{{Name: "status"}}}, false, []string{"first_name", "last_name", "status"}, nil},
		"staff":                       {sdk.KindStaff, sdk.TargetKind{}, false, []string{"email"}, nil},
		"a lead source":               {sdk.KindLeadSource, sdk.TargetKind{}, false, []string{"name"}, nil},
		"a target that patches":       {sdk.KindProspect, sdk.TargetKind{Update: sdk.UpdatePatch, Fields: fields}, false, []string{"first_name", "last_name", "email"}, nil},
		"a target that replaces":      {sdk.KindStaff, sdk.TargetKind{Update: sdk.UpdateReplace, Fields: fields}, false, []string{"email", "last_name"}, []string{"email", "last_name", "phone"}},
		"one that can be read before": {sdk.KindStaff, sdk.TargetKind{Update: sdk.UpdateReplace, Fields: fields}, true, []string{"email", "last_name"}, nil},
	} {
		policies := map[string]roster.FieldPolicy{"phone": roster.PolicyNeverNull}
		key := digest.Key{1}
		want := roster.MapTarget{
			Kind: test.kind, Required: test.required, Present: test.present, Digests: &key, References: true,
			Fields: test.info.Fields, Policies: policies,
		}
		if diff := cmp.Diff(want, roster.SyncTarget(test.kind, test.info, key, policies, test.getter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
