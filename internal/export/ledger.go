package export

import (
	"context"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// flushEvery is how long what was served may be noted only.
const flushEvery = time.Second

// ledger is the stored part of a session. A change is stored first and seen
// here afterwards, so that what the target was given is never more than what
// the store knows. Its caller keeps two changes from running at once.
//
// A page that adds nothing but clients to what was served is only noted, which
// costs no fsync: a note outlives the process. Every second the notes become
// part of the stored session, which outlives the machine.
type ledger struct {
	store   Store
	session roster.Session
	// noted is when the first page was noted that is not part of the stored
	// session; zero when there is none.
	noted time.Time
}

// entry is what one answer adds to a session.
type entry struct {
	// staff is the staff member who asked.
	staff string
	// page are the clients of the answer, perPage how many were asked for.
	page    roster.Range
	perPage int
}

// last says that the page is short or empty.
func (e entry) last() bool { return e.page.To-e.page.From < e.perPage }

// serve stores that a page is about to be sent. A page that was stored before
// costs nothing.
func (g *ledger) serve(ctx context.Context, e entry, now time.Time) error {
	s := &g.session
	plain := s.State == roster.SessionOpen && s.PerPage != 0 && s.Staff == e.staff && (s.LastServed || !e.last())
	known := covers(s.Served, e.page)
	switch {
	case plain && known && s.PerPage == e.perPage:
		return nil
	case plain && (g.noted.IsZero() || now.Sub(g.noted) < flushEvery):
		return g.note(ctx, e, known, now)
	}
	return g.update(ctx, func(session *roster.Session) {
		if !session.State.Serves() {
			return
		}
		session.State, session.Reason = roster.SessionOpen, ""
		session.Staff, session.PerPage = e.staff, e.perPage
		session.Served = roster.AddRange(session.Served, e.page)
		session.LastServed = session.LastServed || e.last()
		session.Touched = now
	})
}

func (g *ledger) note(ctx context.Context, e entry, known bool, now time.Time) error {
	if !known {
		if err := g.store.NoteServed(ctx, g.session.ID, e.page); err != nil {
			return fmt.Errorf("note a page of session %s: %w", g.session.ID, err)
		}
		g.session.Served = roster.AddRange(g.session.Served, e.page)
	}
	if g.noted.IsZero() {
		g.noted = now
	}
	g.session.PerPage, g.session.Touched = e.perPage, now
	return nil
}

// flush makes what was noted part of the stored session.
func (g *ledger) flush(ctx context.Context) error {
	if g.noted.IsZero() {
		return nil
	}
	return g.update(ctx, func(*roster.Session) {})
}

// end stores that the session is over, unless it already is.
func (g *ledger) end(ctx context.Context, state roster.SessionState, reason string, now time.Time) error {
	return g.update(ctx, func(session *roster.Session) { endSession(session, state, reason, now) })
}

// update changes the stored session, after what was noted became part of it. It
// goes on when ctx is done: a change that may be half-way in the store must be
// known here.
func (g *ledger) update(ctx context.Context, change func(*roster.Session)) error {
	session, err := g.store.UpdateSession(context.WithoutCancel(ctx), g.session.ID, func(stored *roster.Session) error {
		if !g.noted.IsZero() {
			for _, served := range g.session.Served {
				stored.Served = roster.AddRange(stored.Served, served)
			}
			stored.PerPage, stored.Touched = g.session.PerPage, g.session.Touched
		}
		change(stored)
		return nil
	})
	if err != nil {
		return fmt.Errorf("store session %s: %w", g.session.ID, err)
	}
	g.session, g.noted = session, time.Time{}
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
