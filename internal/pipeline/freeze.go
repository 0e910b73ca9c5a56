package pipeline

import (
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxClientBytes bounds one frozen record, so that a page of a thousand of
// them fits into memory and into a patient client's time-out.
const maxClientBytes = 64 << 10

// freezer puts mapped records into the change set and turns away those that
// cannot be in it.
type freezer struct {
	changes ChangeSet
	seen    keySet
	fields  map[string]struct{}
	frozen  int
}

func newFreezer(changes ChangeSet) *freezer {
	return &freezer{changes: changes, seen: newKeySet(), fields: map[string]struct{}{}}
}

// take freezes one record. A refusal comes back as code and reason.
func (f *freezer) take(r *roster.MappedRecord) (code, reason string, err error) {
	if len(r.Data) > maxClientBytes {
		return roster.CodeFreezeTooLarge, fmt.Sprintf("the mapped record is larger than %d KiB", maxClientBytes>>10), nil
	}
	if !f.seen.add(r.Key) {
		return roster.CodeFreezeDuplicate, "a record with the same external_id comes before it", nil
	}
	if err := f.changes.Append(r.Key, r.Data); err != nil {
		return "", "", fmt.Errorf("freeze: %w", err)
	}
	f.frozen++
	return "", "", nil
}

// occurred notes which of a page's target fields its frozen records carry.
func (f *freezer) occurred(names []string, set roster.FieldSet) {
	for i, name := range names {
		if set.Has(i) {
			f.fields[name] = struct{}{}
		}
	}
}

// fieldNames returns the union of the frozen records' fields, sorted.
func (f *freezer) fieldNames() []string {
	names := make([]string, 0, len(f.fields))
	for name := range f.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// quarantined describes a record that the mapping or the freezer refused.
func quarantined(kind sdk.Kind, r *roster.MappedRecord, stage roster.Stage, code, reason string) roster.Quarantined {
	return roster.Quarantined{
		Kind: kind, Record: r.ID, Position: r.Position,
		Stage: stage, Code: code, Reason: reason, Payload: r.Payload,
	}
}
