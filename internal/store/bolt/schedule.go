package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// LastDue returns when a job was last due, the zero time when it never was.
func (s *Store) LastDue(ctx context.Context, job string) (time.Time, error) {
	var due time.Time
	err := s.view(ctx, "read when job "+job+" was last due", func(tx *txn) error {
		raw := bucket(tx, bucketSchedule).Get([]byte(job))
		if raw == nil {
			return nil
		}
		var err error
		if due, err = time.Parse(time.RFC3339Nano, string(raw)); err != nil {
			return fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
		return nil
	})
	return due, err
}

// SetLastDue stores when a job was last due.
func (s *Store) SetLastDue(ctx context.Context, job string, due time.Time) error {
	doing := "store when job " + job + " was last due"
	if job == "" {
		return fmt.Errorf("%s: %w: it has no name", doing, roster.ErrInvalid)
	}
	return s.update(ctx, doing, func(tx *txn) error {
		return bucket(tx, bucketSchedule).Put([]byte(job), []byte(due.UTC().Format(time.RFC3339Nano)))
	})
}

// pausedKey is where the pause of a job is kept. No job's name has a space.
func pausedKey(job string) string { return job + pausedSuffix }

const pausedSuffix = " paused"

// Pause returns who has paused a job, [store.ErrNotFound] when nobody has.
func (s *Store) Pause(ctx context.Context, job string) (roster.Pause, error) {
	var pause roster.Pause
	err := s.view(ctx, "read whether job "+job+" is paused", func(tx *txn) error {
		sealed := bucket(tx, bucketSchedule).Get([]byte(pausedKey(job)))
		if sealed == nil {
			return store.ErrNotFound
		}
		raw, err := s.sealer.Open(sealed, place(bucketSchedule, job, pausedKey(job)))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &pause); err != nil {
			return fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
		return nil
	})
	return pause, err
}

// PauseJob stores who has paused a job. It fails with [store.ErrExists] when the
// job is paused.
func (s *Store) PauseJob(ctx context.Context, job string, pause roster.Pause) error {
	doing := "pause job " + job
	if job == "" {
		return fmt.Errorf("%s: %w: it has no name", doing, roster.ErrInvalid)
	}
	raw, err := json.Marshal(pause)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	sealed := s.sealer.Seal(raw, place(bucketSchedule, job, pausedKey(job)))
	return s.update(ctx, doing, func(tx *txn) error {
		b := bucket(tx, bucketSchedule)
		if b.Get([]byte(pausedKey(job))) != nil {
			return store.ErrExists
		}
		return b.Put([]byte(pausedKey(job)), sealed)
	})
}

// ResumeJob forgets that a job is paused. It fails with [store.ErrNotFound] when
// it is not.
func (s *Store) ResumeJob(ctx context.Context, job string) error {
	return s.update(ctx, "resume job "+job, func(tx *txn) error {
		b := bucket(tx, bucketSchedule)
		if b.Get([]byte(pausedKey(job))) == nil {
			return store.ErrNotFound
		}
		return b.Delete([]byte(pausedKey(job)))
	})
}
