package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// writing delivers the change set of a sync, entry by entry in its order. What is
// done is stored batch by batch, so that a crash resumes behind the last one.
type writing struct {
	r       *Runner
	run     roster.Run
	flow    *Flow
	sync    *SyncFlow
	live    *progress
	changes Changes
	parser  changeParser
	// rooms are where the items of two batches stand: of the one at hand, and of the
	// one before, which is still being stored. The next one takes its place.
	rooms [2]room
	turn  int
	// behind is the batch whose outcomes are being stored, nil for none.
	behind *storing
	refs   *resolver
	counts roster.Counts
	// logged is what the record log is told of a batch.
	logged []roster.LogEntry
	// warnings are for the operator, each of them once.
	warnings []string
	// stopping says that the daemon stops, and the run goes on in its next life.
	stopping bool
	// held counts creates that wait until the other direction was searched.
	held int
}

// ambiguous is how many creates may be under way at a time where the target
// forgets nothing that was sent twice: so many may have to be searched for after
// a crash.
const ambiguous = 16

// unknownMapping is what links remember as the mapping of what a run delivers that
// goes on: whatever maps their records next, they are compared again. It is not 0,
// which would take them for what the other direction has written.
const unknownMapping = 1

// deliverSync delivers the rest of a run's change set.
func (r *Runner) deliverSync(ctx context.Context, run *roster.Run, flow *Flow, live *progress) (held int, err error) {
	changes, err := flow.Sync.Changes()
	if err != nil {
		return 0, err
	}
	sync := *flow.Sync
	sync.Mapping = max(sync.Mapping, unknownMapping)
	w := &writing{
		r: r, run: *run, flow: flow, sync: &sync, live: live, changes: changes,
		refs: newResolver(&sync), counts: run.Counts,
	}
	w.counts.Created, w.counts.Updated = orZero(w.counts.Created), orZero(w.counts.Updated)
	err = w.all(ctx)
	if err != nil && !errors.Is(context.Cause(ctx), roster.ErrStopping) {
		err = errors.Join(err, w.keep(context.WithoutCancel(ctx)))
	}
	run.Counts, run.Warnings = w.counts, append(run.Warnings, w.warnings...)
	live.set(w.counts)
	return w.held, errors.Join(err, changes.Close())
}

func orZero(n *int) *int {
	if n == nil {
		return new(int)
	}
	copied := *n
	return &copied
}

// all writes every batch and then settles the creates that are in doubt.
func (w *writing) all(ctx context.Context) error {
	if err := w.batches(ctx); err != nil {
		return err
	}
	return w.settleRun(ctx, w.changes.Len())
}

func (w *writing) batches(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, w.stored()) }()
	var before sdk.Kind
	for at := w.run.Delivered; at < w.changes.Len(); {
		b, err := w.next(at)
		if err != nil {
			return err
		}
		if err := w.settleLeadSources(ctx, before, b.kind, at); err != nil {
			return err
		}
		before = b.kind
		if err := w.batch(ctx, b); err != nil {
			return err
		}
		at = b.end
	}
	return nil
}

// batch is a stretch of the change set: changes of one kind that are written
// together.
type batch struct {
	kind   sdk.Kind
	target sdk.TargetKind
	route  roster.Route
	items  []*item
	end    int
	// settling says that its creates are sent again, and that what comes before end
	// is done without them.
	settling bool
	// ends are the records of the items, room is where these stand.
	ends ends
	room *room
}

// next reads the batch that begins at an entry.
func (w *writing) next(at int) (*batch, error) {
	w.turn = 1 - w.turn
	b := &batch{end: at, ends: newEnds(), room: &w.rooms[w.turn]}
	creates, limit, size := 0, 0, 0
	to := min(at+maxBatch, w.changes.Len())
	var fault error
	err := w.changes.Entries(at, to, func(entry int, data []byte) error {
		c, err := w.parser.parse(data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", entry, err)
		}
		if len(b.items) == 0 {
			b.kind, b.route = c.kind, w.sync.route(c.kind)
			b.target = w.sync.Target[c.kind]
			limit = batchLimit(b.target.Batch)
		}
		if makes(c.op) {
			creates++
		}
		if c.kind != b.kind || len(b.items) == limit || b.ends.have(&c) || creates > ambiguous && !harmless(b.target.Class) {
			return errBatchFull
		}
		if size += len(data); size > maxBatchBytes && len(b.items) > 0 {
			return errBatchFull
		}
		b.ends.add(&c)
		b.items = append(b.items, b.room.item(len(b.items), c, entry))
		b.end = entry + 1
		return nil
	})
	if err != nil && !errors.Is(err, errBatchFull) {
		fault = fmt.Errorf("read the change set: %w", err)
	}
	return b, fault
}

