package export

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Starter announces imports. Every [sdk.ImportStarter] is one.
type Starter interface {
	StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error)
}

// Import is what a run delivers.
type Import struct {
	// Run is the run's id, Job its job as account/job.
	Run, Job string
	// Identity says who may pull.
	Identity sdk.ImportIdentity
	// Kind is the kind of the clients, empty where they are of several.
	Kind sdk.Kind
	// Clients are the frozen clients of the run. They are read until Deliver
	// returns.
	Clients Clients
	// Fields, Override, Upload and Notify go with the announcement.
	Fields   []sdk.ImportField
	Override bool
	Upload   string
	Notify   bool
	// Starter sends the announcement.
	Starter Starter
	// Progress is told the number of clients served whenever it may have
	// changed, by the goroutine that called Deliver. It may be nil.
	Progress func(served int)
}

// Result is how a delivery ended.
type Result struct {
	// State is SessionClosed where every client was served and the end of every
	// part was said, SessionRefused where a part was refused, and SessionPartial
	// otherwise.
	State roster.SessionState
	// Served and Unserved count the run's clients.
	Served, Unserved int
	// UnservedRanges are the clients that were not served, as ascending,
	// disjoint ranges of the run's clients, counted from 0.
	UnservedRanges []roster.Range
	// Sessions are the run's sessions in order.
	Sessions []roster.Session
}

// busyPoll is how long to wait before trying again for a business whose stored
// session belongs to a run that nobody delivers at the moment.
const busyPoll = 5 * time.Second

// Deliver serves the clients of one run and returns when the target has pulled
// them, or stopped to. More clients than one session takes are split into parts
// that follow one another. Each part is announced once; called again for the
// same run, also by a later process, Deliver goes on with the sessions it finds
// and does not announce them again. A session without a proven announcement is
// parked, and Deliver waits on until [Sessions.Retry] or [Sessions.Close] is
// called.
//
// A part that ends partial, by itself or by an operator's hand, does not keep
// the parts behind it from being served. A part that is refused does: what is
// behind it stays unserved.
//
// One business has one session at a time: further deliveries wait, in the order
// of asking, until every part was served.
//
// A run without clients announces nothing. A refused announcement and a run
// that cannot be delivered at all return a [*roster.Fault], the former with the
// result. When ctx is done, Deliver returns its cause and leaves the session as
// it is; any other error leaves it so too.
func (s *Sessions) Deliver(ctx context.Context, imp Import) (Result, error) {
	if imp.Clients.Len() == 0 {
		return Result{State: roster.SessionClosed}, nil
	}
	if imp.Identity.BusinessUID == "" {
		return Result{}, &roster.Fault{
			Code:    "export.no_business",
			Message: "job " + imp.Job + ": the target connection names no business",
			Hint:    "set business_uid in the connection's settings",
		}
	}
	sessions, err := s.ofRun(ctx, imp.Run)
	if err != nil {
		return Result{}, err
	}
	turn := &turn{turns: &s.turns, business: imp.Identity.BusinessUID}
	defer turn.giveBack()
	for !over(sessions, imp.Clients.Len()) {
		p, err := s.begin(ctx, imp, turn)
		if err != nil {
			return Result{}, err
		}
		session, err := s.follow(ctx, imp, p)
		if err != nil {
			return Result{}, err
		}
		sessions = append(p.before, session)
	}
	return sum(sessions, imp.Clients.Len()), fault(sessions)
}

// part is one session of a run.
type part struct {
	session roster.Session
	// isNew says that the session was just stored and not announced.
	isNew bool
	// before are the run's sessions before it, in order.
	before []roster.Session
}

// over reports whether a run with n clients needs no further session.
func over(sessions []roster.Session, n int) bool {
	if len(sessions) == 0 {
		return false
	}
	last := sessions[len(sessions)-1]
	return last.State.Ended() && (last.State == roster.SessionRefused || last.To >= n)
}

// begin waits for the business to be free and returns the part to go on with.
func (s *Sessions) begin(ctx context.Context, imp Import, turn *turn) (part, error) {
	tell := sync.OnceFunc(func() { s.tellWaiting(ctx, imp) })
	for {
		if err := turn.take(ctx, tell); err != nil {
			return part{}, err
		}
		p, err := s.open(ctx, imp)
		if !errors.Is(err, roster.ErrExists) {
			return p, err
		}
		turn.giveBack()
		tell()
		if err := sleep(ctx, busyPoll); err != nil {
			return part{}, err
		}
	}
}

// tellWaiting tells the operator which session is in the way.
func (s *Sessions) tellWaiting(ctx context.Context, imp Import) {
	log := s.log.With("run", imp.Run, "job", imp.Job, "business", imp.Identity.BusinessUID)
	sessions, err := s.store.Sessions(ctx, roster.SessionFilter{Business: imp.Identity.BusinessUID, Open: true, Limit: 1})
	if err == nil && len(sessions) > 0 {
		log = log.With("before", sessions[0].Run, "session", sessions[0].ID)
	}
	log.Info("waits for the import before it at the same business to end; `rosterd session close` ends one that nobody wants")
}

