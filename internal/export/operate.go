package export

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
)

// Retry announces a parked session once more. It returns when that is stored;
// the announcement is sent by the Deliver that waits. A session that is not
// parked, or whose run is not being delivered, is [roster.ErrConflict]; one
// that is not there is [roster.ErrNotFound].
func (s *Sessions) Retry(ctx context.Context, sessionID string) error {
	if l := s.findSession(sessionID); l != nil {
		return l.retry(ctx)
	}
	session, err := s.store.UpdateSession(ctx, sessionID, func(*roster.Session) error { return nil })
	if err != nil {
		return fmt.Errorf("retry session %s: %w", sessionID, err)
	}
	return fmt.Errorf("retry session %s, which is %s and whose run is not being delivered: %w", sessionID, session.State, roster.ErrConflict)
}

// Close ends a session as partial with a person's reason, which must not hold
// personal data. The Deliver that waits for it returns. A session that is over
// is [roster.ErrConflict]; one that is not there is [roster.ErrNotFound].
func (s *Sessions) Close(ctx context.Context, sessionID, reason string) error {
	if l := s.findSession(sessionID); l != nil {
		return l.close(ctx, reason)
	}
	_, err := s.store.UpdateSession(ctx, sessionID, func(session *roster.Session) error {
		if session.State.Ended() {
			return fmt.Errorf("it is %s: %w", session.State, roster.ErrConflict)
		}
		endSession(session, roster.SessionPartial, clip(reason), s.now())
		return nil
	})
	if err != nil {
		return fmt.Errorf("close session %s: %w", sessionID, err)
	}
	return nil
}

func (s *Sessions) findSession(id string) *live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range s.live {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (l *live) retry(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state := l.ledger.session.State; state != roster.SessionParked {
		return fmt.Errorf("retry session %s, which is %s and not parked: %w", l.ledger.session.ID, state, roster.ErrConflict)
	}
	now := l.options.Now()
	err := l.ledger.update(ctx, func(session *roster.Session) {
		if session.State == roster.SessionParked {
			session.State, session.Reason, session.Touched = roster.SessionAnnouncing, "", now
		}
	})
	if err != nil {
		return err
	}
	l.heard, l.due = now, l.ledger.session.State == roster.SessionAnnouncing
	l.signal()
	return nil
}

func (l *live) close(ctx context.Context, reason string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state := l.ledger.session.State; state.Ended() {
		return fmt.Errorf("close session %s, which is %s: %w", l.ledger.session.ID, state, roster.ErrConflict)
	}
	if err := l.ledger.end(ctx, roster.SessionPartial, clip(reason), l.options.Now()); err != nil {
		return err
	}
	l.signal()
	return nil
}
