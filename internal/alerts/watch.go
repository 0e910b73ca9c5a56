package alerts

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// Store keeps what receivers were told.
type Store interface {
	Alerts(ctx context.Context) ([]roster.Alert, error)
	PutAlerts(ctx context.Context, alerts []roster.Alert) error
}

// Result is what came of a message.
type Result string

// The results.
const (
	Sent    Result = "sent"
	Failed  Result = "failed"
	GivenUp Result = "given_up"
)

// Watch looks at how everything stands and tells the receivers of changes. Its
// fields are set before [Watch.Run] and not changed.
type Watch struct {
	Receivers []Receiver
	// Repeat is after how long the same is said once more.
	Repeat time.Duration
	// Origin stands in every message.
	Origin string
	Store  Store
	// View returns every condition that can be told of, also those that are well:
	// what is missing is forgotten without a word.
	View func(ctx context.Context) ([]Condition, error)
	// Wake makes the watch look at once; nil for never.
	Wake  <-chan struct{}
	Now   func() time.Time
	NewID func() string
	Log   *slog.Logger
	// Told, where it is not nil, is called with what came of each message.
	Told func(receiver string, result Result)

	// known is what receivers were told and have to be told yet, by key.
	known map[string]roster.Alert
	// unstored are the keys in known that the store does not have yet: on a full
	// disk, which is told of all the same.
	unstored map[string]bool
	// complained says that the log has that the store takes nothing.
	complained bool
	// troubles are how the receivers took the last messages.
	troubles map[string]*trouble
}

// trouble is a receiver that does not take messages.
type trouble struct {
	failures int
	next     time.Time
}

const (
	// lookEvery is how often the watch looks without being woken.
	lookEvery = 30 * time.Second
	// sendTime bounds the sending of one message.
	sendTime = 30 * time.Second
	// maxItems bounds the changes in a message.
	maxItems = 50
	// maxTries is how often a change is tried to be told: over some 40 minutes.
	maxTries = 10
	// firstPause is the pause before a receiver is tried again. It doubles with
	// each failure up to maxPause.
	firstPause = 10 * time.Second
	maxPause   = 10 * time.Minute
)

// Run watches until ctx ends. It returns when no message is under way any more.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		w.Turn(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.Wake:
		}
	}
}

// Turn looks once and sends what is due. It is not called while [Watch.Run] runs.
func (w *Watch) Turn(ctx context.Context) {
	if !w.recall(ctx) {
		return
	}
	view, err := w.View(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Error("alerts cannot look at how things stand", "err", err)
		}
		return
	}
	parcels := w.pack(w.advance(view))
	// That something is about to be told is stored first: it then bears the same id
	// when it is told twice, and what becomes of it is told although the daemon dies
	// before it has stored that it was told.
	w.persist(ctx)
	w.send(ctx, parcels)
	// What was told is stored although the daemon stops, so that it is not told twice
	// without need.
	w.persist(context.WithoutCancel(ctx))
}

// recall loads what an earlier life of the daemon has told.
func (w *Watch) recall(ctx context.Context) bool {
	if w.known != nil {
		return true
	}
	stored, err := w.Store.Alerts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Error("alerts cannot recall what was told", "err", err)
		}
		return false
	}
	w.known, w.unstored, w.troubles = map[string]roster.Alert{}, map[string]bool{}, map[string]*trouble{}
	for _, a := range stored {
		w.known[a.Key()] = a
	}
	for _, r := range w.Receivers {
		w.troubles[r.Name] = &trouble{}
	}
	return true
}

// advance compares how things stand with what was told, and returns the
// conditions by the keys of their alerts.
func (w *Watch) advance(view []Condition) map[string]Condition {
	seen := map[string]Condition{}
	for _, r := range w.Receivers {
		for _, c := range view {
			if !r.hears(c) {
				continue
			}
			a := roster.Alert{Receiver: r.Name, Subject: c.Subject, Facet: c.Facet}
			key := a.Key()
			if known, ok := w.known[key]; ok {
				a = known
			}
			seen[key] = c
			if w.want(&a, r.wants(c)) {
				w.set(key, a)
			}
		}
	}
	for key, a := range w.known {
		if _, ok := seen[key]; !ok {
			// The receiver, the job or the adapter is gone.
			a.Told, a.Unsure, a.Next = "", false, nil
			w.set(key, a)
		}
	}
	return seen
}

// want makes state what is to be told, and reports whether that changes anything.
func (w *Watch) want(a *roster.Alert, state string) (changed bool) {
	if a.Next != nil && a.Next.State == state {
		return false
	}
	a.Unsure = a.Unsure || a.Next != nil && a.Next.Begun
	switch {
	case a.Unsure, a.Told != state, state != "" && w.Now().Sub(a.Sent) >= w.Repeat:
		a.Next = &roster.AlertMessage{ID: w.NewID(), State: state, Since: w.Now().UTC()}
		return true
	case a.Next != nil:
		a.Next = nil // it was over before it was told
		return true
	default:
		return false
	}
}

