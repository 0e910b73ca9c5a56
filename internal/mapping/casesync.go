package mapping

import (
	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// newCaseFile is a file without a context, for the script of a sync or, where
// that is nil, of an import.
func newCaseFile(sync *roster.Job) *caseFile {
	kind := sdk.KindMember
	if sync != nil && len(sync.Kinds) == 1 {
		kind = sync.Kinds[0]
	}
	return &caseFile{target: caseTarget(kind, sync), sync: sync}
}

// caseTarget is what the records of cases must be. What the job's target
// declares is not known here, and nothing is compared by digests.
func caseTarget(kind sdk.Kind, sync *roster.Job) roster.MapTarget {
	if sync == nil {
		return roster.ImportTarget(kind)
	}
	target := roster.SyncTarget(kind, sdk.TargetKind{Kind: kind}, digest.Key{}, sync.Sync.Policies, true)
	target.Digests = nil
	return target
}

// fieldsOf are the fields of a mapped record with its references, as a script
// names them.
func fieldsOf(got roster.MappedRecord) (map[string]any, error) {
	var fields map[string]any
	if err := strictJSON(got.Data, &fields); err != nil {
		return nil, err
	}
	for name, id := range map[string]string{roster.OwnerField: got.Owner, roster.LeadSourceField: got.LeadSource, roster.TargetField: got.Target} {
		if id != "" {
			fields[name] = id
		}
	}
	return fields, nil
}

// references describes those of a mapped record that has any.
func references(got roster.MappedRecord) string {
	text := ""
	if got.Owner != "" {
		text += ", owner " + got.Owner
	}
	if got.LeadSource != "" {
		text += ", lead_source " + got.LeadSource
	}
	if got.Target != "" {
		text += ", target_id " + got.Target
	}
	return text
}
