package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// quarantineBatch is how many refused records are stored in one transaction.
const quarantineBatch = 500

// preparation reads, maps and freezes everything of one run.
type preparation struct {
	run     roster.Run
	flow    *Flow
	read    readFunc
	store   QuarantineStore
	from    CursorStore
	now     func() time.Time
	live    *progress
	freezer *freezer
	counts  roster.Counts
	refused []roster.Quarantined
	// columns are those of all pages, unknown the names that the script has read
	// where a page had no such column.
	columns, unknown map[string]struct{}
	// cursors are where the reading of each kind has ended.
	cursors map[sdk.Kind]sdk.Cursor
}

// prepare fills the run's change set. On return it is durable, the refused
// records are stored, and nothing was written to any outside system.
func (r *Runner) prepare(ctx context.Context, run roster.Run, flow *Flow, live *progress) (*preparation, error) {
	if err := r.Quarantine.DropRunQuarantine(ctx, run.ID); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	changes, err := flow.Create()
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer changes.Abort()
	p := &preparation{
		run: run, flow: flow, store: r.Quarantine, from: r.Cursors, now: r.Now, live: live,
		cursors: map[sdk.Kind]sdk.Cursor{}, columns: map[string]struct{}{}, unknown: map[string]struct{}{},
		read: r.patient(flow.Source), freezer: newFreezer(changes),
	}
	for _, kind := range flow.Kinds {
		if err := p.kind(ctx, kind); err != nil {
			return nil, err
		}
	}
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	if err := changes.Finish(); err != nil {
		return nil, fmt.Errorf("freeze: %w", err)
	}
	return p, nil
}

// kind reads the records of one kind, all of them or those behind the job's
// cursor.
func (p *preparation) kind(ctx context.Context, kind sdk.Kind) error {
	var after sdk.Cursor
	if p.flow.Changes {
		var err error
		if after, err = p.from.Cursor(ctx, p.run.Job, kind); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	pages := newPager(ctx, p.flow, p.read, kind, after)
	defer pages.close()
	for {
		page, ok := pages.next()
		if !ok {
			return ctx.Err()
		}
		if page.err != nil {
			return page.err
		}
		if err := p.take(ctx, kind, page); err != nil {
			return err
		}
	}
}

// take sorts the records of one page into frozen, skipped and quarantined.
func (p *preparation) take(ctx context.Context, kind sdk.Kind, page mappedPage) error {
	for _, rejected := range page.page.Rejected {
		p.refuse(roster.Quarantined{
			Kind: kind, Record: rejected.ID, Position: rejected.Position,
			Stage: roster.StageRead, Code: roster.CodeReadRejected, Reason: rejected.Reason, Payload: rejected.Raw,
		})
	}
	var fields roster.FieldSet
	for i := range page.mapped.Records {
		record := &page.mapped.Records[i]
		frozen, err := p.record(kind, record)
		if err != nil {
			return err
		}
		if frozen {
			fields.Union(record.Fields)
		}
	}
	p.freezer.occurred(page.mapped.Fields, fields)
	p.noteNames(page)
	p.cursors[kind] = page.page.Next
	p.counts.Read += page.page.Rows + len(page.page.Rejected)
	p.counts.Frozen = p.freezer.frozen
	p.live.set(p.counts)
	if len(p.refused) >= quarantineBatch {
		return p.flush(ctx)
	}
	return nil
}

// noteNames notes the names that the page has and those that the script misses.
func (p *preparation) noteNames(page mappedPage) {
	for _, name := range page.page.Columns {
		p.columns[name] = struct{}{}
	}
	for _, name := range page.mapped.Unknown {
		p.unknown[name] = struct{}{}
	}
}

// misread are warnings of the names that no record can have: most often one is
// mistyped in the script, which would leave a field out of every client.
func (p *preparation) misread() []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(p.unknown)) {
		if _, ok := p.columns[name]; !ok {
			warnings = append(warnings, fmt.Sprintf("the script reads %q, which no record of the source has; compare it with the source's own names", name))
		}
	}
	return warnings
}

func (p *preparation) record(kind sdk.Kind, record *roster.MappedRecord) (frozen bool, err error) {
	switch record.Verdict {
	case roster.VerdictSkipped:
		p.counts.Skipped++
		return false, nil
	case roster.VerdictRejected:
		p.refuse(quarantined(kind, record, record.Stage, record.Code, record.Reason))
		return false, nil
	case roster.VerdictMapped:
		code, reason, err := p.freezer.take(record)
		if err != nil || code == "" {
			return err == nil, err
		}
		refused := quarantined(kind, record, roster.StageFreeze, code, reason)
		if refused.Payload == nil {
			refused.Payload = record.Data
		}
		p.refuse(refused)
		return false, nil
	}
	return false, fmt.Errorf("map: unknown verdict %d", record.Verdict)
}

func (p *preparation) refuse(q roster.Quarantined) {
	q.Job, q.Run, q.At = p.run.Job, p.run.ID, p.now()
	p.refused = append(p.refused, q)
	p.counts.Quarantined++
}

func (p *preparation) flush(ctx context.Context) error {
	if len(p.refused) == 0 {
		return nil
	}
	if err := p.store.AddQuarantine(ctx, p.refused); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	p.refused = p.refused[:0]
	return nil
}
