package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// settleRun finds out what became of the creates of the run that are in doubt.
// It returns when each of them is linked, refused or parked. The change set is done
// up to the entry end.
func (w *writing) settleRun(ctx context.Context, end int) error {
	for {
		intents, err := w.sync.Intents.Intents(ctx, w.run.ID)
		if err != nil {
			return fmt.Errorf("read creates in doubt: %w", err)
		}
		if len(intents) == 0 {
			return nil
		}
		kind := intents[0].Route.Kind
		intents = slices.DeleteFunc(intents, func(i roster.Intent) bool { return i.Route.Kind != kind })
		b, err := w.doubtful(ctx, kind, intents[:min(len(intents), ambiguous)])
		if err != nil {
			return err
		}
		b.end = end
		if err := w.settle(ctx, b); err != nil {
			return err
		}
	}
}

// settleLeadSources settles the lead sources whose create is in doubt before the
// people who refer to them are sent, who would be sent without otherwise. The people
// begin at an entry.
func (w *writing) settleLeadSources(ctx context.Context, before, next sdk.Kind, at int) error {
	if before != sdk.KindLeadSource || next == before {
		return nil
	}
	if err := w.settleRun(ctx, at); err != nil {
		return err
	}
	w.refs = newResolver(w.sync)
	return nil
}

