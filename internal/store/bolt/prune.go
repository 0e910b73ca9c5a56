package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// pruneBatch bounds the runs that one transaction forgets.
const pruneBatch = 50

// PruneRuns forgets runs that ended before a time, with their sessions and what
// became of their clients, and returns their ids. Of each job the latest keep runs
// stay, and runs that something still points to: refused records, creates in
// doubt, or sessions that are not over.
func (s *Store) PruneRuns(ctx context.Context, before time.Time, keep int) ([]string, error) {
	var old []string
	err := s.view(ctx, "look for old runs", func(tx *txn) error {
		for _, job := range bucket(tx, bucketRunsByJob).names() {
			found, err := oldRuns(tx, job, before, keep)
			if err != nil {
				return err
			}
			old = append(old, found...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var pruned []string
	for len(old) > 0 {
		batch := old[:min(pruneBatch, len(old))]
		old = old[len(batch):]
		var done []string
		err := s.update(ctx, "forget old runs", func(tx *txn) error {
			done = nil
			for _, id := range batch {
				forgotten, err := forgetRun(tx, id)
				if err != nil {
					return err
				}
				if forgotten {
					done = append(done, id)
				}
			}
			if len(done) == 0 {
				return errUnchanged
			}
			return nil
		})
		if err != nil {
			return pruned, err
		}
		pruned = append(pruned, done...)
	}
	return pruned, nil
}

// oldRuns returns the runs of a job that are old enough.
func oldRuns(tx *txn, job string, before time.Time, keep int) ([]string, error) {
	var old []string
	needed := quarantinedRuns(tx, job)
	n := 0
	err := newestFirst(peek(tx, bucketRunsByJob, job), func(id []byte) (bool, error) {
		if n++; n <= keep {
			return true, nil
		}
		var run roster.Run
		if err := load(bucket(tx, bucketRuns), bytes.Clone(id), &run); err != nil {
			return false, err
		}
		ended := run.Asked
		if run.Ended != nil {
			ended = *run.Ended
		}
		if run.State.Ended() && ended.Before(before) && !needed[run.ID] {
			old = append(old, run.ID)
		}
		return true, nil
	})
	return old, err
}

// quarantinedRuns are the runs of a job that have refused a record which is still
// in quarantine.
func quarantinedRuns(tx *txn, job string) map[string]bool {
	needed := map[string]bool{}
	rows := peek(tx, bucketQuarantine, job)
	if rows == nil {
		return needed
	}
	c := rows.raw.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) > idChars {
			needed[string(k[idChars:])] = true
		}
	}
	return needed
}

// forgetRun removes a run, unless something points to it.
func forgetRun(tx *txn, id string) (bool, error) {
	var run roster.Run
	err := load(bucket(tx, bucketRuns), []byte(id), &run)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	prefix := runPrefix(id)
	if k, _ := bucket(tx, bucketIntentsByRun).Cursor().Seek(prefix); bytes.HasPrefix(k, prefix) || !run.State.Ended() {
		return false, nil
	}
	sessions, over, err := sessionsOf(tx, id)
	if err != nil || !over {
		return false, err
	}
	for _, session := range sessions {
		if err := forgetSession(tx, session); err != nil {
			return false, err
		}
	}
	key := timeKey(run.Asked, run.ID)
	return true, errors.Join(
		dropFrom(tx, bucketRunsByJob, run.Job, key), bucket(tx, bucketRunsByTime).Delete(key), bucket(tx, bucketRuns).Delete([]byte(id)),
	)
}

func sessionsOf(tx *txn, run string) (sessions []roster.Session, over bool, err error) {
	over = true
	err = newestFirst(peek(tx, bucketSessionsByRun, run), func(id []byte) (bool, error) {
		var session roster.Session
		if err := load(bucket(tx, bucketSessions), bytes.Clone(id), &session); err != nil {
			return false, fmt.Errorf("session %s: %w", id, err)
		}
		over = over && session.State.Ended()
		sessions = append(sessions, session)
		return true, nil
	})
	return sessions, over, err
}

func forgetSession(tx *txn, session roster.Session) error {
	key, id := timeKey(session.Created, session.ID), []byte(session.ID)
	return errors.Join(
		dropFrom(tx, bucketSessionsByRun, session.Run, key), dropFrom(tx, bucketSessionsByBusiness, session.Business, key),
		bucket(tx, bucketSessionsByTime).Delete(key), bucket(tx, bucketSessionsAwaiting).Delete(id),
		bucket(tx, bucketSessionClients).Delete(id), bucket(tx, bucketSessionOutcomes).Delete(id), bucket(tx, bucketSessions).Delete(id),
	)
}

// dropFrom removes an entry of a nested bucket, and the bucket with its last one.
func dropFrom(tx *txn, top, name string, key []byte) error {
	b := peek(tx, top, name)
	if b == nil {
		return nil
	}
	if err := b.Delete(key); err != nil {
		return err
	}
	if k, _ := b.raw.Cursor().First(); k != nil {
		return nil
	}
	return bucket(tx, top).raw.DeleteBucket([]byte(name))
}
