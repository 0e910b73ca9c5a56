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

// collector makes the change set of what was read and mapped: a freezer for an
// import, a comparer for a sync.
type collector interface {
	// mapPage maps what has to be mapped of a page. It is called concurrently.
	mapPage(ctx context.Context, page *sdk.Page) mappedPage
	// take takes one page, in the order of the source.
	take(ctx context.Context, kind sdk.Kind, page mappedPage) error
	// removed takes records that are gone from the source.
	removed(ctx context.Context, kind sdk.Kind, ids []string) error
	// end is called behind the last page.
	end(ctx context.Context) error
}

// preparation reads, maps and collects everything of one run.
type preparation struct {
	run     roster.Run
	flow    *Flow
	read    readFunc
	store   QuarantineStore
	from    CursorStore
	now     func() time.Time
	records RecordLog
	live    *progress
	collect collector
	counts  roster.Counts
	// refused are to be stored; turned are the ids of all that a sync has refused, by
	// kind, and entries counts those of its change set.
	refused []roster.Quarantined
	turned  map[sdk.Kind]keySet
	entries int
	// columns are those of all pages, unknown the names that the script has read
	// where a page had no such column.
	columns, unknown map[string]struct{}
	// warnings are for the operator, each of them once.
	warnings []string
	// cursors are where the reading of each kind has ended.
	cursors map[sdk.Kind]sdk.Cursor
	// behind are the cursors with which it began.
	behind map[sdk.Kind]sdk.Cursor
	// unread says that the reading of a kind stopped before its end, until the
	// source gives more at again.
	unread map[sdk.Kind]bool
	// some says of which kinds there was any record.
	some  map[sdk.Kind]bool
	again *time.Time
	// fresh are the ids of the records of a kind that the source has given, where
	// some wait in the quarantine.
	fresh *keySet
	sieve sieve
	// retried are the ids of quarantined records that were read again; left are those
	// of prospects who are gone.
	retried, left []string
	// lonely takes the records that have no counterpart; nil where nobody asks.
	lonely func(roster.Unlinked)
}

func newPreparation(r *Runner, run roster.Run, flow *Flow, live *progress) *preparation {
	return &preparation{
		run: run, flow: flow, store: r.Quarantine, from: r.Cursors, now: r.Now, records: r.Records, live: live,
		cursors: map[sdk.Kind]sdk.Cursor{}, behind: map[sdk.Kind]sdk.Cursor{}, unread: map[sdk.Kind]bool{}, some: map[sdk.Kind]bool{},
		turned: map[sdk.Kind]keySet{}, columns: map[string]struct{}{}, unknown: map[string]struct{}{}, read: r.patient(flow.Source, live),
		sieve: sieve{erased: flow.Erased},
	}
}

// unlinked tells of a record that has no counterpart.
func (p *preparation) unlinked(one roster.Unlinked) {
	if p.lonely != nil {
		p.lonely(one)
	}
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
	p := newPreparation(r, run, flow, live)
	if flow.Sync == nil {
		p.collect = newFreezer(p, changes)
	} else {
		p.collect = newComparer(r, p, changes)
	}
	for _, kind := range flow.Kinds {
		if err := p.kind(ctx, kind); err != nil {
			return nil, err
		}
	}
	if err := p.collect.end(ctx); err != nil {
		return nil, err
	}
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	p.leftOut()
	if err := changes.Finish(); err != nil {
		return nil, fmt.Errorf("freeze: %w", err)
	}
	return p, nil
}

