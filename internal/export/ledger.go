package export

import (
	"context"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// ledger is the stored part of a session. A change is stored first and seen
// here afterwards, so that what the target was given is never more than what
// the store knows. Its caller keeps two changes from running at once.
//
// Every page that was not served before is stored by itself. Pages that wait at
// the same moment could be stored together: only this type would change.
type ledger struct {
	store   Store
	session roster.Session
}

// entry is what one answer adds to a session.
type entry struct {
	// staff is the staff member who asked.
	staff string
	// page are the clients of the answer.
	page roster.Range
	// last says that the page is short or empty.
	last bool
}

// serve stores that a page is about to be sent. A page that was stored before
// costs nothing.
func (g *ledger) serve(ctx context.Context, e entry, now time.Time) error {
	if g.knows(e) {
		return nil
	}
	return g.update(ctx, func(session *roster.Session) {
		if !session.State.Serves() {
			return
		}
		session.State = roster.SessionOpen
		session.Staff = e.staff
		session.Served = roster.AddRange(session.Served, e.page)
		session.LastServed = session.LastServed || e.last
		session.Touched = now
	})
}

func (g *ledger) knows(e entry) bool {
	s := g.session
	return s.State == roster.SessionOpen && s.Staff == e.staff && (s.LastServed || !e.last) && covers(s.Served, e.page)
}

// end stores that the session is over, unless it already is.
func (g *ledger) end(ctx context.Context, state roster.SessionState, reason string, now time.Time) error {
	return g.update(ctx, func(session *roster.Session) { endSession(session, state, reason, now) })
}

// update changes the stored session. It goes on when ctx is done: a change that
// may be half-way in the store must be known here.
func (g *ledger) update(ctx context.Context, change func(*roster.Session)) error {
	session, err := g.store.UpdateSession(context.WithoutCancel(ctx), g.session.ID, func(stored *roster.Session) error {
		change(stored)
		return nil
	})
	if err != nil {
		return fmt.Errorf("store session %s: %w", g.session.ID, err)
	}
	g.session = session
	return nil
}

func endSession(session *roster.Session, state roster.SessionState, reason string, now time.Time) {
	if session.State.Ended() {
		return
	}
	session.State, session.Reason = state, reason
	session.Touched, session.EndedAt = now, &now
}

// covers reports whether page lies within one of the ranges.
func covers(ranges []roster.Range, page roster.Range) bool {
	if page.From >= page.To {
		return true
	}
	for _, r := range ranges {
		if r.From <= page.From && page.To <= r.To {
			return true
		}
	}
	return false
}

// complement returns what of [0, n) the ascending, disjoint ranges leave out,
// moved up by shift.
func complement(ranges []roster.Range, n, shift int) []roster.Range {
	var out []roster.Range
	from := 0
	for _, r := range ranges {
		if from < r.From {
			out = append(out, roster.Range{From: from + shift, To: r.From + shift})
		}
		from = max(from, r.To)
	}
	if from < n {
		out = append(out, roster.Range{From: from + shift, To: n + shift})
	}
	return out
}
