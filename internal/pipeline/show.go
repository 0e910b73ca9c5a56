package pipeline

import (
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// ReadChanges returns at most limit changes of a change set, beginning with the
// entry from, in their order. Entries that change nothing at the target are left
// out, so that fewer than limit are returned at the end only.
func ReadChanges(changes Changes, from, limit int) ([]roster.Change, error) {
	var found []roster.Change
	if from < 0 || from >= changes.Len() || limit < 1 {
		return nil, nil
	}
	err := changes.Entries(from, changes.Len(), func(entry int, data []byte) error {
		c, err := parseChange(slices.Clone(data))
		if err != nil {
			return fmt.Errorf("entry %d: %w", entry, err)
		}
		if c.op != opRefresh {
			found = append(found, c.shown(entry))
		}
		if len(found) == limit {
			return errBatchFull
		}
		return nil
	})
	if err != nil && len(found) < limit {
		return nil, fmt.Errorf("read the change set: %w", err)
	}
	return found, nil
}

// shown is the change as a person looks at it.
func (c *change) shown(entry int) roster.Change {
	out := roster.Change{
		Entry: entry, Op: c.op, Kind: c.kind, Source: c.source, Target: c.target, Club: c.club, Position: c.position,
		Fields: c.changed, Owner: c.owner, LeadSource: c.leadSource, Data: c.data,
	}
	if len(out.Data) == 0 {
		out.Data = nil
	}
	if c.op != sdk.OpCreate {
		return out
	}
	out.Fields = slices.Clone(c.fields)
	for _, ref := range []struct{ name, id string }{{roster.OwnerField, c.owner}, {roster.LeadSourceField, c.leadSource}} {
		if ref.id != "" {
			out.Fields = append(out.Fields, ref.name)
		}
	}
	slices.Sort(out.Fields)
	return out
}

// Entry is what an entry of the change set of a sync holds of people.
type Entry struct {
	Op   sdk.Op
	Kind sdk.Kind
	// Source and Target are the record's ids, Owner that of its owner in the source,
	// and Hits those of records of the target that it may be.
	Source, Target, Owner string
	Hits                  []string
	// Data is the mapped record, Payload the source record.
	Data, Payload []byte
}

// Entries calls visit with every entry of the change set of a sync. What it is
// given is valid until it returns.
func Entries(changes Changes, visit func(Entry) error) error {
	return changes.Entries(0, changes.Len(), func(entry int, data []byte) error {
		c, err := parseChange(data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", entry, err)
		}
		return visit(Entry{
			Op: c.op, Kind: c.kind, Source: c.source, Target: c.target, Owner: c.owner, Hits: c.hits, Data: c.data, Payload: c.payload,
		})
	})
}
