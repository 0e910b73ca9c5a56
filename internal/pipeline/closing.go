package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// closing gathers what changes in the store when the outcomes of a batch are
// known: links, intents, quarantine and the run's counts, in one transaction.
type closing struct {
	roster.Closing
	w *writing
	b *batch
	// taken are the changes of which an outcome is known.
	taken []taken
	// stopping says that the daemon stops.
	stopping bool
}

// taken is a change with its outcome.
type taken struct {
	*item
	as tally
	// without says that it was delivered without something.
	without bool
}

func newClosing(w *writing, b *batch) *closing {
	c := &closing{w: w, b: b, stopping: w.stopping, taken: make([]taken, 0, len(b.items))}
	c.Links = make([]roster.Link, 0, len(b.items))
	c.Run, c.Route, c.Delivered = w.run.ID, b.route, b.end
	for _, it := range b.items {
		if it.left == leftUndone && !b.settling {
			c.Delivered = min(c.Delivered, it.entry)
		}
	}
	return c
}

// count notes as what a change counts. Where it is not refused it makes up for what
// the run has refused of earlier forms of the record.
func (c *closing) count(it *item, as tally) {
	c.taken = append(c.taken, taken{item: it, as: as})
	if as != tallyQuarantined && as != tallyRemaining && !it.reopened && c.w.counts.Quarantined > 0 {
		c.Superseded = append(c.Superseded, roster.Superseded{Record: it.source, Form: roster.FormOf(it.entry)})
	}
}

// take adds what came of one change.
func (c *closing) take(it *item) {
	switch it.left {
	case leftNot:
		c.outcome(it)
	case leftUndone:
		c.undone(it)
	default:
		c.left(it)
	}
}

// undone keeps an operation for another run. One that may have been executed
// stays armed; so does one that is sent again, where the run goes on: it does not
// come to the entry any more, and settles what is armed.
func (c *closing) undone(it *item) {
	switch {
	case it.made != "":
		c.converted(it)
	case c.b.settling && c.stopping:
	case it.intent && it.result.Outcome == sdk.OutcomeRefused:
		c.Refused = append(c.Refused, it.source)
	}
}

// left takes a change of which nothing was sent.
func (c *closing) left(it *item) {
	switch it.left {
	case leftNot, leftUndone, leftArmed:
	case leftAsIs:
		c.Links = append(c.Links, c.link(it))
		if it.op == opLink {
			c.count(it, tallyLinked)
		}
	case leftDone:
		c.delivered(it)
	case leftAsked:
		c.count(it, tallyWaiting)
	case leftWaiting:
		c.quarantine(it, roster.CodeDeliverWaiting, "the create of the same record was in doubt; the next run takes it up")
	case leftUnlinked:
		c.quarantine(it, roster.CodeDeliverLink, unlinkedReason(it))
	case leftParked:
		c.park(it, it.reason, it.hits)
	case leftHeld:
		c.Refused = append(c.Refused, it.source)
		c.quarantine(it, roster.CodeDeliverRestored, "it is created when the job of the other direction has walked its source once since the state was restored")
	case leftMissing:
		c.quarantine(it, roster.CodeDeliverGone, "the target does not have its record any more; mend the link with `rosterd links`")
	case leftTaken:
		c.park(it, parkTaken, []string{it.target})
	case leftReview:
		c.review(it)
	case leftNewer:
		c.Events = append(c.Events, c.event(it, "conflict", it.note))
		c.Links = append(c.Links, c.link(it))
		if !it.reopened {
			c.count(it, tallySkipped)
		}
	}
}

// unlinkedReason says why a change has no link that it was made for.
func unlinkedReason(it *item) string {
	if it.version == 0 {
		return "another form of it was refused before in the run; the next run takes it up"
	}
	return "its link was changed while the run was under way; the next run takes it up"
}

// delivered counts a change that an earlier life of the daemon has delivered
// without counting it, or that was read twice. What is only sent to make up for a
// reference was not read.
func (c *closing) delivered(it *item) {
	switch {
	case it.reopened:
	case it.op == sdk.OpDeactivate || it.op == sdk.OpDelete:
		c.count(it, tallyDeactivated)
	case it.op == sdk.OpCreate:
		c.count(it, tallyCreated)
	default:
		c.count(it, tallyUnchanged)
	}
}