// open finds the run's session that is not over or stores the next one. It
// fails with [roster.ErrExists] while the business has a session of another run.
func (s *Sessions) open(ctx context.Context, imp Import) (part, error) {
	before, err := s.ofRun(ctx, imp.Run)
	if err != nil {
		return part{}, err
	}
	from, last := 0, len(before)-1
	if last >= 0 && !before[last].State.Ended() {
		return s.reopen(ctx, imp, part{session: before[last], before: before[:last]})
	}
	if last >= 0 {
		from = before[last].To
	}
	if err := s.gap(ctx, imp.Identity.BusinessUID); err != nil {
		return part{}, err
	}
	now := s.now()
	session := roster.Session{
		ID: s.options.NewID(), Run: imp.Run, Job: imp.Job, Part: len(before) + 1,
		State:    roster.SessionAnnouncing,
		Business: imp.Identity.BusinessUID, Staff: imp.Identity.StaffUID, Kind: imp.Kind,
		From: from, To: min(from+s.options.MaxClients, imp.Clients.Len()),
		Created: now, Touched: now,
	}
	if err := s.store.CreateSession(ctx, session); err != nil {
		return part{}, fmt.Errorf("create a session for run %s: %w", imp.Run, err)
	}
	if err := s.index(ctx, session, imp.Clients); err != nil {
		return part{}, fmt.Errorf("index the clients of session %s: %w", session.ID, err)
	}
	return part{session: session, isNew: true, before: before}, nil
}

// reopen goes on with a session that was found. A process that ended right after
// it had stored the session may not have indexed the clients.
func (s *Sessions) reopen(ctx context.Context, imp Import, p part) (part, error) {
	if err := sameSize(p.session, imp); err != nil {
		return part{}, err
	}
	_, err := s.outcomes.FindClients(ctx, p.session.ID, nil)
	if errors.Is(err, roster.ErrNotFound) {
		err = s.index(ctx, p.session, imp.Clients)
	}
	if err != nil {
		return part{}, fmt.Errorf("index the clients of session %s: %w", p.session.ID, err)
	}
	return p, nil
}

// sameSize guards a resumed session against a change set that is not the one it
// was made for: its pages would not be the same bytes.
func sameSize(session roster.Session, imp Import) error {
	if session.To <= imp.Clients.Len() && session.Business == imp.Identity.BusinessUID {
		return nil
	}
	return &roster.Fault{
		Code:    "export.changed",
		Message: fmt.Sprintf("run %s: its session %s was made for other clients or another business", imp.Run, session.ID),
		Hint:    "close the session with `rosterd session close " + session.ID + "` and run the job again",
	}
}

// ofRun returns the run's sessions in order.
func (s *Sessions) ofRun(ctx context.Context, run string) ([]roster.Session, error) {
	sessions, err := s.store.Sessions(ctx, roster.SessionFilter{Run: run})
	if err != nil {
		return nil, fmt.Errorf("find the sessions of run %s: %w", run, err)
	}
	slices.SortFunc(sessions, func(a, b roster.Session) int { return a.Part - b.Part })
	return sessions, nil
}

// gap waits until the business's latest session has been over for a while: the
// target would take a page=-1 that comes late for the next session's end.
func (s *Sessions) gap(ctx context.Context, business string) error {
	sessions, err := s.store.Sessions(ctx, roster.SessionFilter{Business: business, Limit: 1})
	if err != nil {
		return fmt.Errorf("find the latest session of business %s: %w", business, err)
	}
	if len(sessions) == 0 || sessions[0].EndedAt == nil {
		return nil
	}
	return sleep(ctx, min(sessions[0].EndedAt.Add(s.options.SessionGap).Sub(s.now()), s.options.SessionGap))
}

// sum sums up the sessions of a run with n clients. Clients behind the last
// session were never offered and are unserved.
func sum(sessions []roster.Session, n int) Result {
	r := Result{State: roster.SessionClosed, Sessions: sessions}
	offered := 0
	for _, session := range sessions {
		r.Served += session.ServedCount()
		for _, missing := range complement(session.Served, session.Clients(), session.From) {
			r.UnservedRanges = roster.AddRange(r.UnservedRanges, missing)
		}
		if session.State != roster.SessionClosed && r.State != roster.SessionRefused {
			r.State = session.State
		}
		offered = session.To
	}
	r.UnservedRanges = roster.AddRange(r.UnservedRanges, roster.Range{From: offered, To: n})
	r.Unserved = n - r.Served
	return r
}

// servedCount is the number of clients that a run's sessions have served.
func servedCount(sessions []roster.Session) int {
	n := 0
	for _, session := range sessions {
		n += session.ServedCount()
	}
	return n
}

// fault is the fault of a run whose last session was refused, else nil. Its code
// ends in "config" or "auth" where the target said that this is why.
func fault(sessions []roster.Session) error {
	last := sessions[len(sessions)-1]
	if last.State != roster.SessionRefused {
		return nil
	}
	what := "the import"
	if last.Part > 1 {
		what = fmt.Sprintf("part %d of the import, so that it and what follows was not served", last.Part)
	}
	code := "export.refused"
	if last.Code == sdk.CodeConfig || last.Code == sdk.CodeAuth {
		code += "." + string(last.Code)
	}
	return &roster.Fault{
		Code:    code,
		Message: fmt.Sprintf("job %s: the target refused %s: %s", last.Job, what, last.Reason),
		Hint:    "nothing has begun there: mend what the message names (the way to the target, the token, the settings, the app), and run the job again",
	}
}

// sleep waits for a while or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
