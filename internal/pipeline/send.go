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

// sendAll writes the operations of a batch, and those that follow on them.
func (w *writing) sendAll(ctx context.Context, b *batch) error {
	var open []*item
	for _, it := range b.items {
		if it.open() {
			open = append(open, it)
		}
	}
	for len(open) > 0 {
		if err := w.send(ctx, b, open); err != nil {
			return err
		}
		open = following(b.target.Class, open)
	}
	return nil
}

// following returns the items of which a second operation is to be sent, because
// the first one is done.
func following(class sdk.GuaranteeClass, sent []*item) []*item {
	var open []*item
	for _, it := range sent {
		if it.then == nil || nextStep(class, it.operation.Op, it.result) != stepDone {
			continue
		}
		if it.operation.Op == sdk.OpConvert {
			it.made, it.then.ID = it.result.ID, it.result.ID
		}
		it.operation, it.then = *it.then, nil
		open = append(open, it)
	}
	return open
}

// send sends operations of a batch, and again those that the target asks to send
// later. It returns when each of them is done, refused, in doubt or for a person;
// an error ends the run, and leaves what is armed in doubt.
func (w *writing) send(ctx context.Context, b *batch, open []*item) error {
	wait, began := firstWait, w.r.Now()
	for try := 1; len(open) > 0; try++ {
		w.once(ctx, b, open)
		again, after, stop := sorted(b.target.Class, open)
		if stop != nil {
			return w.stopped(ctx, b, stop)
		}
		if len(again) == 0 {
			return nil
		}
		pause := max(after, wait)
		if try == attempts || forgets(b.target, again, began, w.r.Now().Add(pause)) {
			return w.stopped(ctx, b, again[0])
		}
		if err := w.patience(ctx, b, again, try, pause); err != nil {
			return err
		}
		wait = min(2*wait, longestWait)
		open = again
	}
	return nil
}

// forgets reports whether the target may not remember the keys any more, at a
// time, of creates that it may have executed: they were sent from began on, or by
// an earlier life.
func forgets(target sdk.TargetKind, again []*item, began, at time.Time) bool {
	return target.Class == sdk.ClassA && slices.ContainsFunc(again, func(it *item) bool {
		first := began
		if !it.armed.IsZero() && it.armed.Before(first) {
			first = it.armed
		}
		return it.operation.Op == sdk.OpCreate && it.result.Outcome != sdk.OutcomeRefused && at.Sub(first) >= target.KeyTTL
	})
}

// once sends operations once.
func (w *writing) once(ctx context.Context, b *batch, open []*item) {
	req := sdk.WriteRequest{Kind: b.kind, Operations: make([]sdk.Operation, len(open))}
	for i, it := range open {
		req.Operations[i] = it.operation
	}
	unhurried, done := w.unhurried(ctx)
	defer done()
	res, err := w.sync.Write(unhurried, req)
	w.r.noteSend(b.route)
	if err == nil && len(res.Results) != len(open) {
		err = fmt.Errorf("%d results for %d operations", len(res.Results), len(open))
	}
	for i, it := range open {
		if err != nil {
			it.result = unanswered(err)
			continue
		}
		it.result = res.Results[i]
	}
	if err != nil {
		w.r.Logger.Warn("no answer to a write", "run", w.run.ID, "job", w.run.Job, "kind", b.kind, "operations", len(open), "err", err)
	}
}

// stopGrace is how long a write that is under way may go on when the run is
// stopped: cut off, each of its creates would be in doubt.
const stopGrace = 20 * time.Second

// unhurried is a context that outlives ctx by stopGrace. The function ends it.
func (w *writing) unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		if w.r.Sleep(longer, stopGrace) == nil {
			cancel()
		}
	})
	return longer, func() {
		cancel()
		if !stop() {
			<-over
		}
	}
}

func unanswered(err error) sdk.Result {
	e := sdk.AsError(err)
	return sdk.Result{Outcome: sdk.OutcomeUnknown, Class: e.Class, Code: e.Code, Detail: e.Error(), After: e.After}
}

// sorted returns the items that are to be sent again, with the longest wait that
// the target asks for, and one that says that nothing else can be sent.
func sorted(class sdk.GuaranteeClass, open []*item) (again []*item, after time.Duration, stop *item) {
	for _, it := range open {
		switch nextStep(class, it.operation.Op, it.result) {
		case stepAgain:
			again = append(again, it)
			after = max(after, it.result.After)
		case stepStop:
			stop = it
		case stepDone, stepRefuse, stepSettle, stepPark:
		}
	}
	return again, after, stop
}

// patience waits until operations may be sent again.
func (w *writing) patience(ctx context.Context, b *batch, again []*item, try int, wait time.Duration) error {
	if wait > quotaWait {
		return w.stopped(ctx, b, again[0])
	}
	w.r.Logger.Warn("target asks to wait", "run", w.run.ID, "job", w.run.Job, "kind", b.kind,
		"operations", len(again), "attempt", try, "wait", wait, "err", again[0].result.Detail)
	w.live.waits(again[0].result.Detail)
	defer w.live.waits("")
	if err := w.r.Sleep(ctx, wait); err != nil {
		w.stopping = daemonStops(ctx)
		return errors.Join(err, w.leaveUndone(ctx, b))
	}
	return nil
}

func daemonStops(ctx context.Context) bool { return errors.Is(context.Cause(ctx), roster.ErrStopping) }

// stopped ends the run because of what the target said to one operation. Where the
// daemon stops at that moment the run goes on, unless a quota ends it.
func (w *writing) stopped(ctx context.Context, b *batch, it *item) error {
	r := it.result
	quota := r.Class == sdk.ClassRetry && r.After > quotaWait
	w.stopping = !quota && daemonStops(ctx)
	if err := w.leaveUndone(ctx, b); err != nil {
		return err
	}
	err := &sdk.Error{Class: sdk.ClassFail, Code: r.Code, After: r.After, Err: fmt.Errorf("write %s: %s", b.kind, r.Detail)}
	if quota {
		return &quotaError{after: r.After, err: err}
	}
	return err
}

// leaveUndone stores what was done of a batch when the run stops in it. Creates
// that are proven not executed are disarmed, so that another run, or this one
// when it goes on, finds the records as they were. Of what is done in two
// operations the first alone is not all of it.
func (w *writing) leaveUndone(ctx context.Context, b *batch) error {
	for _, it := range b.items {
		if !it.open() {
			continue
		}
		switch nextStep(b.target.Class, it.operation.Op, it.result) {
		case stepAgain, stepStop:
			it.leave(leftUndone)
		case stepDone:
			if it.then == nil {
				continue
			}
			it.leave(leftUndone)
			if it.operation.Op == sdk.OpConvert {
				it.made = it.result.ID
			}
		case stepRefuse, stepSettle, stepPark:
		}
	}
	return w.store(ctx, b)
}

// quotaError says that the rest of a run waits until a quota of the target is
// there again.
type quotaError struct {
	after time.Duration
	err   error
}

// Error returns what the target said.
func (e *quotaError) Error() string { return e.err.Error() }

// Unwrap returns the target's error.
func (e *quotaError) Unwrap() error { return e.err }
