package export

import (
	"context"
	"errors"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Outcomes keeps what became of the clients of sessions. A change that was
// acknowledged survives a crash.
type Outcomes interface {
	// IndexClients remembers the clients of a session by their ids, in order.
	IndexClients(ctx context.Context, session string, ids []string) error
	// FindClients returns the places of the clients with the given ids, -1 where
	// there is none. It fails with [roster.ErrNotFound] for a session whose
	// clients are not remembered.
	FindClients(ctx context.Context, session string, ids []string) ([]int, error)
	// ForgetClients forgets the ids of a session's clients.
	ForgetClients(ctx context.Context, session string) error
	// RecordOutcome changes in one transaction what became of the clients, the
	// session, its run and the quarantine.
	RecordOutcome(ctx context.Context, session string, change func(*roster.OutcomeRecord) error) error
	// Outcomes returns what became of a session's clients, by place. It may be
	// shorter than the session.
	Outcomes(ctx context.Context, session string) ([]roster.Outcome, error)
}

// Report returns a session with what became of each page of it. A session that
// is not there is [roster.ErrNotFound].
func (s *Sessions) Report(ctx context.Context, session roster.Session) (roster.SessionReport, error) {
	clients, err := s.outcomes.Outcomes(ctx, session.ID)
	if err != nil {
		return roster.SessionReport{}, err
	}
	return session.Report(clients), nil
}

// index remembers the clients of a session that is about to be announced, and
// forgets those of which the target is no longer heard: one that never tells
// anything would have them kept for good.
func (s *Sessions) index(ctx context.Context, session roster.Session, clients Clients) error {
	if _, err := s.awaiting(ctx); err != nil {
		return err
	}
	ids, err := clients.IDs(session.From, session.To)
	if err != nil {
		return err
	}
	return s.outcomes.IndexClients(ctx, session.ID, ids)
}

// awaiting returns the sessions of which the target may still tell, the latest
// first, and forgets the clients of the others.
func (s *Sessions) awaiting(ctx context.Context) ([]roster.Session, error) {
	sessions, err := s.store.Sessions(ctx, roster.SessionFilter{Awaiting: true})
	if err != nil {
		return nil, err
	}
	var forget error
	sessions = slices.DeleteFunc(sessions, func(session roster.Session) bool {
		over := session.EndedAt != nil && s.now().Sub(*session.EndedAt) > s.options.OutcomeWait
		if over {
			forget = errors.Join(forget, s.outcomes.ForgetClients(ctx, session.ID))
		}
		return over
	})
	return sessions, forget
}

// Forget forgets the ids of clients of sessions of which the target is no longer
// heard. It is called from time to time: the end of another session does so, too.
func (s *Sessions) Forget(ctx context.Context) error {
	_, err := s.awaiting(ctx)
	return err
}

// correlate finds the session that an event tells of, and in it the places of
// the clients it tells of, -1 for those that are not in it. The id of the
// session is empty where no session or more than one may be meant.
//
// An event names its session, and the answer to the announcement named it too.
// Where one of the two is missing, where the two names differ (the vendor's
// documents show the one as a number and the other as a UUID), or where two
// sessions go by one name, the clients decide: a session is meant that has
// served all of them. Of several such sessions of one business it is the latest,
// because a business has one at a time; of several businesses nobody can tell,
// and it is none.
func (s *Sessions) correlate(ctx context.Context, e event) (id string, places []int, err error) {
	sessions, err := s.awaiting(ctx)
	if err != nil {
		return "", nil, err
	}
	ids := make([]string, len(e.told))
	for i := range e.told {
		ids[i] = e.told[i].id
	}
	named := slices.DeleteFunc(slices.Clone(sessions), func(session roster.Session) bool {
		return e.session == "" || session.Remote != e.session
	})
	switch len(named) {
	case 0:
	case 1:
		places, err = s.outcomes.FindClients(ctx, named[0].ID, ids)
		return named[0].ID, places, err
	default:
		sessions = named
	}
	return s.correlateByClients(ctx, sessions, ids)
}

func (s *Sessions) correlateByClients(ctx context.Context, sessions []roster.Session, ids []string) (id string, places []int, err error) {
	business := ""
	for _, session := range sessions {
		found, err := s.outcomes.FindClients(ctx, session.ID, ids)
		if err != nil {
			return "", nil, err
		}
		if !s.servedAll(session, found) {
			continue
		}
		if id != "" && session.Business != business {
			return "", nil, nil
		}
		if id == "" {
			id, places, business = session.ID, found, session.Business
		}
	}
	return id, places, nil
}

// servedAll reports whether every one of some clients was served.
func (s *Sessions) servedAll(session roster.Session, places []int) bool {
	if l := s.findSession(session.ID); l != nil {
		session = l.session()
	}
	for _, place := range places {
		if place < 0 || !session.HasServed(place) {
			return false
		}
	}
	return len(places) > 0
}

// record stores what an event tells of the clients at some places. The same
// event once more changes nothing.
func (s *Sessions) record(ctx context.Context, session string, e event, places []int) error {
	l := s.findSession(session)
	if l != nil {
		// Only what is stored as served can have an outcome.
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx)
	var batch roster.LogBatch
	err := s.outcomes.RecordOutcome(ctx, session, func(record *roster.OutcomeRecord) error {
		batch = roster.LogBatch{At: s.now(), Run: record.Session.Run, Job: record.Session.Job}
		before := roster.OutcomeCounts{}
		if record.Session.Outcome != nil {
			before = *record.Session.Outcome
		}
		after := before
		for i, place := range places {
			if place < 0 || place >= len(record.Clients) || !record.Session.HasServed(place) {
				continue
			}
			was, is := record.Clients[place], e.told[i].outcome
			if is <= was {
				continue
			}
			record.Clients[place] = is
			after.Add(was, -1)
			after.Add(is, 1)
			s.quarantine(record, l, place, e.told[i], was)
			batch.Entries = append(batch.Entries, logged(record.Session.Kind, e.told[i]))
		}
		record.Session.Outcome = &after
		if record.Session.Remote == "" {
			record.Session.Remote = clip(e.session)
		}
		record.Run.Counts.Tell(before, after)
		if record.Run.State.Ended() {
			record.Run.Counts.TakeOutcome(record.Run.Counts)
			s.options.Settle(&record.Run)
		}
		return nil
	})
	if err == nil && s.options.Records != nil && len(batch.Entries) > 0 {
		s.options.Records.Log(batch)
	}
	return err
}

// logged is what the record log has of a client that the target tells of.
func logged(kind sdk.Kind, client told) roster.LogEntry {
	e := roster.LogEntry{Kind: kind, Record: client.id}
	switch client.outcome {
	case roster.OutcomeCreated:
		e.Code = roster.LogImported
	case roster.OutcomeUpdated:
		e.Code = roster.LogReplaced
	case roster.OutcomeKept:
		e.Code = roster.LogKept
	case roster.OutcomeFailed, roster.OutcomeUnknown:
		e.Level, e.Code, e.Detail = roster.LogError, roster.CodeDeliverFailed, notImported
	}
	return e
}

// notImported is the reason of a client that failed.
const notImported = "the target could not import the client and did not say why"

// quarantine puts a client that failed into the quarantine, with its values
// while the change set is there, and takes one out that did not fail after all.
func (s *Sessions) quarantine(record *roster.OutcomeRecord, l *live, place int, client told, was roster.Outcome) {
	q := roster.Quarantined{
		Job: record.Session.Job, Run: record.Session.Run, Kind: record.Session.Kind, Record: client.id,
		Stage: roster.StageDeliver, Code: roster.CodeDeliverFailed, At: s.now(),
		Reason: notImported,
	}
	switch {
	case client.outcome == roster.OutcomeFailed:
		if l != nil {
			at := record.Session.From + place
			if payload, err := l.clients.AppendClients(nil, at, at+1); err == nil {
				q.Payload = payload
			}
		}
		record.Refused = append(record.Refused, q)
	case was == roster.OutcomeFailed:
		record.Settled = append(record.Settled, q)
	}
}
