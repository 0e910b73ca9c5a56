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
	w      *writing
	b      *batch
	counts roster.Counts
	// quiet leaves the run's counts as they are.
	quiet bool
}

func newClosing(w *writing, b *batch) *closing {
	c := &closing{w: w, b: b, counts: w.counts}
	c.Links = make([]roster.Link, 0, len(b.items))
	c.Run, c.Route, c.Delivered = w.run.ID, b.route, b.end
	c.counts.Created, c.counts.Updated = orZero(c.counts.Created), orZero(c.counts.Updated)
	for _, it := range b.items {
		if it.undone {
			c.Delivered = min(c.Delivered, it.entry)
		}
	}
	return c
}

// take adds what came of one change. What lies behind the first change that is
// not done comes again when the run goes on, and is counted then.
func (c *closing) take(it *item) {
	if c.w.stopping && it.entry >= c.Delivered {
		counts := c.counts
		counts.Created, counts.Updated = orZero(counts.Created), orZero(counts.Updated)
		defer func() { c.counts = counts }()
	}
	switch {
	case it.undone:
		c.undone(it)
	case it.skip:
		c.left(it)
	default:
		c.outcome(it)
	}
}

// undone keeps an operation for another run. One that may have been executed
// stays armed.
func (c *closing) undone(it *item) {
	if it.made != "" {
		c.converted(it)
		return
	}
	if !it.intent {
		return
	}
	if it.result.Outcome == sdk.OutcomeRefused {
		c.Refused = append(c.Refused, it.source)
	}
}

// left takes a change of which nothing was sent.
func (c *closing) left(it *item) {
	switch it.left {
	case leftArmed:
	case leftDone:
		c.delivered(it)
	case leftAsked:
		c.counts.Waiting++
	case leftWaiting:
		c.quarantine(it, roster.CodeDeliverWaiting, "the create of the same record was in doubt; the next run takes it up")
	case leftUnlinked:
		c.quarantine(it, roster.CodeDeliverLink, "its link was changed while the run was under way; the next run takes it up")
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
		c.park(it, parkReview, it.hits)
		last := &c.Parked[len(c.Parked)-1]
		last.Review, last.Attempt = true, 0
	case leftNewer:
		c.Events = append(c.Events, c.event(it, "conflict", it.note))
		if !it.reopened {
			c.counts.Skipped++
		}
		c.Links = append(c.Links, c.link(it))
	case 0: // a refresh, or a link to a record that is not changed
		c.Links = append(c.Links, c.link(it))
		if it.op == opLink {
			c.counts.Linked++
		}
	}
}