// batchLimit is how many changes a batch has at most, for a target that declares how
// many it takes, or 0.
func batchLimit(declared int) int {
	if declared > 0 {
		return min(declared, maxBatch)
	}
	return sdk.DefaultBatch
}

// ends are the records of a batch: the changes of one record, and those that were
// matched with one of the target, are written one after another.
type ends struct{ sources, matched map[string]struct{} }

func newEnds() ends {
	return ends{sources: map[string]struct{}{}, matched: map[string]struct{}{}}
}

// have reports whether the batch has a record of the change.
func (e ends) have(c *change) bool {
	_, again := e.sources[c.source]
	if !again && c.matched {
		_, again = e.matched[c.target]
	}
	return again
}

func (e ends) add(c *change) {
	e.sources[c.source] = struct{}{}
	if c.matched {
		e.matched[c.target] = struct{}{}
	}
}

// room is where the items of a batch stand, with their fields.
type room struct {
	items  [][]item
	fields []roster.SentField
}

// item makes the n-th item of a batch.
func (r *room) item(n int, c change, entry int) *item {
	const together = 32
	if n/together == len(r.items) {
		r.items = append(r.items, make([]item, together))
	}
	it := &r.items[n/together][n%together]
	*it = item{change: c, entry: entry, attempt: 1}
	return it
}

// maxBatch bounds a batch whatever the target takes.
const maxBatch = 2000

// maxBatchBytes bounds the changes of a batch, so that they fit into one message.
const maxBatchBytes = 4 << 20

var errBatchFull = errors.New("the batch is full")

// harmless reports whether sending a create of the class a second time changes
// nothing.
func harmless(class sdk.GuaranteeClass) bool { return class == sdk.ClassA || class == sdk.ClassB }

// batch writes one batch and stores what came of it, or has it stored while the next
// one is written.
func (w *writing) batch(ctx context.Context, b *batch) error {
	if err := w.keepApart(b); err != nil {
		return err
	}
	if err := w.ready(ctx, b); err != nil {
		return err
	}
	// A create may have become a conversion, which is armed.
	if err := w.keepApart(b); err != nil {
		return err
	}
	if err := w.sendAll(ctx, b); err != nil {
		return err
	}
	return w.storeBehind(ctx, b)
}

// ready makes the operations of a batch: it compares each change with what
// stands in the store at this moment, arms the creates, and looks at the target's
// records where that is needed.
func (w *writing) ready(ctx context.Context, b *batch) error {
	fields := 0
	for _, it := range b.items {
		fields += it.fieldsSent()
	}
	b.room.fields = slices.Grow(b.room.fields[:0], fields)
	room := b.room.fields[:fields]
	for _, it := range b.items {
		var err error
		if it.refs, err = w.refs.resolve(ctx, it.owner, it.leadSource); err != nil {
			return err
		}
		n := it.fieldsSent()
		it.sent = it.change.sent(w.sync.Digests, w.sync.Mapping, it.refs, room[:0:n])
		room = room[n:]
	}
	if err := w.join(ctx, b); err != nil {
		return err
	}
	if err := w.provable(b); err != nil {
		return err
	}
	if err := w.stand(ctx, b); err != nil {
		return err
	}
	if err := w.prove(ctx, b); err != nil {
		return err
	}
	for _, it := range b.items {
		it.operation = w.operation(b, it)
	}
	if err := w.compareWithTarget(ctx, b); err != nil {
		return err
	}
	for _, it := range b.items {
		it.split(b.target)
	}
	return nil
}

func (w *writing) operation(b *batch, it *item) sdk.Operation {
	o := sdk.Operation{
		Op: it.op, ID: it.target, Attempt: it.attempt, Club: w.sync.Clubs[it.club],
		Key:    string(b.kind) + "/" + w.sync.From + "/" + it.source,
		Marker: w.sync.Links.Marker(b.route, it.source),
		Owner:  it.refs.owner, LeadSource: it.refs.leadSource, Data: it.data,
	}
	if it.op == sdk.OpUpdate {
		o.Changed = it.changed
	}
	return o
}
