package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	// items and fields are where those of a batch stand: the next one takes their
	// place.
	items  [][]item
	fields []roster.SentField
	refs   *resolver
	counts roster.Counts
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

// deliverSync delivers the rest of a run's change set.
func (r *Runner) deliverSync(ctx context.Context, run *roster.Run, flow *Flow, live *progress) (held int, err error) {
	changes, err := flow.Sync.Changes()
	if err != nil {
		return 0, err
	}
	w := &writing{
		r: r, run: *run, flow: flow, sync: flow.Sync, live: live, changes: changes,
		refs: newResolver(flow.Sync), counts: run.Counts,
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
	for at := w.run.Delivered; at < w.changes.Len(); {
		b, err := w.next(at)
		if err != nil {
			return err
		}
		if err := w.batch(ctx, b); err != nil {
			return err
		}
		at = b.end
	}
	return w.settleRun(ctx)
}

// batch is a stretch of the change set: changes of one kind that are written
// together.
type batch struct {
	kind   sdk.Kind
	target sdk.TargetKind
	route  roster.Route
	items  []*item
	end    int
}

// item is one change under way.
type item struct {
	change
	entry   int
	attempt int
	refs    references
	// sent is what the link remembers when the change is done.
	sent roster.Sent
	// operation is what is sent, result what came of it; then is what is sent when
	// that is done, and made the id that a conversion has answered before it.
	operation sdk.Operation
	result    sdk.Result
	then      *sdk.Operation
	made      string
	// armed is when an earlier life armed the create, by the wall clock.
	armed time.Time
	// found says that the create was found after its answer was lost.
	found bool
	// linkSeen is the target record's digest as the link remembers it.
	linkSeen uint64
	// note says which side lost where both have changed the record.
	note string
	// skip says that nothing is sent.
	skip bool
	// intent says that the create is armed.
	intent bool
	// undone says that it was not executed and is not to be sent in this run.
	undone bool
	// left says why nothing is sent, 0 where something is.
	left left
	// reason says why a person decides, with leftParked.
	reason string
	// seen is the digest of the target record after it was written.
	seen uint64
}

// next reads the batch that begins at an entry.
func (w *writing) next(at int) (*batch, error) {
	b := &batch{end: at}
	creates, limit := 0, sdk.DefaultBatch
	met, size := ends{sources: map[string]struct{}{}, matched: map[string]struct{}{}}, 0
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
			if b.target.Batch > 0 {
				limit = min(b.target.Batch, maxBatch)
			}
		}
		if makes(c.op) {
			creates++
		}
		again := met.again(&c)
		if c.kind != b.kind || len(b.items) == limit || again || creates > ambiguous && !harmless(b.target.Class) {
			return errBatchFull
		}
		if size += len(data); size > maxBatchBytes && len(b.items) > 0 {
			return errBatchFull
		}
		b.items = append(b.items, w.item(len(b.items), c, entry))
		b.end = entry + 1
		return nil
	})
	if err != nil && !errors.Is(err, errBatchFull) {
		fault = fmt.Errorf("read the change set: %w", err)
	}
	return b, fault
}

// ends are the records of a batch: the changes of one record, and those that were
// matched with one of the target, are written one after another.
type ends struct{ sources, matched map[string]struct{} }

// again reports whether the batch has a record of the change, and notes those that
// it has.
func (e ends) again(c *change) bool {
	_, again := e.sources[c.source]
	e.sources[c.source] = struct{}{}
	if !c.matched {
		return again
	}
	_, taken := e.matched[c.target]
	e.matched[c.target] = struct{}{}
	return again || taken
}