// delivered counts a change that an earlier life of the daemon has delivered
// without counting it, or that was read twice. What is only sent to make up for a
// reference was not read.
func (c *closing) delivered(it *item) {
	switch {
	case it.reopened:
	case it.op == sdk.OpDeactivate || it.op == sdk.OpDelete:
		c.counts.Deactivated++
	case it.op == sdk.OpCreate:
		*c.counts.Created++
	default:
		c.counts.Unchanged++
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
	c.warn(it)
	switch it.operation.Op {
	case sdk.OpCreate, sdk.OpConvert:
		*c.counts.Created++
		c.Links = append(c.Links, c.link(it))
	case sdk.OpUpdate, sdk.OpTransfer:
		c.updated(it)
	case sdk.OpDeactivate, sdk.OpDelete:
		c.counts.Deactivated++
		if it.operation.Op == sdk.OpDelete {
			c.Unlinked = append(c.Unlinked, it.source)
			return
		}
		link := c.link(it)
		link.Gone = true
		c.Links = append(c.Links, link)
		c.Events = append(c.Events, c.event(it, "deactivated", ""))
	}
}

// updated takes an update that is done.
func (c *closing) updated(it *item) {
	switch {
	case it.made != "":
		*c.counts.Created++
	case it.reopened:
		c.counts.Reopened++
	default:
		*c.counts.Updated++
	}
	c.Links = append(c.Links, c.link(it))
	if it.note != "" {
		c.Events = append(c.Events, c.event(it, "conflict", it.note))
	}
}

// converted links a member that was made of a prospect and whose values are still
// to be sent: nothing is remembered of them, so that they are compared again.
func (c *closing) converted(it *item) {
	l := c.link(it)
	l.Sent = roster.Sent{}
	c.Links = append(c.Links, l)
}

// warn counts a record that is delivered without something.
func (c *closing) warn(it *item) {
	for _, text := range it.result.Warnings {
		c.w.warn(text)
	}
	if it.refs.open {
		c.w.warn("some people were sent without their owner or their lead source, which have no link at the target")
	}
	if it.refs.open || it.warned || len(it.result.Warnings) > 0 {
		c.counts.Warned++
	}
}

// link is the link of a change that is done.
func (c *closing) link(it *item) roster.Link {
	l := roster.Link{Source: it.source, Target: it.target, Origin: roster.LinkCreated, Sent: it.sent, Seen: it.seen}
	if it.found {
		l.Origin = roster.LinkFound
	}
	switch {
	case it.made != "":
		l.Target = it.made
	case makes(it.operation.Op) && !it.skip:
		l.Target = it.result.ID
	case it.matched || it.op == opLink:
		l.Origin = roster.LinkMatched
	default:
		l.Version = it.version
	}
	return l
}

func (c *closing) event(it *item, what, note string) roster.LinkEvent {
	return roster.LinkEvent{At: c.w.r.Now(), What: what, Source: it.source, Target: it.target, By: c.Run, Note: note}
}

func (c *closing) park(it *item, reason string, hits []string) {
	c.counts.Waiting++
	c.Parked = append(c.Parked, roster.Intent{
		Route: c.b.route, Source: it.source, State: roster.IntentParked, Run: c.Run, Entry: it.entry, Attempt: it.attempt,
		Armed: c.w.r.Now(), Row: it.row, Reason: reason, Hits: hits, Payload: it.payload,
	})
}

func (c *closing) quarantine(it *item, code, reason string) {
	if it.reopened {
		c.w.warn("the owner or the lead source of some linked people could not be sent later: " + reason)
		return // it stays open, and is tried again by the next run
	}
	if it.op == sdk.OpDeactivate || it.op == sdk.OpDelete {
		c.counts.Remaining++
	} else {
		c.counts.Quarantined++
	}
	c.Quarantined = append(c.Quarantined, roster.Quarantined{
		Job: c.w.run.Job, Run: c.Run, Kind: it.kind, Record: it.source, Position: it.position,
		Stage: roster.StageDeliver, Code: code, Reason: reason, At: c.w.r.Now(), Payload: it.payload,
	})
}

// finish stores everything. A link whose target belongs to another record is not
// made: its create is parked, for a person to look at both.
func (c *closing) finish(ctx context.Context) error {
	if err := c.close(ctx); err != nil {
		return err
	}
	c.w.counts = c.counts
	c.w.live.set(c.counts)
	return nil
}

// finishQuietly stores everything of creates that belong to runs that are over:
// the counts of this run are not theirs.
func (c *closing) finishQuietly(ctx context.Context) error {
	before := c.w.counts
	c.quiet = true
	err := c.close(ctx)
	c.w.counts = before
	return err
}

func (c *closing) close(ctx context.Context) error {
	for {
		counts := c.counts
		c.Update = func(run *roster.Run) error {
			run.Counts = counts
			return nil
		}
		if c.quiet {
			c.Update = nil
		}
		closed, err := c.w.sync.Intents.CloseLinks(ctx, c.Closing)
		if err != nil {
			return fmt.Errorf("store outcomes: %w", err)
		}
		if len(closed.Clashes) == 0 {
			return nil
		}
		clashes := closed.Clashes
		c.clash(clashes)
	}
}

// links reports whether the change makes a link.
func (it *item) links() bool {
	return makes(it.operation.Op) || it.made != "" || it.matched || it.op == opLink
}

// clashed takes back what was counted of a link that was not made.
func (c *closing) clashed(it *item) {
	switch {
	case it.op == opLink && len(it.payload) > 0:
		c.counts.Linked--
		c.park(it, parkTaken, []string{it.target})
	case it.op == opLink:
		c.counts.Linked--
		c.counts.Skipped++
		c.w.warn("a record of the target is linked to another one of the source already, so that it is not taken for a second one")
	case it.matched:
		*c.counts.Updated--
		c.park(it, parkClash, []string{it.target})
	default:
		*c.counts.Created--
		c.park(it, parkClash, []string{it.result.ID})
	}
}

// clash takes links out of the closing that were not made, and parks them.
func (c *closing) clash(sources []string) {
	again := &closing{w: c.w, b: c.b, counts: c.counts, quiet: c.quiet}
	again.Run, again.Route, again.Delivered = c.Run, c.Route, c.Delivered
	again.counts.Created, again.counts.Updated = orZero(c.counts.Created), orZero(c.counts.Updated)
	for _, it := range c.b.items {
		if it.links() && slices.Contains(sources, it.source) {
			again.clashed(it)
		}
	}
	*c = *again
	c.Links = slices.Clip(c.Links)
}
