package schedule

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Visitor is a run that asks to be let in.
type Visitor struct {
	// Run is its id.
	Run     string
	Account string
	// Asked is when it was accepted: who asked first goes first in its account.
	Asked time.Time
	// Needs are what the run takes a place of while it is in. No two accounts
	// need the same.
	Needs []Need
}

// Need is something that a bounded number of runs may use at a time.
type Need struct {
	// Name is what it is called in what people read.
	Name string
	// Limit is how many runs may use it, at least 1.
	Limit int
}

// Room is the waiting room in front of the runs. It lets a run in when there is
// a place among all runs and one at everything that the run needs. Accounts take
// turns: of those with a run that could begin, the one that was let in the
// longest ago is next. Within an account a run may go before one that asked
// earlier only where that one waits for something else. It serves concurrent
// calls.
type Room struct {
	limit int

	mu     sync.Mutex
	inside []*guest
	// waiting is in the order of Asked.
	waiting []*guest
	// served holds the turn in which each account was let in last.
	served map[string]uint64
	turn   uint64
}

type guest struct {
	Visitor
	// in is closed when the guest is let in.
	in chan struct{}
}

// NewRoom makes a room for limit runs at a time, at least 1.
func NewRoom(limit int) *Room {
	return &Room{limit: limit, served: map[string]uint64{}}
}

// Enter waits until the run may begin, and returns what gives its place back,
// which may be called several times. When ctx ends before, it returns the cause.
func (r *Room) Enter(ctx context.Context, v Visitor) (leave func(), err error) {
	g := &guest{Visitor: v, in: make(chan struct{})}
	r.mu.Lock()
	at, _ := slices.BinarySearchFunc(r.waiting, g, func(a, b *guest) int {
		return cmp.Or(a.Asked.Compare(b.Asked), -1)
	})
	r.waiting = slices.Insert(r.waiting, at, g)
	r.admit()
	r.mu.Unlock()
	leave = sync.OnceFunc(func() { r.leave(g) })
	select {
	case <-g.in:
		return leave, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for a place: %w", context.Cause(ctx))
	}
}

// leave takes a guest out, wherever it is.
func (r *Room) leave(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := func(other *guest) bool { return other == g }
	r.inside = slices.DeleteFunc(r.inside, is)
	r.waiting = slices.DeleteFunc(r.waiting, is)
	r.admit()
}

// admit lets in whoever there is a place for. r.mu is held.
func (r *Room) admit() {
	for {
		g := r.next()
		if g == nil {
			return
		}
		r.waiting = slices.DeleteFunc(r.waiting, func(other *guest) bool { return other == g })
		r.inside = append(r.inside, g)
		r.turn++
		r.served[g.Account] = r.turn
		close(g.in)
	}
}

// next returns the guest whose turn it is, nil if none may be let in.
func (r *Room) next() *guest {
	if len(r.inside) >= r.limit {
		return nil
	}
	used := r.used()
	var best *guest
	candidate := map[string]bool{}
	for _, g := range r.waiting {
		if blocked(g, used) != "" {
			// What it waits for is kept for it.
			use(used, g)
			continue
		}
		if candidate[g.Account] {
			continue
		}
		candidate[g.Account] = true
		if best == nil || r.served[g.Account] < r.served[best.Account] {
			best = g
		}
	}
	return best
}

func (r *Room) used() map[string]int {
	used := map[string]int{}
	for _, g := range r.inside {
		use(used, g)
	}
	return used
}

func use(used map[string]int, g *guest) {
	for _, n := range g.Needs {
		used[n.Name]++
	}
}

// blocked names the first of a guest's needs that has no place.
func blocked(g *guest, used map[string]int) string {
	for _, n := range g.Needs {
		if used[n.Name] >= n.Limit {
			return n.Name
		}
	}
	return ""
}

// Waits says in words what a run waits for; empty for a run that does not wait.
func (r *Room) Waits(run string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	used, before := r.used(), r.inside
	for _, g := range r.waiting {
		need := blocked(g, used)
		if g.Run != run {
			if need != "" {
				use(used, g)
				before = append(slices.Clone(before), g)
			}
			continue
		}
		if need == "" {
			return fmt.Sprintf("waits for a place among the runs: %d may run at a time", r.limit)
		}
		return "waits for " + need + ", used by " + users(before, need)
	}
	return ""
}

// users names the runs that have, or are to have, a place at need.
func users(guests []*guest, need string) string {
	var runs []string
	for _, g := range guests {
		if slices.ContainsFunc(g.Needs, func(n Need) bool { return n.Name == need }) {
			runs = append(runs, "run "+g.Run)
		}
	}
	return strings.Join(runs, " and ")
}
