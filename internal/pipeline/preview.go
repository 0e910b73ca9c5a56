package pipeline

import (
	"context"
	"slices"
	"strconv"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Previewed is what a run would make of one record of the source.
type Previewed struct {
	// Read is the number of records that the source has under the id: one for each
	// kind that knows it.
	Read int `json:"read"`
	// Changes are what would be sent.
	Changes []roster.Change `json:"changes"`
	// Refused are the records that would go into the quarantine, without their
	// values.
	Refused []roster.Quarantined `json:"refused"`
	// Counts are those of a run of this record alone.
	Counts roster.Counts `json:"counts"`
	// Warnings are those of such a run, and why the script skips the record.
	Warnings []string `json:"warnings"`
}

// Preview finds out what a run would make of the record that run.Scope.Record
// names. It stores nothing and writes nothing; the source has to have the ability
// [sdk.AbilityGetter].
func (r *Runner) Preview(ctx context.Context, run roster.Run, flow *Flow) (Previewed, error) {
	kept, changes := &scrap{}, &memorySet{}
	reasons := &skipReasons{RowMapper: flow.Sync.Mapper}
	listening := *flow.Sync
	listening.Mapper = reasons
	heard := *flow
	heard.Sync = &listening
	p := r.trial(run, &heard, kept)
	p.collect = newComparer(r, p, changes)
	for _, kind := range flow.Kinds {
		if err := p.kind(ctx, kind); err != nil {
			return Previewed{}, err
		}
	}
	if err := p.flush(ctx); err != nil {
		return Previewed{}, err
	}
	p.leftOut()
	found, err := ReadChanges(changes, 0, max(changes.Len(), 1))
	return Previewed{
		Read: p.counts.Read, Changes: found, Refused: kept.records, Counts: p.counts,
		Warnings: slices.Concat(p.warnings, reasons.list),
	}, err
}

// trial is a preparation of which nothing is kept.
func (r *Runner) trial(run roster.Run, flow *Flow, kept *scrap) *preparation {
	run.Plan = true
	p := newPreparation(r, run, flow, &progress{})
	p.store, p.records = kept, nil
	return p
}

// skipReasons notes why the script skips records.
type skipReasons struct {
	RowMapper
	list []string
}

// MapRows maps records of a page; a preview calls it for one page at a time.
func (s *skipReasons) MapRows(ctx context.Context, page *sdk.Page, rows []int) (*roster.Mapped, error) {
	mapped, err := s.RowMapper.MapRows(ctx, page, rows)
	if err != nil {
		return nil, err
	}
	for _, record := range mapped.Records {
		if record.Verdict != roster.VerdictSkipped {
			continue
		}
		text := "the script skips it: " + record.Reason
		if record.Line > 0 {
			text += " (line " + strconv.Itoa(record.Line) + ")"
		}
		s.list = append(s.list, text)
	}
	return mapped, nil
}

// scrap is a quarantine that is thrown away.
type scrap struct{ records []roster.Quarantined }

// AddQuarantine keeps the records without what they hold.
func (s *scrap) AddQuarantine(_ context.Context, records []roster.Quarantined) (int, error) {
	for _, record := range records {
		record.Payload = nil
		s.records = append(s.records, record)
	}
	return 0, nil
}

// Supersede keeps what was refused: it is shown.
func (*scrap) Supersede(context.Context, string, string, sdk.Kind, []roster.Superseded) (int, error) {
	return 0, nil
}

// RetryQuarantine has nothing to retry.
func (*scrap) RetryQuarantine(context.Context, string, string, int) ([]roster.Quarantined, error) {
	return nil, nil
}

// DropRunQuarantine has nothing to drop.
func (*scrap) DropRunQuarantine(context.Context, string) error { return nil }

// memorySet is a change set that is thrown away.
type memorySet struct{ entries [][]byte }

// Append adds an entry.
func (m *memorySet) Append(_ string, data []byte) error {
	m.entries = append(m.entries, slices.Clone(data))
	return nil
}

// Finish has nothing to do.
func (*memorySet) Finish() error { return nil }

// Abort has nothing to do.
func (*memorySet) Abort() {}

// Close has nothing to do.
func (*memorySet) Close() error { return nil }

// Len is the number of entries.
func (m *memorySet) Len() int { return len(m.entries) }

// Entries calls visit with entries.
func (m *memorySet) Entries(from, to int, visit func(entry int, data []byte) error) error {
	for i := from; i < to; i++ {
		if err := visit(i, m.entries[i]); err != nil {
			return err
		}
	}
	return nil
}
