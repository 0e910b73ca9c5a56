package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxClientBytes bounds one frozen record, so that a page of a thousand of
// them fits into memory and into a patient client's time-out.
const maxClientBytes = 64 << 10

// freezer makes the change set of an import: it puts mapped records into it and
// turns away those that cannot be in it.
type freezer struct {
	p       *preparation
	changes ChangeSet
	seen    keySet
	fields  map[string]struct{}
	frozen  int
}

func newFreezer(p *preparation, changes ChangeSet) *freezer {
	return &freezer{p: p, changes: changes, seen: newKeySet(), fields: map[string]struct{}{}}
}

// mapPage maps every record of a page.
func (f *freezer) mapPage(ctx context.Context, page *sdk.Page) mappedPage {
	mapped, err := f.p.flow.Mapper.Map(ctx, page)
	switch {
	case err != nil:
		return mappedPage{err: fmt.Errorf("map: %w", err)}
	case len(mapped.Records) != page.Rows:
		return mappedPage{err: fmt.Errorf("map: %d outcomes for %d records", len(mapped.Records), page.Rows)}
	}
	return mappedPage{page: page, mapped: mapped}
}

// take sorts the records of one page into frozen, skipped and quarantined.
func (f *freezer) take(_ context.Context, kind sdk.Kind, page mappedPage) error {
	var fields roster.FieldSet
	for i := range page.mapped.Records {
		record := &page.mapped.Records[i]
		mapped, err := f.p.verdict(kind, record)
		if err != nil {
			return err
		}
		if !mapped {
			continue
		}
		frozen, err := f.record(kind, record)
		if err != nil {
			return err
		}
		if frozen {
			fields.Union(record.Fields)
		}
	}
	f.occurred(page.mapped.Fields, fields)
	f.p.counts.Frozen = f.frozen
	return nil
}

func (f *freezer) record(kind sdk.Kind, record *roster.MappedRecord) (frozen bool, err error) {
	code, reason, err := f.freeze(record)
	if err != nil || code == "" {
		return err == nil, err
	}
	refused := quarantined(kind, record, roster.StageFreeze, code, reason)
	if refused.Payload == nil {
		refused.Payload = record.Data
	}
	f.p.refuse(refused)
	return false, nil
}

// removed does nothing: a client that is gone from the source stays.
func (f *freezer) removed(context.Context, sdk.Kind, []string) error { return nil }

// end has nothing to add: a client that is gone from the source stays where it
// was imported.
func (f *freezer) end(context.Context) error { return nil }

// freeze freezes one record. A refusal comes back as code and reason.
func (f *freezer) freeze(r *roster.MappedRecord) (code, reason string, err error) {
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
		Kind: kind, Record: r.ID, Position: r.Position, Club: r.Club,
		Stage: stage, Code: code, Reason: reason, Payload: r.Payload,
	}
}