// doubtful makes a batch of creates in doubt out of the change set.
func (w *writing) doubtful(ctx context.Context, kind sdk.Kind, intents []roster.Intent) (*batch, error) {
	b := &batch{kind: kind, target: w.sync.Target[kind], route: w.sync.route(kind), end: w.changes.Len()}
	for _, intent := range intents {
		it := &item{entry: intent.Entry, attempt: intent.Attempt, intent: true, armed: intent.Armed}
		err := w.changes.Entries(intent.Entry, intent.Entry+1, func(_ int, data []byte) (err error) {
			it.change, err = parseChange(slices.Clone(data))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the change set: %w", err)
		}
		if it.refs, err = w.refs.resolve(ctx, it.owner, it.leadSource); err != nil {
			return nil, err
		}
		it.sent = it.change.sent(w.sync.Digests, w.sync.Mapping, it.refs, nil)
		it.operation = w.operation(b, it)
		b.items = append(b.items, it)
	}
	conversions, err := w.maybeConversions(ctx, b)
	for i := range conversions {
		if conversions[i] {
			b.items[i].op = sdk.OpConvert
		}
	}
	return b, err
}

// settle waits until a search proves something, searches, and does what follows.
func (w *writing) settle(ctx context.Context, b *batch) error {
	class := w.searchClass(b.target)
	if class != sdk.ClassE {
		if err := w.await(ctx, b); err != nil {
			return err
		}
	}
	matches, err := w.search(ctx, b, class)
	if err != nil {
		return err
	}
	again := &batch{kind: b.kind, target: b.target, route: b.route, end: b.end, settling: true}
	c := newClosing(w, b)
	for i, it := range b.items {
		f := conclude(class, it.operation.Marker, matches[i], it.same, it.attempt)
		if it.op == sdk.OpConvert {
			f = finding{step: stepPark, reason: parkConverted}
		}
		if !it.searchable(class, b.target) {
			f = finding{step: stepPark, reason: parkNoSearch}
		}
		if b.target.Class == sdk.ClassA && it.op == sdk.OpCreate {
			f.reason = parkWithoutKey
		}
		switch f.step {
		case stepDone:
			it.result, it.found = sdk.Result{Outcome: sdk.OutcomeOK, ID: f.id}, true
			w.doubtReferences(it)
			c.done(it)
		case stepAgain:
			again.items = append(again.items, it)
		default:
			c.park(it, f.reason, f.hits)
		}
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	return w.repeat(ctx, again)
}

// doubtReferences has the owner and the lead source of a record sent once more that
// an earlier life has created: what had a link at that time is not known.
func (w *writing) doubtReferences(it *item) {
	if it.armed.Before(w.sync.Began) && it.refs != (references{open: it.refs.open, unlinked: it.refs.unlinked}) {
		it.sent = it.change.sent(w.sync.Digests, w.sync.Mapping, references{open: true}, nil)
	}
}

// searchClass is the class by which a create in doubt is searched for.
func (w *writing) searchClass(target sdk.TargetKind) sdk.GuaranteeClass {
	switch {
	case w.sync.Find == nil:
		return sdk.ClassE
	case harmless(target.Class):
		// It need not find anything by what a create is sent again with, and what is in
		// doubt is past that: a key that may be forgotten, or a conversion.
		return sdk.ClassE
	}
	return target.Class
}

// await returns when no create of the batch's kind can take effect unseen any
// more: the target's times have passed since the last of them was under way, in
// this life of the daemon or, at the latest when this one began, in an earlier
// one. Monotonic time is what counts: the wall clock may jump.
func (w *writing) await(ctx context.Context, b *batch) error {
	since := w.sync.Began
	if last := w.r.lastSend(b.route); last.After(since) {
		since = last
	}
	return w.awaitSince(ctx, b, since)
}

// search asks the target for the records of a batch.
func (w *writing) search(ctx context.Context, b *batch, class sdk.GuaranteeClass) ([][]sdk.Match, error) {
	if class == sdk.ClassE {
		return make([][]sdk.Match, len(b.items)), nil
	}
	req := sdk.FindRequest{Kind: b.kind}
	for _, it := range b.items {
		req.Queries = append(req.Queries, it.query(class, b.target))
	}
	res, err := w.patientFind(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("search for creates in doubt: %w", err)
	}
	if len(res.Matches) != len(req.Queries) {
		return nil, fmt.Errorf("search for creates in doubt: %d answers to %d queries", len(res.Matches), len(req.Queries))
	}
	return res.Matches, nil
}

// patientFind repeats a search while the target asks for it.
func (w *writing) patientFind(ctx context.Context, req sdk.FindRequest) (res sdk.FindResponse, err error) {
	err = w.r.patiently(ctx, w.live, "target", req.Kind, func(ctx context.Context) error {
		res, err = w.sync.Find(ctx, req)
		return err
	})
	return res, err
}

// query is what a create in doubt is searched by.
func (it *item) query(class sdk.GuaranteeClass, target sdk.TargetKind) sdk.Query {
	q := sdk.Query{Club: it.operation.Club}
	switch class {
	case sdk.ClassBPrime:
		q.Club = ""
		q.Fields = it.values([]string{target.Unique})
	case sdk.ClassD:
		q.Fields = it.values(target.Natural)
	case sdk.ClassA, sdk.ClassB, sdk.ClassC, sdk.ClassE:
		q.Marker = it.operation.Marker
	}
	return q
}

// searchable reports whether the record has what it is searched by.
func (it *item) searchable(class sdk.GuaranteeClass, target sdk.TargetKind) bool {
	switch class {
	case sdk.ClassBPrime:
		return len(it.values([]string{target.Unique})) > 0
	case sdk.ClassD:
		return len(it.values(target.Natural)) > 0
	case sdk.ClassA, sdk.ClassB, sdk.ClassC, sdk.ClassE:
	}
	return true
}

// values are the texts of fields that are not empty.
func (it *item) values(names []string) map[string]string {
	var data map[string]any
	if json.Unmarshal(it.data, &data) != nil {
		return nil
	}
	values := map[string]string{}
	for _, name := range names {
		if text, ok := data[name].(string); ok && text != "" {
			values[name] = text
		}
	}
	return values
}

// same reports whether a record that was found has every value that was sent.
func (it *item) same(m sdk.Match) bool {
	var sent, have map[string]any
	if len(m.Data) == 0 || json.Unmarshal(it.data, &sent) != nil || json.Unmarshal(m.Data, &have) != nil {
		return false
	}
	for name, value := range sent {
		if got, there := have[name]; !there || fmt.Sprint(got) != fmt.Sprint(value) {
			return false
		}
	}
	return len(sent) > 0
}

// repeat sends creates again that are proven not to have happened.
func (w *writing) repeat(ctx context.Context, b *batch) error {
	if len(b.items) == 0 {
		return nil
	}
	for _, it := range b.items {
		it.attempt++
		it.operation.Attempt = it.attempt
	}
	if err := w.arm(ctx, b, b.items); err != nil {
		return err
	}
	for _, it := range b.items {
		if it.op != sdk.OpCreate { // a person has linked it meanwhile
			it.leave(leftUnlinked)
		}
	}
	if err := w.sendAll(ctx, b); err != nil {
		return err
	}
	return w.store(ctx, b)
}

// leftovers settles the creates that runs have left in doubt which are over, for
// the routes of a run that is about to begin. What is proven not to have happened
// is compared again like every other record.
func (r *Runner) leftovers(ctx context.Context, run roster.Run, flow *Flow, live *progress) error {
	w := &writing{
		r: r, run: run, flow: flow, sync: flow.Sync, live: live, refs: newResolver(flow.Sync),
		counts: roster.Counts{},
	}
	for _, kind := range flow.Kinds {
		intents, err := flow.Sync.Intents.OpenIntents(ctx, flow.Sync.route(kind))
		if err != nil {
			return fmt.Errorf("read creates in doubt: %w", err)
		}
		intents = slices.DeleteFunc(intents, func(i roster.Intent) bool { return i.Run == run.ID })
		for chunk := range slices.Chunk(intents, ambiguous) {
			if err := w.leftover(ctx, kind, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// leftover settles some of them. Only a marker is left to search by: the values
// that were sent are gone with their change set.
func (w *writing) leftover(ctx context.Context, kind sdk.Kind, intents []roster.Intent) error {
	b := &batch{kind: kind, target: w.sync.Target[kind], route: w.sync.route(kind)}
	for _, intent := range intents {
		it := &item{attempt: intent.Attempt, intent: true, entry: intent.Entry}
		it.op, it.source, it.row, it.payload, it.kind = sdk.OpCreate, intent.Source, intent.Row, intent.Payload, kind
		it.operation = sdk.Operation{Op: sdk.OpCreate, Marker: w.sync.Links.Marker(b.route, intent.Source)}
		b.items = append(b.items, it)
	}
	class := sdk.ClassE
	if searched := w.searchClass(b.target); searched == sdk.ClassC {
		class = searched
		if err := w.await(ctx, b); err != nil {
			return err
		}
	}
	matches, err := w.search(ctx, b, class)
	if err != nil {
		return err
	}
	conversions, err := w.maybeConversions(ctx, b)
	if err != nil {
		return err
	}
	c := newClosing(w, b)
	c.Delivered = 0
	for i, it := range b.items {
		switch f := conclude(class, it.operation.Marker, matches[i], it.same, 0); f.step {
		case stepDone:
			it.result, it.found = sdk.Result{Outcome: sdk.OutcomeOK, ID: f.id}, true
			c.done(it)
		case stepAgain:
			if conversions[i] {
				c.park(it, parkConverted, f.hits)
				continue
			}
			c.Refused = append(c.Refused, it.source)
			if len(it.payload) > 0 {
				c.quarantine(it, roster.CodeDeliverWaiting, "the create of the same record was in doubt; the next run takes it up")
			}
		default:
			c.park(it, f.reason, f.hits)
		}
	}
	return c.close(ctx) // the counts of this run are not theirs
}

// maybeConversions tells which creates of members in doubt may have been
// conversions: the record was linked as a prospect.
func (w *writing) maybeConversions(ctx context.Context, b *batch) ([]bool, error) {
	maybe := make([]bool, len(b.items))
	if b.kind != sdk.KindMember || !b.target.Can(sdk.OpConvert) {
		return maybe, nil
	}
	standings, err := w.prospects(ctx, b.items)
	if err != nil {
		return nil, err
	}
	for i, s := range standings {
		maybe[i] = s.Link.Version > 0
	}
	return maybe, nil
}

// keep takes care of the creates that a run leaves in doubt when it ends before
// its change set is delivered. Those that can be searched for by their marker stay
// armed: the next run finds out what became of them, and reads their records
// again. For the others the values that a search needs go with the change set, and
// of a conversion no search proves anything, so that a person has to decide.
func (w *writing) keep(ctx context.Context) error {
	intents, err := w.sync.Intents.Intents(ctx, w.run.ID)
	if err != nil {
		return fmt.Errorf("read creates in doubt: %w", err)
	}
	byKind := map[sdk.Kind][]roster.Intent{}
	for _, intent := range intents {
		byKind[intent.Route.Kind] = append(byKind[intent.Route.Kind], intent)
	}
	for kind, intents := range byKind {
		b, err := w.doubtful(ctx, kind, intents)
		if err != nil {
			return err
		}
		c := newClosing(w, b)
		c.Delivered = 0
		searched := w.searchClass(b.target) == sdk.ClassC
		for _, it := range b.items {
			switch {
			case it.op == sdk.OpConvert:
				c.park(it, parkConverted, nil)
			case !searched:
				c.park(it, parkEnded, nil)
			}
		}
		if err := c.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}
