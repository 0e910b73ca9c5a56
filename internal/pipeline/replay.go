package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// retry collects the records of one kind that wait in the job's quarantine with
// their values. The others, which could not be read at all, come back when the
// source gives them again.
func (p *preparation) retry(ctx context.Context, kind sdk.Kind) error {
	after := ""
	for {
		waiting, err := p.store.RetryQuarantine(ctx, p.run.Job, after, pageLimit)
		if err != nil {
			return fmt.Errorf("read the quarantine: %w", err)
		}
		if len(waiting) == 0 {
			return nil
		}
		after = waiting[len(waiting)-1].ID
		waiting = slices.DeleteFunc(waiting, func(q roster.Quarantined) bool {
			return q.Kind != kind || p.outdated(q) || !p.wanted(q) || p.erased(q)
		})
		waiting, err = p.retryGone(ctx, kind, waiting)
		if err != nil {
			return err
		}
		if err := p.retryPage(ctx, kind, waiting); err != nil {
			return err
		}
	}
}

// retryGone takes up again what was refused of records that are gone from the
// source, and returns the others.
func (p *preparation) retryGone(ctx context.Context, kind sdk.Kind, waiting []roster.Quarantined) (there []roster.Quarantined, err error) {
	var gone []string
	for _, q := range waiting {
		if !q.Gone {
			there = append(there, q)
			continue
		}
		gone, p.retried = append(gone, q.Record), append(p.retried, q.ID)
		if kind == sdk.KindProspect {
			p.left = append(p.left, q.ID)
		}
	}
	return there, p.collect.removed(ctx, kind, gone)
}

// outdated reports whether the run has read a quarantined record from the source,
// so that the entry is done with.
func (p *preparation) outdated(q roster.Quarantined) bool {
	if q.Run == p.run.ID {
		return true // the run itself has refused it
	}
	if p.fresh == nil || q.Record == "" || !p.fresh.has(q.Record) {
		return false
	}
	p.retried = append(p.retried, q.ID)
	return true
}

// erased reports whether a quarantined record is of a person who was erased by an
// address: the entry is done with.
func (p *preparation) erased(q roster.Quarantined) bool {
	if !p.sieve.refused(q) {
		return false
	}
	p.retried = append(p.retried, q.ID)
	return true
}

// wanted reports whether the run retries a quarantined record. One that walks
// everything, or reads one record, does not.
func (p *preparation) wanted(q roster.Quarantined) bool {
	scope := p.run.Scope
	return !p.whole() && scope.Record == "" && q.Stage != roster.StageRead && (len(q.Payload) > 0 || q.Gone) &&
		(len(scope.Entries) == 0 || slices.Contains(scope.Entries, q.ID)) &&
		(scope.Code == "" || scope.Code == q.Code)
}

func (p *preparation) retryPage(ctx context.Context, kind sdk.Kind, waiting []roster.Quarantined) error {
	if len(waiting) == 0 {
		return nil
	}
	payloads := make([][]byte, len(waiting))
	for i, q := range waiting {
		payloads[i] = q.Payload
	}
	page, unreadable, err := roster.PayloadPage(kind, payloads)
	if err != nil {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	var positions []string
	for i, q := range waiting {
		if !slices.Contains(unreadable, i) {
			p.retried, positions = append(p.retried, q.ID), append(positions, q.Position)
		}
	}
	mapped := contained(ctx, p.collect.mapPage, page)
	if mapped.err != nil {
		return mapped.err
	}
	// A record that is refused again keeps its place in the quarantine, which its
	// position in the source belongs to.
	for i := range mapped.mapped.Records {
		record := &mapped.mapped.Records[i]
		record.Position = positions[record.Row]
	}
	// The cursor of the source is not moved by what did not come from it.
	cursor, had := p.cursors[kind]
	if err := p.take(ctx, kind, mapped); err != nil {
		return err
	}
	delete(p.cursors, kind)
	if had {
		p.cursors[kind] = cursor
	}
	return nil
}

// single reads one record of the source by its id.
func (p *preparation) single(id string) readFunc {
	return func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
		if p.flow.Sync == nil || p.flow.Sync.GetSource == nil {
			return nil, &roster.Fault{
				Code: "adapter.ability", Message: "the source cannot read a single record: its adapter lacks the ability " + string(sdk.AbilityGetter),
				Hint: "start the whole job with `rosterd job run " + p.run.Job + "`",
			}
		}
		page, err := p.flow.Sync.GetSource(ctx, sdk.GetRequest{Kind: req.Kind, IDs: []string{id}})
		if err != nil {
			return nil, err
		}
		one := *page
		one.Next, one.Done = nil, true
		return &one, nil
	}
}

// quotaWait is how long a run waits for a quota at most. A longer wait ends the
// reading, or the run: it goes on with another one when the quota is there again.
const quotaWait = longestWait

// usedUp reports whether a call failed because a quota is used up for longer
// than a run waits.
func usedUp(err error) (*sdk.Error, bool) {
	e, ok := errors.AsType[*sdk.Error](err)
	return e, ok && e.Class == sdk.ClassRetry && e.Code == sdk.CodeQuota && e.After > quotaWait
}
