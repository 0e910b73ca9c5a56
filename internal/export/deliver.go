package export

import (
	"context"
	"errors"
	"fmt"
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
	// State is SessionClosed where every client was served and the end was
	// said, SessionPartial or SessionRefused otherwise.
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
// them, or stopped to. It announces the import once; called again for the same
// run, also by a later process, it goes on with the session it finds and does
// not announce again. A session without a proven announcement is parked, and
// Deliver waits on until [Sessions.Retry] or [Sessions.Close] is called.
//
// One business has one session at a time: further deliveries wait, in the order
// of asking.
//
// A run without clients announces nothing. A refused announcement and a run
// that cannot be delivered at all return a [*roster.Fault], the former with the
// result. When ctx is done, Deliver returns its cause and leaves the session as
// it is; any other error leaves it so too.
func (s *Sessions) Deliver(ctx context.Context, imp Import) (Result, error) {
	if imp.Clients.Len() == 0 {
		return Result{State: roster.SessionClosed}, nil
	}
	if err := judge(imp); err != nil {
		return Result{}, err
	}
	session, found, err := s.ofRun(ctx, imp.Run)
	if err != nil {
		return Result{}, err
	}
	if found && session.State.Ended() {
		return result(session), fault(session)
	}
	session, isNew, release, err := s.begin(ctx, imp)
	if err != nil {
		return Result{}, err
	}
	defer release()
	return s.follow(ctx, imp, session, isNew)
}

// judge reports why an import cannot be delivered at all, or nil.
func judge(imp Import) error {
	if n := imp.Clients.Len(); n > MaxClients {
		return &roster.Fault{
			Code:    "export.too_many",
			Message: fmt.Sprintf("job %s: the run has %d clients, and one import takes at most %d", imp.Job, n, MaxClients),
			Hint:    "let the mapping skip records that need not be imported, or split the job by club",
		}
	}
	if imp.Identity.BusinessUID == "" {
		return &roster.Fault{
			Code:    "export.no_business",
			Message: "job " + imp.Job + ": the target connection names no business",
			Hint:    "set business_uid in the connection's settings",
		}
	}
	return nil
}

// begin waits for the business to be free and returns the run's session: the
// stored one, or a new one that is stored and not announced.
func (s *Sessions) begin(ctx context.Context, imp Import) (session roster.Session, isNew bool, release func(), err error) {
	tell := sync.OnceFunc(func() { s.tellWaiting(ctx, imp) })
	for {
		release, err = s.turns.take(ctx, imp.Identity.BusinessUID, tell)
		if err != nil {
			return session, false, nil, err
		}
		session, isNew, err = s.open(ctx, imp)
		if err == nil {
			return session, isNew, release, nil
		}
		release()
		if !errors.Is(err, roster.ErrExists) {
			return session, false, nil, err
		}
		tell()
		if err := sleep(ctx, busyPoll); err != nil {
			return session, false, nil, err
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

// open finds the run's session or stores a new one. It fails with
// [roster.ErrExists] while the business has a session of another run.
func (s *Sessions) open(ctx context.Context, imp Import) (session roster.Session, isNew bool, err error) {
	session, found, err := s.ofRun(ctx, imp.Run)
	if err != nil {
		return session, false, err
	}
	if found {
		return session, false, sameSize(session, imp)
	}
	if err := s.gap(ctx, imp.Identity.BusinessUID); err != nil {
		return session, false, err
	}
	now := s.now()
	session = roster.Session{
		ID: s.options.NewID(), Run: imp.Run, Job: imp.Job, Part: 1,
		State:    roster.SessionAnnouncing,
		Business: imp.Identity.BusinessUID, Staff: imp.Identity.StaffUID,
		From: 0, To: imp.Clients.Len(),
		Created: now, Touched: now,
	}
	if err := s.store.CreateSession(ctx, session); err != nil {
		return session, false, fmt.Errorf("create a session for run %s: %w", imp.Run, err)
	}
	return session, true, nil
}

// sameSize guards a resumed session against a change set that is not the one it
// was made for: its pages would not be the same bytes.
func sameSize(session roster.Session, imp Import) error {
	if session.State.Ended() || session.To <= imp.Clients.Len() && session.Business == imp.Identity.BusinessUID {
		return nil
	}
	return &roster.Fault{
		Code:    "export.changed",
		Message: fmt.Sprintf("run %s: its session %s was made for other clients or another business", imp.Run, session.ID),
		Hint:    "close the session with `rosterd session close " + session.ID + "` and run the job again",
	}
}

// ofRun returns the run's session, if it has one.
func (s *Sessions) ofRun(ctx context.Context, run string) (roster.Session, bool, error) {
	sessions, err := s.store.Sessions(ctx, roster.SessionFilter{Run: run, Limit: 1})
	if err != nil {
		return roster.Session{}, false, fmt.Errorf("find the session of run %s: %w", run, err)
	}
	if len(sessions) == 0 {
		return roster.Session{}, false, nil
	}
	return sessions[0], true, nil
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

// result sums up a session that is over.
func result(session roster.Session) Result {
	return Result{
		State:          session.State,
		Served:         session.ServedCount(),
		Unserved:       session.Clients() - session.ServedCount(),
		UnservedRanges: complement(session.Served, session.Clients(), session.From),
		Sessions:       []roster.Session{session},
	}
}

// fault is the fault of a refused session, nil for any other.
func fault(session roster.Session) error {
	if session.State != roster.SessionRefused {
		return nil
	}
	return &roster.Fault{
		Code:    "export.refused",
		Message: fmt.Sprintf("job %s: the target refused the import: %s", session.Job, session.Reason),
		Hint:    "correct the connection's settings or the app at the target, check with `rosterd doctor`, and run the job again",
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