// outcome takes the outcome of an operation.
func (c *closing) outcome(it *item) {
	switch nextStep(c.b.target.Class, it.operation.Op, it.result) {
	case stepDone:
		c.done(it)
	case stepRefuse:
		if it.made != "" {
			c.converted(it)
		} else if it.intent {
			c.Refused = append(c.Refused, it.source)
		}
		c.quarantine(it, roster.CodeDeliverRefused, refusalReason(it.result))
	case stepPark:
		reason := parkNoSearch
		if it.operation.Op == sdk.OpConvert {
			reason = parkConverted
		}
		c.park(it, reason, nil)
	case stepSettle, stepAgain, stepStop:
		// It stays armed, which already means that its outcome is not known.
	}
}

func refusalReason(r sdk.Result) string {
	if r.Detail == "" {
		return "the target refused it and gave no reason"
	}
	return "the target refused it: " + r.Detail
}

func (c *closing) done(it *item) {
	switch it.operation.Op {
	case sdk.OpCreate, sdk.OpConvert:
		c.count(it, tallyCreated)
		c.Links = append(c.Links, c.link(it))
	case sdk.OpUpdate, sdk.OpTransfer:
		c.updated(it)
	case sdk.OpDeactivate, sdk.OpDelete:
		c.departed(it)
	}
	c.taken[len(c.taken)-1].without = c.warn(it)
}

// updated takes an update that is done.
func (c *closing) updated(it *item) {
	switch {
	case it.made != "":
		c.count(it, tallyCreated)
	case it.reopened:
		c.count(it, tallyReopened)
	default:
		c.count(it, tallyUpdated)
	}
	c.Links = append(c.Links, c.link(it))
	if it.note != "" {
		c.Events = append(c.Events, c.event(it, "conflict", it.note))
	}
}

// departed takes a deactivation or a delete that is done.
func (c *closing) departed(it *item) {
	c.count(it, tallyDeactivated)
	if it.operation.Op == sdk.OpDelete {
		c.Unlinked = append(c.Unlinked, it.source)
		return
	}
	link := c.link(it)
	link.Gone = true
	c.Links = append(c.Links, link)
	c.Events = append(c.Events, c.event(it, "deactivated", ""))
}

// converted links a member that was made of a prospect and whose values are still
// to be sent: nothing is remembered of them, so that they are compared again.
func (c *closing) converted(it *item) {
	l := c.link(it)
	l.Sent = roster.Sent{}
	c.Links = append(c.Links, l)
}

// warn tells of what a record was delivered without, and whether there is any.
func (c *closing) warn(it *item) (without bool) {
	for _, text := range it.result.Warnings {
		c.w.warn(text)
	}
	if it.refs.open {
		c.w.warn("some people were sent without their owner or their lead source, which have no link at the target")
	}
	return it.refs.open || it.warned || len(it.result.Warnings) > 0
}

// link is the link of a change that is done.
func (c *closing) link(it *item) roster.Link {
	l := roster.Link{Source: it.source, Target: it.written(), Origin: roster.LinkCreated, Sent: it.sent, Seen: it.seen}
	if it.found {
		l.Origin = roster.LinkFound
	}
	switch {
	case it.made != "" || it.creates():
	case it.matched || it.op == opLink:
		l.Origin = roster.LinkMatched
	default:
		l.Version = it.version
	}
	if it.op == opLink && it.asks() {
		l.Sent = roster.Sent{} // nothing was sent of a person who is only linked
	}
	return l
}

func (c *closing) event(it *item, what, note string) roster.LinkEvent {
	return roster.LinkEvent{At: c.w.r.Now(), What: what, Source: it.source, Target: it.target, By: c.Run, Note: note}
}

// intent is a change that a person decides about.
func (c *closing) intent(it *item, reason string, hits []string) roster.Intent {
	return roster.Intent{
		Route: c.b.route, Source: it.source, State: roster.IntentParked, Run: c.Run, Entry: it.entry, Attempt: it.attempt,
		Armed: c.w.r.Now(), Row: it.row, Reason: reason, Hits: hits, Payload: it.payload,
	}
}

