package roster

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// SessionState is where an import session is, or how it ended.
type SessionState string

// The states of a session.
const (
	// SessionAnnouncing: stored and answering, the announcement not proven.
	SessionAnnouncing SessionState = "announcing"
	// SessionOpen: announced; the pages are being pulled.
	SessionOpen SessionState = "open"
	// SessionParked: no announcement was proven; waits for a person, or for a
	// request that comes late.
	SessionParked SessionState = "parked"
	// SessionClosed: every client was served and the end was said.
	SessionClosed SessionState = "closed"
	// SessionPartial: over with clients not served.
	SessionPartial SessionState = "partial"
	// SessionRefused: the announcement was refused.
	SessionRefused SessionState = "refused"
)

// Ended reports whether the session is over.
func (s SessionState) Ended() bool {
	switch s {
	case SessionClosed, SessionPartial, SessionRefused:
		return true
	default:
		return false
	}
}

// Serves reports whether a session in this state answers requests for pages. A
// parked one does: a request that comes late proves the announcement, too.
func (s SessionState) Serves() bool {
	return s == SessionAnnouncing || s == SessionOpen || s == SessionParked
}

// Session is one import at a target that pulls: a part of a run's change set.
type Session struct {
	ID  string `json:"id"`
	Run string `json:"run"`
	Job string `json:"job"`
	// Part counts the sessions of a run from 1.
	Part  int          `json:"part"`
	State SessionState `json:"state"`
	// Business is the target's business that may pull. One business has at
	// most one session that is not over.
	Business string `json:"business"`
	// Staff is the staff member that may pull: configured, else the first seen.
	Staff string `json:"staff,omitempty"`
	// From and To bound the clients of the run's change set: From inclusive,
	// To exclusive, counted from 0.
	From int `json:"from"`
	To   int `json:"to"`
	// Remote is the target's own id of the import, if it gave one.
	Remote string `json:"remote,omitempty"`
	// Served are the clients that were served, as ascending, disjoint ranges
	// of the session's own clients, counted from 0.
	Served []Range `json:"served,omitempty"`
	// LastServed says that a short or empty page was served: everything was
	// asked for up to the end.
	LastServed bool `json:"last_served"`
	// PerPage is the size of a page as the target asked for it last.
	PerPage int `json:"per_page,omitempty"`
	// Kind is the kind of the session's records, empty where they are of
	// several.
	Kind sdk.Kind `json:"kind,omitempty"`
	// Outcome counts the served clients by what the target told of them. It is
	// nil until the target has told of the session, which may be after its end.
	Outcome *OutcomeCounts `json:"outcome,omitempty"`
	// Code says why a session was refused in one stable word ("config",
	// "auth"), where that is known.
	Code sdk.Code `json:"code,omitempty"`
	// Reason says why the session is parked, partial or refused.
	Reason  string     `json:"reason,omitempty"`
	Created time.Time  `json:"created"`
	Touched time.Time  `json:"touched"`
	EndedAt *time.Time `json:"ended,omitempty"`
}

// Range is a run of numbers: From inclusive, To exclusive.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Clients is the number of clients in the session.
func (s Session) Clients() int { return s.To - s.From }

// HasServed reports whether the client at a place was served.
func (s Session) HasServed(place int) bool {
	for _, r := range s.Served {
		if r.From <= place && place < r.To {
			return true
		}
	}
	return false
}

// ServedCount is the number of clients that were served.
func (s Session) ServedCount() int {
	n := 0
	for _, r := range s.Served {
		n += r.To - r.From
	}
	return n
}

// AddRange adds r to ascending, disjoint ranges and returns them so again.
func AddRange(ranges []Range, r Range) []Range {
	if r.From >= r.To {
		return ranges
	}
	out := make([]Range, 0, len(ranges)+1)
	placed := false
	for _, have := range ranges {
		switch {
		case have.To < r.From:
			out = append(out, have)
		case r.To < have.From:
			if !placed {
				out, placed = append(out, r), true
			}
			out = append(out, have)
		default:
			r = Range{From: min(r.From, have.From), To: max(r.To, have.To)}
		}
	}
	if !placed {
		out = append(out, r)
	}
	return out
}
