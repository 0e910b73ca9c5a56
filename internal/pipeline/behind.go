package pipeline

import (
	"context"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// This file has what came of a batch stored while the next one is sent. A crash then
// finds up to two batches sent and not stored, so it is done only where sending
// again changes nothing and nothing is armed, and only for batches that have nothing
// to do with each other.

// storing is a batch whose outcomes are being stored.
type storing struct {
	b    *batch
	done chan error
}

// stored waits until the outcomes of the batch before are stored.
func (w *writing) stored() error {
	if w.behind == nil {
		return nil
	}
	err := <-w.behind.done
	w.behind = nil
	return err
}

// store stores what came of a batch in one transaction.
func (w *writing) store(ctx context.Context, b *batch) error {
	c, err := w.closing(ctx, b)
	if err != nil {
		return err
	}
	return c.finish(context.WithoutCancel(ctx))
}

// storeBehind is store, but does not wait for it where that may be. Until stored
// returns, the counts and the warnings are those of the storing.
func (w *writing) storeBehind(ctx context.Context, b *batch) error {
	if !w.repeatable(b) {
		return w.store(ctx, b)
	}
	c, err := w.closing(ctx, b)
	if err != nil {
		return err
	}
	behind := &storing{b: b, done: make(chan error, 1)}
	w.behind = behind
	go func() { behind.done <- finished(context.WithoutCancel(ctx), c) }()
	return nil
}

// closing is what is to be stored of a batch, when everything before is stored.
func (w *writing) closing(ctx context.Context, b *batch) (*closing, error) {
	if err := w.stored(); err != nil {
		return nil, err
	}
	w.observe(context.WithoutCancel(ctx), b)
	c := newClosing(w, b)
	for _, it := range b.items {
		c.take(it)
	}
	return c, nil
}

// finished runs in a goroutine of its own, so it contains a panic itself.
func finished(ctx context.Context, c *closing) (err error) {
	defer func() {
		if recover() != nil {
			err = panicked()
		}
	}()
	return c.finish(ctx)
}

// repeatable reports whether a batch may be sent again as a whole: to a target that
// takes no record twice, whose records nobody else writes, and with every change
// known by the id of its own record. Staff and lead sources are not among it, because
// people refer to their links.
func (w *writing) repeatable(b *batch) bool {
	if b.target.Class != sdk.ClassB || w.sync.TwoWay || w.sync.Restored != nil ||
		b.kind != sdk.KindProspect && b.kind != sdk.KindMember {
		return false
	}
	for _, it := range b.items {
		switch {
		case it.matched || it.intent:
			return false
		case it.op != sdk.OpCreate && it.op != sdk.OpUpdate && it.op != opRefresh:
			return false
		}
	}
	return true
}

// keepApart waits until the batch before is stored where the next one has to do with
// it.
func (w *writing) keepApart(b *batch) error {
	if w.apart(b) {
		return nil
	}
	return w.stored()
}

// apart reports whether a batch may be made ready and sent before the one before it
// is stored: what stands in the store of its records is not what that one changes.
func (w *writing) apart(b *batch) bool {
	if w.behind == nil {
		return true
	}
	before := w.behind.b
	if before.kind != b.kind || !w.repeatable(b) {
		return false
	}
	for _, it := range b.items {
		if _, shared := before.ends.sources[it.source]; shared {
			return false
		}
	}
	return true
}