func (c *closing) park(it *item, reason string, hits []string) {
	c.count(it, tallyWaiting)
	it.reason = reason
	c.Parked = append(c.Parked, c.intent(it, reason, hits))
}

// review asks a person which record of the target it is. Nothing was sent.
func (c *closing) review(it *item) {
	c.count(it, tallyWaiting)
	it.reason = parkReview
	asked := c.intent(it, parkReview, it.hits)
	asked.Review, asked.Attempt = true, 0
	c.Parked = append(c.Parked, asked)
}

func (c *closing) quarantine(it *item, code, reason string) {
	switch {
	case it.reopened:
		c.w.warn("the owner or the lead source of some linked people could not be sent later: " + reason)
		return // it stays open, and is tried again by the next run
	case c.again(it):
		return // it may not be refused then
	case it.op == opRefresh:
		return // nothing was to be sent, and it counts as unchanged
	}
	as, gone := tallyQuarantined, it.op == sdk.OpDeactivate || it.op == sdk.OpDelete
	if gone {
		as = tallyRemaining
	}
	c.count(it, as)
	it.code, it.reason = code, reason
	c.Quarantined = append(c.Quarantined, roster.Quarantined{
		Job: c.w.run.Job, Run: c.Run, Kind: it.kind, Record: it.source, Position: it.position,
		Stage: roster.StageDeliver, Code: code, Reason: reason, At: c.w.r.Now(), Payload: it.payload,
		Form: roster.FormOf(it.entry), Gone: gone,
	})
}

// again reports whether a change comes again when the run goes on: it lies behind
// the first one that is not done.
func (c *closing) again(it *item) bool { return c.stopping && it.entry >= c.Delivered }

// finish stores everything, and what the run has counted by then.
func (c *closing) finish(ctx context.Context) error {
	counts := c.w.counts
	c.Update = func(run *roster.Run, met roster.Closed) error {
		counts = c.counted(met)
		run.Counts = counts
		return nil
	}
	if err := c.close(ctx); err != nil {
		return err
	}
	c.w.counts = counts
	c.w.live.set(counts)
	return nil
}

// close stores everything. A link whose target belongs to another record is not
// made: its change is parked, for a person to look at both.
func (c *closing) close(ctx context.Context) error {
	c.Taken, c.w.logged = c.instead, c.w.logged[:0]
	met, err := c.w.sync.Intents.CloseLinks(ctx, c.Closing)
	if err != nil {
		return fmt.Errorf("store outcomes: %w", err)
	}
	for _, source := range met.Clashes {
		if it := c.clashed(source); it != nil && !it.asks() {
			c.w.warn("a record of the target is linked to another one of the source already, so that it is not taken for a second one")
		}
	}
	if c.Update == nil {
		c.counted(met) // of what other runs have left
	}
	c.log()
	return nil
}

// counted are the run's counts with the changes that were taken. What comes again
// when the run goes on is counted then.
func (c *closing) counted(met roster.Closed) roster.Counts {
	counts := c.w.counts
	counts.Created, counts.Updated = orZero(counts.Created), orZero(counts.Updated)
	for _, one := range c.taken {
		if c.again(one.item) {
			continue
		}
		as := one.as
		switch {
		case !one.links() || !slices.Contains(met.Clashes, one.source):
		case one.asks():
			as = tallyWaiting
		default:
			as = tallySkipped
		}
		as.add(&counts)
		if one.without {
			counts.Warned++
		}
		c.note(one, as)
	}
	counts.Quarantined -= met.Replaced
	counts.Skipped += met.Replaced
	return counts
}

// clashed returns the change whose link was not made.
func (c *closing) clashed(source string) *item {
	at := slices.IndexFunc(c.b.items, func(it *item) bool { return it.source == source && it.links() })
	if at < 0 {
		return nil
	}
	return c.b.items[at]
}

// instead is what a person is asked in place of a link that was not made.
func (c *closing) instead(source string) (roster.Intent, bool) {
	it := c.clashed(source)
	switch {
	case it == nil || !it.asks():
		return roster.Intent{}, false
	case it.op == opLink:
		it.reason = parkTaken
		return c.intent(it, parkTaken, []string{it.target}), true
	}
	it.reason = parkClash
	return c.intent(it, parkClash, []string{it.written()}), true
}
