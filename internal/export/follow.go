package export

import (
	"context"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// follow serves a session until it is over. A session that is not new was
// announced before, or perhaps was: it is not announced again by itself.
func (s *Sessions) follow(ctx context.Context, imp Import, p part) (roster.Session, error) {
	l := newLive(p.session, imp.Clients, s.options)
	s.attach(l, p.session.Business)
	defer s.leave(ctx, l)
	l.due = p.isNew
	log := s.log.With("session", p.session.ID, "run", p.session.Run, "part", p.session.Part)
	if !p.isNew {
		log.Info("import goes on", "state", p.session.State, "served", p.session.ServedCount())
	}
	before := servedCount(p.before)
	for {
		if l.takeDue() {
			if err := s.announce(ctx, l, imp); err != nil {
				return roster.Session{}, err
			}
		}
		session, until := l.next()
		if imp.Progress != nil {
			imp.Progress(before + session.ServedCount())
		}
		if session.State.Ended() {
			log.Info("import is over", "state", session.State, "served", session.ServedCount(),
				"unserved", session.Clients()-session.ServedCount(), "reason", session.Reason)
			return session, nil
		}
		if err := s.await(ctx, l, until); err != nil {
			return roster.Session{}, err
		}
	}
}

// await returns when something changed or until has come: then what was served
// is flushed, and a target that was silent for too long ends the session.
func (s *Sessions) await(ctx context.Context, l *live, until time.Time) error {
	timer := time.NewTimer(until.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-l.changed:
		return nil
	case <-timer.C:
		if err := l.flush(ctx); err != nil {
			s.log.Warn("what was served could not be stored; it is noted, and tried again", "session", l.session().ID, "error", err)
			return sleep(ctx, flushEvery)
		}
		return l.expire(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// announce sends the announcement once and stores what came of it. Requests are
// answered while it runs, because the target asks for the first page at once.
func (s *Sessions) announce(ctx context.Context, l *live, imp Import) error {
	ctx, done := outlive(ctx, announceGrace)
	defer done()
	response, err := imp.Starter.StartImport(ctx, sdk.StartImportRequest{
		Fields: imp.Fields, Override: imp.Override, Upload: imp.Upload, Notify: imp.Notify,
	})
	if err != nil {
		response = sdk.StartImportResponse{Outcome: sdk.OutcomeUnknown, Detail: err.Error()}
	}
	session := l.session()
	log := s.log.With("session", session.ID, "run", session.Run, "job", session.Job)
	switch response.Outcome {
	case sdk.OutcomeOK:
		log.Info("import is announced", "clients", session.Clients())
		return l.announced(ctx, response.SessionID, s.now())
	case sdk.OutcomeRefused:
		log.Warn("the target refused the import", "code", response.Code, "detail", clip(response.Detail))
		return l.refused(ctx, response, s.now())
	case sdk.OutcomeConflict, sdk.OutcomeUnknown:
	}
	if l.waitFrom(s.now()) {
		log.Warn("it is not known whether the target took the announcement; waits for its first request",
			"wait", s.options.AnnounceWait, "detail", clip(response.Detail))
	}
	return nil
}

// announceGrace is how long an announcement under way may take when its run is
// to stop: one that is cut off has an unknown outcome.
const announceGrace = 10 * time.Second

// outlive returns a context that ends a while after ctx, or when done is called.
func outlive(ctx context.Context, grace time.Duration) (longer context.Context, done context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = sleep(longer, grace) // it is over either way
		cancel()
	})
	return longer, func() { stop(); cancel() }
}

func (s *Sessions) attach(l *live, business string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[business] = l
	close(s.attached)
	s.attached = make(chan struct{})
}

// leave ends serving a session, whatever ended it.
func (s *Sessions) leave(ctx context.Context, l *live) {
	session := l.session()
	if err := l.stop(ctx); err != nil {
		s.log.Warn("what was served is noted and not stored; the next start stores it", "session", session.ID, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, session.Business)
}

// forever stands for a wait that only an event ends.
const forever = 1000 * time.Hour

// next returns the session and when waiting for the target ends: what was
// served is to be flushed, or the silence has lasted too long.
func (l *live) next() (roster.Session, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.deadline()
	if noted := l.ledger.noted; !noted.IsZero() && noted.Add(flushEvery).Before(until) {
		until = noted.Add(flushEvery)
	}
	return l.ledger.session, until
}

// deadline is when the silence has lasted too long. The caller holds l.mu.
func (l *live) deadline() time.Time {
	switch l.ledger.session.State {
	case roster.SessionAnnouncing:
		return l.heard.Add(l.options.AnnounceWait)
	case roster.SessionParked:
		return l.heard.Add(forever)
	default:
		return l.heard.Add(l.options.SessionTimeout)
	}
}

// expire takes the silence for an answer, unless the target was heard
// meanwhile.
func (l *live) expire(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.options.Now()
	if now.Before(l.deadline()) {
		return nil
	}
	switch l.ledger.session.State {
	case roster.SessionAnnouncing:
		return l.ledger.update(ctx, func(session *roster.Session) {
			if session.State == roster.SessionAnnouncing {
				session.State, session.Touched = roster.SessionParked, now
				session.Reason = "the target did not answer the announcement clearly and asked for no page within " + l.options.AnnounceWait.String()
			}
		})
	case roster.SessionOpen:
		reason := "the target asked for nothing within " + l.options.SessionTimeout.String()
		if l.ledger.session.ServedCount() == l.ledger.session.Clients() {
			reason = "every client was served, but the target did not say within " + l.options.SessionTimeout.String() + " that the import is over"
		}
		return l.ledger.end(ctx, roster.SessionPartial, reason, now)
	default:
		return nil
	}
}

// announced stores that the target took the announcement. The target may be
// faster than its answer: then the session is open, or even over.
func (l *live) announced(ctx context.Context, remote string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = now
	return l.ledger.update(ctx, func(session *roster.Session) {
		if remote != "" {
			session.Remote = clip(remote)
		}
		if session.State == roster.SessionAnnouncing {
			session.State, session.Touched = roster.SessionOpen, now
		}
	})
}

// refused stores that the target refused the announcement, unless it has asked
// for pages meanwhile: then it takes part in an import all the same, and the
// session's end tells how that went.
func (l *live) refused(ctx context.Context, response sdk.StartImportResponse, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ledger.update(ctx, func(session *roster.Session) {
		if session.State == roster.SessionAnnouncing {
			session.Code = response.Code
			endSession(session, roster.SessionRefused, clip(response.Detail), now)
		}
	})
}

// waitFrom starts waiting for the target and reports whether there is anything
// to wait for: a target that has asked for a page took the announcement.
func (l *live) waitFrom(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = now
	return l.ledger.session.State == roster.SessionAnnouncing
}

// takeDue reports whether an announcement is to be sent. Who asks sends it. A
// session that was closed meanwhile is not announced.
func (l *live) takeDue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.due && !l.ledger.session.State.Ended()
	l.due = false
	return due
}

// maxTextBytes bounds the texts of a target that are stored and logged.
const maxTextBytes = 500

// clip bounds a text that came from outside and takes its line breaks out.
func clip(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxTextBytes)], "")
	return strings.Join(strings.Fields(text), " ")
}
