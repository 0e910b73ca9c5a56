package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// This file is what keeps a store that was put back from a backup from creating
// records twice: links that were made behind the backup are missing, so that
// every create is treated like one whose answer was lost.

// Restored says that links of a sync may be missing.
type Restored struct {
	// Hold says that what is not found is not created either: the other direction
	// between the two systems has not been searched yet, and what it created is
	// known by markers that this direction cannot ask for.
	Hold bool
	// Walked is told of a run that walked the whole source and delivered what it
	// found. Held is how many creates Hold has kept back. What it does is tried
	// again by the next such run where it fails.
	Walked func(ctx context.Context, run roster.Run, held int) error
}

// proof says what keeps a create from being a second one.
type proof int

const (
	// proofTarget: the target itself does not take a record twice.
	proofTarget proof = iota
	// proofSearch: it is searched for before it is sent.
	proofSearch
	// proofNone: a person has to say that links are complete.
	proofNone
)

// proofOf says how a create of a kind is proven not to be a second one.
func (s *SyncFlow) proofOf(target sdk.TargetKind) proof {
	switch {
	case target.Class == sdk.ClassB:
		return proofTarget
	case target.Class == sdk.ClassBPrime && s.Find == nil:
		return proofTarget
	case s.Find == nil:
		return proofNone
	}
	switch target.Class {
	case sdk.ClassBPrime, sdk.ClassC:
		return proofSearch
	case sdk.ClassA, sdk.ClassB, sdk.ClassD, sdk.ClassE:
		// A target of class A may have forgotten the keys, and need not find anything by them.
	}
	return proofNone
}

// unproven reports whether nothing keeps an operation from making a record a
// second time. What a conversion has made is found by no search.
func (s *SyncFlow) unproven(target sdk.TargetKind, op sdk.Op) bool {
	return op == sdk.OpConvert || op == sdk.OpCreate && s.proofOf(target) == proofNone
}

// CodeRestored says that the state was put back from a backup and that nothing
// can tell whether a record was created before.
const CodeRestored = "state.restored"

func restoredFault(job string, kind sdk.Kind) *roster.Fault {
	return &roster.Fault{
		Code: CodeRestored,
		Message: fmt.Sprintf("nothing was created: the state was restored from a backup, and the target cannot be searched for the records of kind %s "+
			"that were created behind it", kind),
		Hint: "compare the target with the source, link what is there with `rosterd links`, then let the job create again with `rosterd state accept " + job + "`",
	}
}

// unprovable finds a kind of which a run would create what cannot be searched for.
func (c *comparer) unprovable() (sdk.Kind, bool) {
	if c.sync.Restored == nil {
		return "", false
	}
	for _, kind := range c.p.flow.Kinds {
		target, ok := c.sync.Target[kind]
		if ok && (c.converting && kind == sdk.KindMember || c.creates[kind] > 0 && c.sync.unproven(target, sdk.OpCreate)) {
			return kind, true
		}
	}
	return "", false
}

// provable fails where a batch would make what cannot be searched for. It is
// called before anything is armed, so that what is not sent is not in doubt.
func (w *writing) provable(b *batch) error {
	if w.sync.Restored == nil {
		return nil
	}
	for _, it := range b.items {
		if w.sync.unproven(b.target, it.op) {
			return restoredFault(w.run.Job, b.kind)
		}
	}
	return nil
}

// prove searches for the creates of a batch before they are sent. One that is
// found is linked, with nothing known of what was sent, and becomes an update. It
// is called when the creates are armed.
func (w *writing) prove(ctx context.Context, b *batch) error {
	if w.sync.Restored == nil {
		return nil
	}
	var creates []*item
	for _, it := range b.items {
		if it.op == sdk.OpCreate && it.open() {
			creates = append(creates, it)
		}
	}
	if len(creates) == 0 {
		return nil
	}
	if w.sync.proofOf(b.target) == proofTarget {
		return nil
	}
	if err := w.awaitSince(ctx, b, w.sync.Began); err != nil {
		return err
	}
	for chunk := range slices.Chunk(creates, ambiguous) {
		if err := w.proveSome(ctx, b, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) proveSome(ctx context.Context, b *batch, creates []*item) error {
	part := &batch{kind: b.kind, target: b.target, route: b.route, end: b.end, items: creates}
	for _, it := range creates {
		it.operation = w.operation(b, it)
	}
	class := w.searchClass(b.target)
	matches, err := w.search(ctx, part, class)
	if err != nil {
		return err
	}
	var found []*item
	for i, it := range creates {
		f := conclude(class, it.operation.Marker, matches[i], it.same, 1)
		if !it.searchable(class, b.target) {
			f = finding{step: stepPark, reason: parkNoSearch}
		}
		switch {
		case f.step == stepDone:
			it.result.ID = f.id
			found = append(found, it)
		case f.step != stepAgain:
			it.parkFor(f.reason, f.hits)
		case w.sync.Restored.Hold:
			w.held++
			it.leave(leftHeld)
		}
	}
	return w.relink(ctx, b, found)
}

// relink stores links of creates that were found. What the target has of them is
// what an earlier version of the record was: they are sent again, as updates.
func (w *writing) relink(ctx context.Context, b *batch, found []*item) error {
	if len(found) == 0 {
		return nil
	}
	closing := roster.Closing{Run: w.run.ID, Route: b.route}
	sources := make([]string, len(found))
	for i, it := range found {
		sources[i] = it.source
		closing.Links = append(closing.Links, roster.Link{Source: it.source, Target: it.result.ID, Origin: roster.LinkFound})
	}
	ctx = context.WithoutCancel(ctx)
	closed, err := w.sync.Intents.CloseLinks(ctx, closing)
	if err != nil {
		return fmt.Errorf("store links that were found: %w", err)
	}
	standings, err := w.sync.Links.Standings(ctx, b.route, sources)
	if err != nil {
		return fmt.Errorf("look up links: %w", err)
	}
	for i, it := range found {
		id := it.result.ID
		it.result = sdk.Result{}
		if slices.Contains(closed.Clashes, it.source) {
			it.parkFor(parkClash, []string{id})
			continue
		}
		it.intent, it.attempt = false, 1
		w.meet(it, standings[i])
		if !w.sync.Options.OnMatch || !b.target.Can(sdk.OpUpdate) {
			it.leave(leftDone)
		}
	}
	return nil
}

// walked tells of a run that walked everything and delivered it.
func (r *Runner) walked(ctx context.Context, run roster.Run, flow *Flow, held int) {
	restored := flow.Sync.Restored
	if restored == nil || restored.Walked == nil {
		return
	}
	if err := restored.Walked(ctx, run, held); err != nil {
		r.Logger.Warn("the job goes on searching for what it creates", "run", run.ID, "job", run.Job, "err", err)
	}
}

// awaitSince returns when nothing can take effect unseen any more that was under
// way at a time.
func (w *writing) awaitSince(ctx context.Context, b *batch, since time.Time) error {
	margin := w.sync.Margin
	if margin == 0 {
		margin = settleMargin
	}
	for {
		left := settleTime(b.target, margin) - w.r.Now().Sub(since)
		if left <= 0 {
			return nil
		}
		w.live.waits("creates whose answer was lost are settled")
		err := w.r.Sleep(ctx, left)
		w.live.waits("")
		if err != nil {
			return err
		}
	}
}