// item makes the n-th item of a batch.
func (w *writing) item(n int, c change, entry int) *item {
	const together = 32
	if n/together == len(w.items) {
		w.items = append(w.items, make([]item, together))
	}
	it := &w.items[n/together][n%together]
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

// batch writes one batch and stores what came of it.
func (w *writing) batch(ctx context.Context, b *batch) error {
	if err := w.ready(ctx, b); err != nil {
		return err
	}
	if err := w.sendAll(ctx, b); err != nil {
		return err
	}
	return w.store(ctx, b)
}

// ready makes the operations of a batch: it compares each change with what
// stands in the store at this moment, arms the creates, and looks at the target's
// records where that is needed.
func (w *writing) ready(ctx context.Context, b *batch) error {
	fields := 0
	for _, it := range b.items {
		fields += it.fieldsSent()
	}
	w.fields = slices.Grow(w.fields[:0], fields)
	room := w.fields[:fields]
	for _, it := range b.items {
		var err error
		if it.refs, err = w.refs.resolve(ctx, it.owner, it.leadSource); err != nil {
			return err
		}
		n := it.fieldsSent()
		it.sent = it.change.sent(w.sync.Digests, w.sync.Mapping, it.refs, room[:0:n])
		room = room[n:]
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

// split makes two operations of one where the target has a call of its own for a
// part of it: a record is moved to its club before it is updated, and a prospect
// is converted before the member gets its values.
func (it *item) split(target sdk.TargetKind) {
	switch {
	case it.skip:
	case it.op == sdk.OpConvert && target.Can(sdk.OpUpdate):
		rest := it.operation
		rest.Op = sdk.OpUpdate
		it.then = &rest
	case it.op == sdk.OpUpdate && target.Can(sdk.OpTransfer) && slices.Contains(it.operation.Changed, roster.ClubField):
		rest := it.operation
		rest.Changed = slices.DeleteFunc(slices.Clone(rest.Changed), func(name string) bool { return name == roster.ClubField })
		it.operation.Op = sdk.OpTransfer
		if len(rest.Changed) > 0 {
			it.then = &rest
		}
	}
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

// stand looks up what is remembered of the records of a batch, arms its creates,
// and settles what has changed since the change set was made.
func (w *writing) stand(ctx context.Context, b *batch) error {
	var creates, others []*item
	for _, it := range b.items {
		if it.op == sdk.OpConvert || it.op == sdk.OpCreate && b.target.Class != sdk.ClassB {
			creates = append(creates, it)
		} else {
			others = append(others, it)
		}
	}
	if err := w.arm(ctx, b, creates); err != nil {
		return err
	}
	if len(others) == 0 {
		return nil
	}
	sources := make([]string, len(others))
	for i, it := range others {
		sources[i] = it.source
	}
	standings, err := w.sync.Links.Standings(ctx, b.route, sources)
	if err != nil {
		return fmt.Errorf("look up links: %w", err)
	}
	for i, it := range others {
		w.meet(it, standings[i])
	}
	return w.taken(ctx, b, others)
}

// taken leaves out updates of records that were matched and are linked to another
// record: they would get the values of somebody else.
func (w *writing) taken(ctx context.Context, b *batch, items []*item) error {
	items = slices.DeleteFunc(items, func(it *item) bool { return it.skip || !it.matched })
	if len(items) == 0 {
		return nil
	}
	targets := make([]string, len(items))
	for i, it := range items {
		targets[i] = it.target
	}
	standings, err := w.sync.Links.Standings(ctx, b.route.Reverse(), targets)
	if err != nil {
		return fmt.Errorf("look up links: %w", err)
	}
	for i, it := range items {
		if standings[i].Link.Version > 0 {
			it.leave(leftTaken)
		}
	}
	return nil
}

// meet fits a change to what stands in the store.
func (w *writing) meet(it *item, s roster.Standing) {
	it.linkSeen = s.Link.Seen
	linked, same := s.Link.Version > 0, s.Link.Sent.Sum == it.sent.Sum && !s.Link.Gone
	switch {
	case s.Intent != nil && s.Intent.State.Waits():
		it.leave(w.doubt(it, s.Intent))
	case it.op == opRefresh && linked && s.Link.Target == it.target:
		it.skip, it.seen = true, s.Link.Seen
	case it.version == 0:
		w.meetUnlinked(it, s.Link, same)
	case !linked && it.op == sdk.OpDelete: // by an earlier life
		it.leave(leftDone)
	case !linked || s.Link.Target != it.target:
		it.leave(leftUnlinked)
	case it.op == sdk.OpUpdate:
		w.meetLinked(it, s.Link, same)
	case s.Link.Gone:
		it.leave(leftDone)
	}
}

// doubt tells the create in doubt of the item itself from that of another change of
// the same record.
func (w *writing) doubt(it *item, intent *roster.Intent) left {
	switch {
	case intent.Run != w.run.ID || intent.Entry != it.entry:
		return leftWaiting
	case intent.State == roster.IntentParked:
		return leftAsked
	}
	return leftArmed
}

// meetUnlinked fits a change of a record that had no link when it was made.
func (w *writing) meetUnlinked(it *item, link roster.Link, same bool) {
	switch {
	case link.Version > 0 && (it.op == opLink || it.op == opReview):
		it.leave(leftDone)
	case link.Version > 0:
		it.matched = false
		w.meetLinked(it, link, same)
	case it.op == opReview:
		it.leave(leftReview)
	case it.op == opLink:
		it.skip = true
	case it.op == sdk.OpUpdate && !it.matched:
		it.leave(leftUnlinked)
	}
}

// meetLinked fits a create or an update to the link that is there: an earlier
// entry of the run or the other direction may have made it, or an earlier life of
// the daemon has delivered the change without noting how far it was.
func (w *writing) meetLinked(it *item, link roster.Link, same bool) {
	switch {
	case same:
		it.leave(leftDone)
	default:
		it.op, it.target, it.version = sdk.OpUpdate, link.Target, link.Version
		it.changed, _ = w.sync.changes(link.Sent, it.sent)
	}
}

// left says why a change is not sent.
type left int

const (
	// leftWaiting: the create of the record, by another change, is in doubt.
	leftWaiting left = iota + 1
	// leftArmed: its own create is in doubt since an earlier life of the daemon.
	leftArmed
	// leftAsked: it was parked before the daemon stopped, and not counted.
	leftAsked
	// leftDone: it was delivered already.
	leftDone
	// leftUnlinked: its link was changed after the change set was made.
	leftUnlinked
	// leftNewer: the target's own change is newer.
	leftNewer
	// leftMissing: the target does not have the linked record.
	leftMissing
	// leftParked: a person decides, for the item's reason, with its hits.
	leftParked
	// leftHeld: it waits until the other direction was searched.
	leftHeld
	// leftTaken: the record that it was matched with is linked to another one.
	leftTaken
	// leftReview: a person has to say which of several records it is.
	leftReview
)

// leave marks a change as not sent.
func (it *item) leave(why left) {
	it.skip = true
	it.left = why
}

// arm stores the intents of creates before any of them is sent.
func (w *writing) arm(ctx context.Context, b *batch, creates []*item) error {
	if len(creates) == 0 {
		return nil
	}
	intents := make([]roster.Intent, len(creates))
	for i, it := range creates {
		intents[i] = roster.Intent{
			Route: b.route, Source: it.source, State: roster.IntentArmed, Run: w.run.ID, Entry: it.entry,
			Attempt: it.attempt, Armed: w.r.Now(), Row: it.row,
		}
	}
	standings, err := w.sync.Intents.Arm(ctx, intents)
	if err != nil {
		return fmt.Errorf("arm creates: %w", err)
	}
	var again []*item
	for i, it := range creates {
		s := standings[i]
		switch {
		case s.Link.Version == 0 && s.Intent == nil:
			it.intent = true
		case s.Intent != nil && s.Intent.State == roster.IntentDropped:
			again = append(again, it)
		case s.Intent != nil && w.mayRepeat(b.target, *s.Intent):
			it.intent, it.attempt, it.armed = true, s.Intent.Attempt, s.Intent.Armed
		default:
			w.meet(it, s)
		}
	}
	return w.armDropped(ctx, b, again)
}

// armDropped arms records that a person had told to leave alone and that have
// changed since.
func (w *writing) armDropped(ctx context.Context, b *batch, dropped []*item) error {
	if len(dropped) == 0 {
		return nil
	}
	closing := roster.Closing{Run: w.run.ID, Route: b.route}
	for _, it := range dropped {
		closing.Refused = append(closing.Refused, it.source)
	}
	if _, err := w.sync.Intents.CloseLinks(ctx, closing); err != nil {
		return fmt.Errorf("take up dropped records: %w", err)
	}
	return w.arm(ctx, b, dropped)
}

// mayRepeat reports whether a create that an earlier life of this run has armed
// may simply be sent again: the target still remembers its idempotency key.
func (w *writing) mayRepeat(target sdk.TargetKind, intent roster.Intent) bool {
	age := w.r.Now().Sub(intent.Armed)
	return target.Class == sdk.ClassA && intent.Run == w.run.ID && intent.State == roster.IntentArmed &&
		age >= 0 && age < target.KeyTTL // a clock that was set back proves nothing
}
