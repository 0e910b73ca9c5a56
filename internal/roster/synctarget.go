package roster

import (
	"slices"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// SyncTarget is the [MapTarget] of the records of a kind in a sync. Mandatory
// are the fields of the kind and those that the target declares so. The target
// keeps a record's id, so no field identifies it.
//
// An update of a target that replaces empties the fields that it does not carry,
// and without getter, the ability sdk.Getter, nobody can fill them in with their
// present values: then a record has to carry every field that the target
// declares.
func SyncTarget(kind sdk.Kind, info sdk.TargetKind, key digest.Key, policies map[string]FieldPolicy, getter bool) MapTarget {
	declared := info.Fields
	if info.OtherFields {
		declared = nil
	}
	t := MapTarget{
		Kind: kind, Required: mandatory(kind, declared), Digests: &key, References: true,
		Fields: info.Fields, OtherFields: info.OtherFields, Policies: policies,
	}
	for _, f := range info.Fields {
		if f.Required && !slices.Contains(t.Required, f.Name) {
			t.Required = append(t.Required, f.Name)
		}
		// The references are there in any case: a record without one has none.
		if info.Update == sdk.UpdateReplace && !getter && f.Name != OwnerField && f.Name != LeadSourceField {
			t.Present = append(t.Present, f.Name)
		}
	}
	return t
}

// mandatory are the fields without which no record of a kind is sent: a person
// has a name, a type and a status, staff are matched by their address and lead
// sources by their name (seed document of the receiving side, "Fields", "Staff
// Synchronization" and "Lead Source Synchronization"). A target that declares its
// fields may know no type or no status.
func mandatory(kind sdk.Kind, declared []sdk.TargetField) []string {
	switch kind {
	case sdk.KindStaff:
		return []string{"email"}
	case sdk.KindLeadSource:
		return []string{"name"}
	case sdk.KindProspect, sdk.KindMember:
	}
	names := []string{"first_name", "last_name"}
	for _, name := range []string{"type", "status"} {
		if len(declared) == 0 || slices.ContainsFunc(declared, func(f sdk.TargetField) bool { return f.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}
