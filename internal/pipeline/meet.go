package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// stand looks up what is remembered of the records of a batch, arms its creates,
// and settles what has changed since the change set was made.
func (w *writing) stand(ctx context.Context, b *batch) error {
	var creates, others []*item
	for _, it := range b.items {
		if !it.open() {
			continue
		}
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

// join makes members of the prospects of the same source records where those were
// not linked when the change set was made: the run itself has created them. One whose
// prospect is in doubt waits for that.
func (w *writing) join(ctx context.Context, b *batch) error {
	creates := slices.DeleteFunc(slices.Clone(b.items), func(it *item) bool { return it.op != sdk.OpCreate })
	if !joins(b.kind, b.target) || len(creates) == 0 {
		return nil
	}
	standings, err := w.prospects(ctx, creates)
	if err != nil {
		return err
	}
	for i, it := range creates {
		switch s := standings[i]; {
		case s.Intent != nil && s.Intent.State.Waits():
			it.leave(leftWaiting)
		case s.Link.Version == 0:
		case b.target.SameRecord:
			it.op, it.target, it.matched = sdk.OpUpdate, s.Link.Target, true
		default:
			it.op, it.target = sdk.OpConvert, s.Link.Target
		}
	}
	return nil
}

// joins reports whether the target makes records of a kind, which is that of
// members, of those of prospects.
func joins(kind sdk.Kind, target sdk.TargetKind) bool {
	return kind == sdk.KindMember && (target.SameRecord || target.Can(sdk.OpConvert))
}

// prospects looks up the prospects of the same source records.
func (w *writing) prospects(ctx context.Context, members []*item) ([]roster.Standing, error) {
	sources := make([]string, len(members))
	for i, it := range members {
		sources[i] = it.source
	}
	standings, err := w.sync.Links.Standings(ctx, w.sync.route(sdk.KindProspect), sources)
	if err != nil {
		return nil, fmt.Errorf("look up prospects: %w", err)
	}
	return standings, nil
}

// taken leaves out updates of records that were matched and are linked to another
// record: they would get the values of somebody else.
func (w *writing) taken(ctx context.Context, b *batch, items []*item) error {
	items = slices.DeleteFunc(items, func(it *item) bool { return !it.open() || !it.matched })
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
		it.leave(leftAsIs)
		it.seen = s.Link.Seen
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
		it.reason = intent.Reason
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
		it.leave(leftAsIs)
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
