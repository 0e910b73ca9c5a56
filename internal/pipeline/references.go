package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// references are the target's ids of the staff member and the lead source that
// a record refers to; empty for none.
type references struct {
	owner, leadSource string
	// open says that a reference has no link, so that it is left out.
	open bool
	// pending says that the run itself creates what a reference leads to.
	pending bool
	// unlinked names the kind of it.
	unlinked sdk.Kind
}

// each calls visit with the references that there are, by the names under which
// they count among a record's fields.
func (r references) each(visit func(name, id string)) {
	if r.owner != "" {
		visit(roster.OwnerField, r.owner)
	}
	if r.leadSource != "" {
		visit(roster.LeadSourceField, r.leadSource)
	}
}

// resolver finds the target's ids of staff and lead sources by their links. It
// serves one goroutine and remembers what it has found: staff and lead sources
// are few, and people refer to them again and again.
type resolver struct {
	sync  *SyncFlow
	found map[sdk.Kind]map[string]string
	// expected are records that the run creates before what refers to them.
	expected map[sdk.Kind]map[string]bool
}

// expect notes that the run creates a record.
func (r *resolver) expect(kind sdk.Kind, source string) { r.expected[kind][source] = true }

func newResolver(sync *SyncFlow) *resolver {
	return &resolver{
		sync: sync, found: map[sdk.Kind]map[string]string{sdk.KindStaff: {}, sdk.KindLeadSource: {}},
		expected: map[sdk.Kind]map[string]bool{sdk.KindStaff: {}, sdk.KindLeadSource: {}},
	}
}

// resolve finds the references of a record by the source's ids. What the job
// ignores is left out.
func (r *resolver) resolve(ctx context.Context, owner, leadSource string) (references, error) {
	if owner == "" && leadSource == "" {
		return references{}, nil
	}
	var refs references
	for _, one := range []struct {
		kind sdk.Kind
		id   string
		skip bool
		into *string
	}{
		{sdk.KindStaff, owner, r.sync.Options.Owner == "ignore", &refs.owner},
		{sdk.KindLeadSource, leadSource, r.sync.Options.LeadSources == "ignore", &refs.leadSource},
	} {
		if one.id == "" || one.skip {
			continue
		}
		target, err := r.target(ctx, one.kind, one.id)
		if err != nil {
			return references{}, err
		}
		switch {
		case target != "":
		case r.expected[one.kind][one.id]:
			refs.pending = true
		default:
			refs.open, refs.unlinked = true, one.kind
		}
		*one.into = target
	}
	return refs, nil
}

func (r *resolver) target(ctx context.Context, kind sdk.Kind, source string) (string, error) {
	if target, ok := r.found[kind][source]; ok {
		return target, nil
	}
	standings, err := r.sync.Links.Standings(ctx, r.sync.route(kind), []string{source})
	if err != nil {
		return "", fmt.Errorf("look up a reference: %w", err)
	}
	target := standings[0].Link.Target
	r.found[kind][source] = target
	return target, nil
}

// clubOf is the account's key of the club with which a record was sent last, empty
// where that is not known: of a record that is not read, the link tells it.
func (c *comparer) clubOf(link roster.Link) string {
	was, ok := fieldOf(link.Sent.Fields, roster.ClubField)
	if !ok {
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(c.sync.Clubs)) {
		if c.sync.Digests.Field(roster.ClubField, []byte(key)).Short() == was.Short {
			return key
		}
	}
	return ""
}