func (w *Watch) set(key string, a roster.Alert) {
	w.known[key], w.unstored[key] = a, true
}

// persist stores what the store does not have. What cannot be stored is tried
// again with the next turn.
func (w *Watch) persist(ctx context.Context) {
	if len(w.unstored) == 0 {
		return
	}
	var changed []roster.Alert
	for _, key := range slices.Sorted(maps.Keys(w.unstored)) {
		changed = append(changed, w.known[key])
	}
	if err := w.Store.PutAlerts(ctx, changed); err != nil {
		if ctx.Err() == nil && !w.complained {
			w.complained = true
			w.Log.Warn("what was told is not stored; after a restart it may be told once more", "err", err)
		}
		return
	}
	w.complained = false
	clear(w.unstored)
	for _, a := range changed {
		if a.Told == "" && a.Next == nil {
			delete(w.known, a.Key())
		}
	}
}

// parcel is a message for a receiver, with what it answered.
type parcel struct {
	receiver Receiver
	message  Message
	// keys are those of the alerts that the message tells, before says of each
	// whether the receiver may have taken it already.
	keys   []string
	before []bool
	err    error
}

// pack makes the messages that are due.
func (w *Watch) pack(conditions map[string]Condition) []parcel {
	now := w.Now()
	var parcels []parcel
	for _, r := range w.Receivers {
		if now.Before(w.troubles[r.Name].next) {
			continue
		}
		keys, items := w.due(r, conditions)
		if len(items) == 0 {
			continue
		}
		p := parcel{receiver: r, keys: keys, message: Message{ID: idOf(items), At: now, Origin: w.Origin, Items: items}}
		for _, key := range keys {
			p.before = append(p.before, w.begin(key))
		}
		parcels = append(parcels, p)
	}
	return parcels
}

// begin notes that a receiver may have taken a message from here on, and returns
// whether that was noted before.
func (w *Watch) begin(key string) (before bool) {
	a := w.known[key]
	if a.Next.Begun {
		return true
	}
	next := *a.Next
	next.Begun = true
	a.Next = &next
	w.set(key, a)
	return false
}

// send sends all messages at the same time.
func (w *Watch) send(ctx context.Context, parcels []parcel) {
	var sending sync.WaitGroup
	for i := range parcels {
		p := &parcels[i]
		sending.Go(func() { p.err = sendIn(ctx, p.receiver.Sender, p.message) })
	}
	sending.Wait()
	for _, p := range parcels {
		if ctx.Err() == nil || p.err == nil {
			w.settle(p)
		}
	}
}

// sendIn sends in bounded time.
func sendIn(ctx context.Context, s Sender, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return s.Send(ctx, m)
}

// due are the changes that a receiver has to be told.
func (w *Watch) due(r Receiver, conditions map[string]Condition) (keys []string, items []Item) {
	for _, key := range slices.Sorted(maps.Keys(w.known)) {
		a := w.known[key]
		c, ok := conditions[key]
		if a.Receiver != r.Name || a.Next == nil || !ok {
			continue
		}
		c.State = a.Next.State
		keys = append(keys, key)
		items = append(items, Item{ID: a.Next.ID, Condition: c, Since: a.Next.Since, Again: a.Told != "" && a.Told == c.State})
		if len(items) == maxItems {
			break
		}
	}
	return keys, items
}

// settle notes what a receiver answered.
func (w *Watch) settle(p parcel) {
	t, name := w.troubles[p.receiver.Name], p.receiver.Name
	if p.err == nil {
		*t = trouble{}
		w.tell(name, Sent)
	} else {
		t.failures++
		t.next = w.Now().Add(min(maxPause, firstPause<<min(t.failures-1, 16)))
		w.Log.Warn("alert not taken", "receiver", name, "failures", t.failures, "err", p.err)
		w.tell(name, Failed)
	}
	lost := 0
	for i, key := range p.keys {
		a := w.known[key]
		next := *a.Next
		next.Tries++
		next.Begun = p.before[i] || errors.Is(p.err, ErrUnsure)
		a.Next = &next
		if p.err == nil || next.Tries >= maxTries {
			if p.err != nil {
				lost++
			}
			a.Told, a.Sent, a.Unsure, a.Next = next.State, w.Now().UTC(), false, nil
		}
		w.set(key, a)
	}
	if lost > 0 {
		w.Log.Error("alert given up; while it lasts it is said once more", "receiver", name, "changes", lost, "repeat", w.Repeat)
		w.tell(name, GivenUp)
	}
}

func (w *Watch) tell(receiver string, result Result) {
	if w.Told != nil {
		w.Told(receiver, result)
	}
}

// Test sends a test message to one receiver, in bounded time.
func Test(ctx context.Context, r Receiver, origin, id string, now time.Time) error {
	return sendIn(ctx, r.Sender, Message{ID: "msg_" + id, At: now, Origin: origin, Test: true})
}
