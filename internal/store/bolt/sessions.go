package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// CreateSession stores a session. It fails with [store.ErrExists] when there is
// one with its id, or when its business has a session that is not over.
func (s *Store) CreateSession(ctx context.Context, session roster.Session) error {
	doing := "create session " + session.ID
	if session.ID == "" || session.Run == "" || session.Business == "" {
		return fmt.Errorf("%s: %w: a session needs an id, a run and a business", doing, roster.ErrInvalid)
	}
	return s.update(ctx, doing, func(tx *txn) error {
		if bucket(tx, bucketSessions).Get([]byte(session.ID)) != nil {
			return store.ErrExists
		}
		byRun, err := nested(tx, bucketSessionsByRun, session.Run)
		if err != nil {
			return err
		}
		byBusiness, err := nested(tx, bucketSessionsByBusiness, session.Business)
		if err != nil {
			return err
		}
		key := timeKey(session.Created, session.ID)
		if err := errors.Join(byRun.Put(key, nil), byBusiness.Put(key, nil), bucket(tx, bucketSessionsByTime).Put(key, nil)); err != nil {
			return err
		}
		_, err = putSession(tx, session)
		return err
	})
}

// Session returns one session or [store.ErrNotFound].
func (s *Store) Session(ctx context.Context, id string) (roster.Session, error) {
	var session roster.Session
	err := s.view(ctx, "read session "+id, func(tx *txn) error {
		return load(bucket(tx, bucketSessions), []byte(id), &session)
	})
	if err != nil {
		return roster.Session{}, err
	}
	return session, nil
}

// UpdateSession changes a session in one transaction and returns it as it is
// stored. Update must be quick and must not call the store; when it returns an
// error, nothing is changed and the error is returned wrapped. ID, Run,
// Business and Created cannot be changed. A session that was over can be
// opened again unless its business has another one: that is
// [store.ErrExists].
func (s *Store) UpdateSession(
	ctx context.Context, id string, update func(*roster.Session) error,
) (roster.Session, error) {
	var session roster.Session
	err := s.update(ctx, "update session "+id, func(tx *txn) error {
		if err := load(bucket(tx, bucketSessions), []byte(id), &session); err != nil {
			return err
		}
		run, business, created := session.Run, session.Business, session.Created
		if err := update(&session); err != nil {
			return err
		}
		if session.ID != id || session.Run != run || session.Business != business || !session.Created.Equal(created) {
			return fmt.Errorf("%w: the id, the run, the business and the beginning of a session stay", roster.ErrInvalid)
		}
		changed, err := putSession(tx, session)
		if err == nil && !changed {
			return errUnchanged
		}
		return err
	})
	if err == nil && session.State.Ended() {
		err = s.notes.drop(id)
	}
	if err != nil {
		return roster.Session{}, err
	}
	return session, nil
}

// Sessions returns the sessions that the filter selects, the latest first.
func (s *Store) Sessions(ctx context.Context, filter roster.SessionFilter) ([]roster.Session, error) {
	var found []roster.Session
	err := s.view(ctx, "list sessions", func(tx *txn) error {
		visit := func(id []byte) (bool, error) {
			var session roster.Session
			if err := load(bucket(tx, bucketSessions), id, &session); err != nil {
				return false, err
			}
			if matchesSession(filter, session) {
				found = append(found, session)
			}
			return filter.Limit <= 0 || len(found) < filter.Limit, nil
		}
		switch {
		case filter.Open:
			var err error
			found, err = indexedSessions(tx, filter, bucketSessionsOpen, func(_, id []byte) []byte { return id })
			return err
		case filter.Awaiting:
			var err error
			found, err = indexedSessions(tx, filter, bucketSessionsAwaiting, func(id, _ []byte) []byte { return id })
			return err
		case filter.Run != "":
			return newestFirst(peek(tx, bucketSessionsByRun, filter.Run), visit)
		case filter.Business != "":
			return newestFirst(peek(tx, bucketSessionsByBusiness, filter.Business), visit)
		default:
			return newestFirst(bucket(tx, bucketSessionsByTime), visit)
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// indexedSessions answers from a bucket that has few of all sessions; id takes a
// session's id from an entry of it.
func indexedSessions(
	tx *txn, filter roster.SessionFilter, index string, id func(key, value []byte) []byte,
) ([]roster.Session, error) {
	var found []roster.Session
	err := bucket(tx, index).ForEach(func(key, value []byte) error {
		var session roster.Session
		if err := load(bucket(tx, bucketSessions), id(key, value), &session); err != nil {
			return err
		}
		awaiting := !filter.Awaiting || bucket(tx, bucketSessionsAwaiting).Get([]byte(session.ID)) != nil
		if awaiting && matchesSession(filter, session) {
			found = append(found, session)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b roster.Session) int {
		return slices.Compare(timeKey(b.Created, b.ID), timeKey(a.Created, a.ID))
	})
	return limit(found, filter.Limit), err
}

func matchesSession(filter roster.SessionFilter, session roster.Session) bool {
	return (filter.Run == "" || filter.Run == session.Run) &&
		(filter.Business == "" || filter.Business == session.Business) &&
		(!filter.Open || !session.State.Ended())
}

// putSession writes a session and keeps the index of open sessions in step,
// which is what lets a business have only one.
func putSession(tx *txn, session roster.Session) (changed bool, err error) {
	open, business := bucket(tx, bucketSessionsOpen), []byte(session.Business)
	holder := string(open.Get(business))
	switch {
	case session.State.Ended() && holder == session.ID:
		err = open.Delete(business)
	case !session.State.Ended() && holder == "":
		err = open.Put(business, []byte(session.ID))
	case !session.State.Ended() && holder != session.ID:
		err = fmt.Errorf("%w: session %s of business %s is not over", store.ErrExists, holder, session.Business)
	}
	if err != nil {
		return false, err
	}
	return save(bucket(tx, bucketSessions), []byte(session.ID), session)
}