// kind collects the records of one kind: all of the source's or those behind the
// job's cursor, and then those that wait in the quarantine.
func (p *preparation) kind(ctx context.Context, kind sdk.Kind) error {
	if p.run.Scope.Replay {
		return p.retry(ctx, kind)
	}
	read := p.read
	if id := p.run.Scope.Record; id != "" {
		read = p.single(id)
	}
	after, err := p.after(ctx, kind)
	if err != nil {
		return err
	}
	waiting, err := p.store.RetryQuarantine(ctx, p.run.Job, "", 1)
	if err != nil {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	if len(waiting) == 0 || p.flow.Sync == nil && p.whole() {
		return p.pages(ctx, kind, after, read)
	}
	// What the source gives is newer than what waits of the same record.
	fresh := newKeySet()
	p.fresh = &fresh
	if err := p.pages(ctx, kind, after, read); err != nil {
		return err
	}
	err = p.retry(ctx, kind)
	p.fresh = nil
	return err
}

// after is where the reading of a kind begins.
func (p *preparation) after(ctx context.Context, kind sdk.Kind) (sdk.Cursor, error) {
	if p.whole() || p.run.Scope.Partial() || p.listed(kind) {
		return nil, nil
	}
	after, err := p.from.Cursor(ctx, p.run.Job, kind)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	p.behind[kind] = after
	return after, nil
}

// listed reports whether a kind is read from its beginning by every run: the few
// staff members and lead sources of a source, whose counterparts at the target are
// looked up anew each time.
func (p *preparation) listed(kind sdk.Kind) bool {
	return p.flow.Sync != nil && (kind == sdk.KindStaff || kind == sdk.KindLeadSource)
}

// whole reports whether the run walks everything, so that what was refused
// before is read again by itself.
func (p *preparation) whole() bool {
	return !p.run.Scope.Partial() && (!p.flow.Changes || p.run.Scope.Sweep)
}

// pages collects the pages of one kind.
func (p *preparation) pages(ctx context.Context, kind sdk.Kind, after sdk.Cursor, read readFunc) error {
	pages := newPager(ctx, p.flow.Parallel, p.sieve.reading(read), p.collect.mapPage, kind, after)
	defer pages.close()
	for {
		page, ok := pages.next()
		if !ok {
			return ctx.Err()
		}
		if quota, ok := usedUp(page.err); ok && !p.run.Scope.Partial() {
			p.stop(kind, quota)
			return nil
		}
		if page.err != nil {
			return page.err
		}
		if err := p.take(ctx, kind, page); err != nil {
			return err
		}
	}
}

// stop ends the reading of a kind because a quota of the source is used up. What
// was read is delivered, and the cursor stands behind it.
func (p *preparation) stop(kind sdk.Kind, quota *sdk.Error) {
	p.unread[kind] = true
	again := p.now().Add(quota.After)
	if p.again == nil || p.again.Before(again) {
		p.again = &again
	}
	p.warn(fmt.Sprintf("a quota of the source is used up; the job goes on at %s", again.UTC().Format(time.RFC3339)))
}

// leftOut counts the records of persons who were erased, and warns of them once.
func (p *preparation) leftOut() {
	if n := p.sieve.n; n > 0 {
		p.counts.Read += n
		p.counts.Skipped += n
		p.live.set(p.counts)
		p.warn(recordsAre(n) + " left out because they were erased at a person's wish: `rosterd privacy list`")
	}
}

func recordsAre(records int) string {
	if records == 1 {
		return "1 record is"
	}
	return fmt.Sprintf("%d records are", records)
}

func (p *preparation) warn(text string) {
	if !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

// take collects the records of one page.
func (p *preparation) take(ctx context.Context, kind sdk.Kind, page mappedPage) error {
	p.noteFresh(page.page)
	for _, rejected := range page.page.Rejected {
		p.refuse(roster.Quarantined{
			Kind: kind, Record: rejected.ID, Position: rejected.Position,
			Stage: roster.StageRead, Code: roster.CodeReadRejected, Reason: rejected.Reason, Payload: rejected.Raw,
		})
	}
	if err := p.collect.take(ctx, kind, page); err != nil {
		return err
	}
	p.noteNames(page)
	p.cursors[kind] = page.page.Next
	if n := page.page.Rows + len(page.page.Rejected); n > 0 {
		p.counts.Read += n
		p.some[kind] = true
	}
	p.live.set(p.counts)
	if len(p.refused) >= quarantineBatch {
		return p.flush(ctx)
	}
	return nil
}

// noteFresh notes the records that the source has given.
func (p *preparation) noteFresh(page *sdk.Page) {
	if p.fresh == nil {
		return
	}
	for i := range page.Rows {
		p.fresh.add(page.Row(i).ID())
	}
	for _, rejected := range page.Rejected {
		p.fresh.add(rejected.ID)
	}
	for _, id := range page.Removed {
		p.fresh.add(id)
	}
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

// verdict counts a record that the script skipped and refuses one that it
// rejected; it reports whether the record was mapped.
func (p *preparation) verdict(kind sdk.Kind, record *roster.MappedRecord) (mapped bool, err error) {
	switch record.Verdict {
	case roster.VerdictSkipped:
		p.counts.Skipped++
		p.unlinked(roster.Unlinked{Kind: kind, Source: record.ID, Why: roster.UnlinkedSkipped, Reason: "the script skips it: " + record.Reason})
		return false, nil
	case roster.VerdictRejected:
		p.refuse(quarantined(kind, record, record.Stage, record.Code, record.Reason))
		return false, nil
	case roster.VerdictMapped:
		return true, nil
	}
	return false, fmt.Errorf("map: unknown verdict %d", record.Verdict)
}

func (p *preparation) refuse(q roster.Quarantined) {
	q.Job, q.Run, q.At = p.run.Job, p.run.ID, p.now()
	if p.flow.Sync != nil {
		q.Form = roster.FormOf(p.entries)
		if _, ok := p.turned[q.Kind]; !ok {
			p.turned[q.Kind] = newKeySet()
		}
		p.turned[q.Kind].add(q.Record)
	}
	p.refused = append(p.refused, q)
	p.counts.Quarantined++
	p.unlinked(roster.Unlinked{Kind: q.Kind, Source: q.Record, Why: roster.UnlinkedRefused, Reason: q.Reason + " (" + q.Code + ")"})
}

// supersede takes back what a sync has refused of earlier forms of a record: a
// later one stands. What it has not sent of them counts as skipped.
func (p *preparation) supersede(ctx context.Context, kind sdk.Kind, id string) error {
	if turned, ok := p.turned[kind]; !ok || !turned.has(id) {
		return nil
	}
	pending := len(p.refused)
	p.refused = slices.DeleteFunc(p.refused, func(q roster.Quarantined) bool { return q.Kind == kind && q.Record == id })
	p.skip(pending - len(p.refused))
	stored, err := p.store.Supersede(ctx, p.run.Job, p.run.ID, kind, []roster.Superseded{{Record: id, Form: roster.FormOf(p.entries)}})
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	p.skip(stored)
	return nil
}

// skip counts refused forms of records as skipped.
func (p *preparation) skip(n int) {
	p.counts.Quarantined -= n
	p.counts.Skipped += n
}

func (p *preparation) flush(ctx context.Context) error {
	if len(p.refused) == 0 {
		return nil
	}
	replaced, err := p.store.AddQuarantine(ctx, p.refused)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	p.skip(replaced)
	p.logRefused()
	p.refused = p.refused[:0]
	return nil
}

// beginning is what changes together with the run when it begins to deliver. A
// sync's cursors and the end of its retries stand only when it has delivered
// everything: until then another run would read the same again.
func (p *preparation) beginning(verdict judgement) roster.Delivery {
	if p.flow.Sync != nil {
		return roster.Delivery{}
	}
	// An empty source says nothing of the records that were refused before.
	with := roster.Delivery{ReplaceQuarantine: p.whole() && p.counts.Read > 0, Retried: p.retried}
	if p.flow.Changes && verdict.state == roster.RunOK {
		with.Cursors = p.cursors
	}
	return with
}

// describe notes in the run what its end and an approval need to know.
func (p *preparation) describe(run *roster.Run) {
	if f, ok := p.collect.(*freezer); ok {
		run.Fields = f.fieldNames()
	}
	if p.flow.Changes && !p.run.Scope.Partial() {
		run.Cursors = p.cursors
	}
	if p.flow.Sync != nil {
		run.Basis, run.Behind, run.Retried = p.flow.Sync.Basis, p.behind, p.retried
		run.Whole = p.whole() && len(p.unread) == 0 && p.counts.Read > 0
	}
}
