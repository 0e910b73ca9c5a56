package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/systemd"
)

const (
	// statusEvery is how often the status is told where there is no watchdog.
	statusEvery = 30 * time.Second
	// longestTurn is how long the loop of the schedule may take for one turn:
	// it sleeps for a minute at most.
	longestTurn = 3 * time.Minute
)

// question is something that a part of the daemon has to answer in time. A part
// that is silent is not asked a second time before it has answered.
type question[T any] struct {
	what    string
	ask     func(ctx context.Context) T
	pending chan T
}

// put asks, unless the answer to an earlier time is still owed.
func (q *question[T]) put(ctx context.Context, asking *sync.WaitGroup) {
	if q.pending != nil {
		return
	}
	answer := make(chan T, 1)
	q.pending = answer
	asking.Go(func() { answer <- q.ask(ctx) })
}

// await waits for the answer until ctx ends.
func (q *question[T]) await(ctx context.Context) (answer T, in bool) {
	select {
	case answer = <-q.pending:
		q.pending = nil
		return answer, true
	case <-ctx.Done():
		return answer, false
	}
}

// watchdog tells the service manager that the daemon is alive: only when the
// schedule turns, the store answers and both listeners accept. An answer is any:
// a store that says that the disk is full is alive, and to start it again would
// not make room.
type watchdog struct {
	manager *systemd.Notifier
	log     *slog.Logger
	parts   []*question[bool]
	status  *question[string]
	// silent are the parts that did not answer the last time, text is what was
	// told last.
	silent []string
	text   string
}

// newWatchdog asks the parts of a daemon.
func (p *parts) newWatchdog(manager *systemd.Notifier, public, operator *door) *watchdog {
	p.pulse.now() // The first turn counts from here.
	return &watchdog{
		manager: manager, log: p.log,
		parts: []*question[bool]{
			{what: "the schedule", ask: func(context.Context) bool { return p.pulse.age() < longestTurn }},
			{what: "the store", ask: p.storeAnswers},
			{what: "the public listener", ask: public.accepts},
			{what: "the operator's listener", ask: operator.accepts},
		},
		status: &question[string]{what: "the status", ask: p.statusText},
	}
}

// storeAnswers makes a write transaction that has nothing to write.
func (p *parts) storeAnswers(ctx context.Context) bool {
	const nobody = "watchdog" // No run has this id.
	_, _ = p.store.UpdateRun(ctx, nobody, func(*roster.Run) error { return nil })
	return true
}

// run asks until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	every, limit := statusEvery, statusEvery
	if d := w.manager.Watchdog(); d > 0 {
		// Half of the interval from one round to the next, and a quarter for
		// the answers, leave a quarter for a machine that is busy.
		every, limit = d/2, d/4
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		w.round(ctx, limit, &asking)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round asks every part once and tells what came of it.
func (w *watchdog) round(ctx context.Context, limit time.Duration, asking *sync.WaitGroup) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, q := range w.parts {
		q.put(bounded, asking)
	}
	var silent []string
	for _, q := range w.parts {
		if ok, in := q.await(bounded); !ok || !in {
			silent = append(silent, q.what)
		}
	}
	if ctx.Err() != nil {
		return
	}
	w.report(silent)
	if len(silent) > 0 {
		w.say(strings.Join(silent, ", ") + ": no answer")
		return
	}
	if w.manager.Watchdog() > 0 {
		tell(w.log, w.manager.Alive())
	}
	w.status.put(bounded, asking)
	if text, in := w.status.await(bounded); in && text != "" {
		w.say(text)
	}
}

// report logs which parts are silent when that changes.
func (w *watchdog) report(silent []string) {
	if slices.Equal(silent, w.silent) {
		return
	}
	if len(silent) > 0 {
		w.log.Error("the watchdog is not fed: parts of the daemon do not answer", "parts", silent)
	} else {
		w.log.Info("every part of the daemon answers again")
	}
	w.silent = silent
}

// say tells the status when it is another one.
func (w *watchdog) say(text string) {
	if text != w.text {
		w.text = text
		tell(w.log, w.manager.Status(text))
	}
}

// pulse is when the loop of the schedule was last seen to turn. The zero pulse
// has never been seen.
type pulse struct {
	mu   sync.Mutex
	last time.Time
}

// now is the loop's clock. The loop reads it in every turn.
func (p *pulse) now() time.Time {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = now
	return now
}

func (p *pulse) age() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last)
}

// door is a listener as its callers meet it.
type door struct {
	addr net.Addr
	// most is how many callers are let in at one time; 0 for any number.
	most int

	mu   sync.Mutex
	open int
	// arrived is closed when the next caller is let in, left when the next one
	// goes.
	arrived, left chan struct{}
}

// newDoor watches who comes in through a listener to a server that does not
// serve yet.
func newDoor(l net.Listener, s *http.Server, most int) *door {
	d := &door{addr: l.Addr(), most: most, arrived: make(chan struct{}), left: make(chan struct{})}
	s.ConnState = d.count
	return d
}

func (d *door) count(_ net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateNew:
		d.open++
		close(d.arrived)
		d.arrived = make(chan struct{})
	case http.StateClosed, http.StateHijacked:
		d.open--
		close(d.left)
		d.left = make(chan struct{})
	default:
	}
}

// emptied waits until nobody is in, or ctx ends.
func (d *door) emptied(ctx context.Context) {
	for {
		d.mu.Lock()
		open, left := d.open, d.left
		d.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-left:
		case <-ctx.Done():
			return
		}
	}
}

// next is closed when the next caller is let in, which has to wait where full.
func (d *door) next() (arrived <-chan struct{}, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.arrived, d.most > 0 && d.open >= d.most
}

// accepts reports whether a caller is let in. As many callers as there may be
// are no fault of the daemon: strangers could make it start again and again.
func (d *door) accepts(ctx context.Context) bool {
	arrived, full := d.next()
	if full {
		return true
	}
	caller, err := (&net.Dialer{}).DialContext(ctx, d.addr.Network(), d.addr.String())
	if err != nil {
		return false
	}
	defer caller.Close()
	select {
	case <-arrived:
		return true
	case <-ctx.Done():
		_, full := d.next()
		return full
	}
}
