package pipeline

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Unlinked reads the staff and the lead sources of a sync's source, as far as the job
// has them, looks for their counterparts at the target, and returns those that have
// none and would get none by a run. It stores nothing and writes nothing.
func (r *Runner) Unlinked(ctx context.Context, run roster.Run, flow *Flow) ([]roster.Unlinked, error) {
	p := r.trial(run, flow, &scrap{})
	p.collect = newComparer(r, p, &memorySet{})
	var all []roster.Unlinked
	for _, kind := range flow.Kinds {
		if kind != sdk.KindStaff && kind != sdk.KindLeadSource {
			continue
		}
		var found []roster.Unlinked
		p.lonely = func(one roster.Unlinked) { found = append(found, one) }
		if err := p.pages(ctx, kind, nil, p.read); err != nil {
			return nil, err
		}
		alone, err := withoutLink(ctx, flow.Sync, kind, found)
		if err != nil {
			return nil, err
		}
		all = append(all, alone...)
	}
	return all, nil
}

// withoutLink leaves out records that are linked although the script skips or
// refuses them by now.
func withoutLink(ctx context.Context, sync *SyncFlow, kind sdk.Kind, found []roster.Unlinked) ([]roster.Unlinked, error) {
	ids := make([]string, len(found))
	for i, one := range found {
		ids[i] = one.Source
	}
	standings, err := sync.Links.Standings(ctx, sync.route(kind), ids)
	if err != nil {
		return nil, fmt.Errorf("look up links: %w", err)
	}
	var alone []roster.Unlinked
	for i, one := range found {
		if standings[i].Link.Version == 0 {
			alone = append(alone, one)
		}
	}
	return alone, nil
}
