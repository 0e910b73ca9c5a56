package bolt

import (
	"context"
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
