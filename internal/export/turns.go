package export

import (
	"context"
	"slices"
	"sync"
)

// turns lets one caller a business go ahead, in the order of asking.
type turns struct {
	mu sync.Mutex
	// queues holds those who asked; the first of a queue has the turn.
	queues map[string][]chan struct{}
}

// take waits for the turn of a business. It calls waiting once if the turn is
// not free. The turn is given back by release.
func (t *turns) take(ctx context.Context, business string, waiting func()) (release func(), err error) {
	mine := make(chan struct{})
	release = func() { t.leave(business, mine) }
	if t.join(business, mine) {
		return release, nil
	}
	waiting()
	select {
	case <-mine:
		return release, nil
	case <-ctx.Done():
		release()
		return nil, context.Cause(ctx)
	}
}

func (t *turns) join(business string, mine chan struct{}) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queues[business] = append(t.queues[business], mine)
	return len(t.queues[business]) == 1
}

func (t *turns) leave(business string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := t.queues[business]
	at := slices.Index(queue, mine)
	queue = slices.Delete(queue, at, at+1)
	if len(queue) == 0 {
		delete(t.queues, business)
		return
	}
	t.queues[business] = queue
	if at == 0 {
		close(queue[0])
	}
}

// turn is one caller's place in the queue of a business.
type turn struct {
	turns    *turns
	business string
	release  func()
}

// take waits for the turn unless the caller has it.
func (t *turn) take(ctx context.Context, waiting func()) (err error) {
	if t.release == nil {
		t.release, err = t.turns.take(ctx, t.business, waiting)
	}
	return err
}

// giveBack lets the next caller go ahead.
func (t *turn) giveBack() {
	if t.release != nil {
		t.release()
		t.release = nil
	}
}
