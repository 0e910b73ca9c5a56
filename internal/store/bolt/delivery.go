package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// BeginDelivery is the one transaction that ends a preparation, and the one
// that moves the cursors of an import when it ends: the run becomes what
// update makes of it, the cursors of its job stand, and of the job's
// quarantine remain the run's own entries and, unless d replaces them, the
// entries of records that the run neither refused nor read again, and what a person
// has decided since the run had read them. The rules for update are those of
// [Store.UpdateRun].
func (s *Store) BeginDelivery(
	ctx context.Context, id string, d roster.Delivery, update func(*roster.Run) error,
) (roster.Run, error) {
	var run roster.Run
	err := s.update(ctx, "begin the delivery of run "+id, func(tx *txn) (err error) {
		if run, _, err = changeRun(tx, id, update); err != nil {
			return err
		}
		if err := setCursors(tx, run.Job, d.Cursors); err != nil {
			return err
		}
		return settleQuarantine(tx, &run, &d)
	})
	if err != nil {
		return roster.Run{}, err
	}
	return run, nil
}

// Cursor returns how far a job has read records of a kind, nil for the
// beginning.
func (s *Store) Cursor(ctx context.Context, job string, kind sdk.Kind) (sdk.Cursor, error) {
	var cursor sdk.Cursor
	err := s.view(ctx, "read the cursor of job "+job, func(tx *txn) error {
		if b := peek(tx, bucketCursors, job); b != nil {
			cursor = bytes.Clone(b.Get([]byte(kind)))
		}
		return nil
	})
	return cursor, err
}

// SetCursors sets how far a job has read, nil for the beginning.
func (s *Store) SetCursors(ctx context.Context, job string, cursors map[sdk.Kind]sdk.Cursor) error {
	return s.update(ctx, "set the cursors of job "+job, func(tx *txn) error { return setCursors(tx, job, cursors) })
}

func setCursors(tx *txn, job string, cursors map[sdk.Kind]sdk.Cursor) error {
	if len(cursors) == 0 {
		return nil
	}
	b, err := nested(tx, bucketCursors, job)
	if err != nil {
		return err
	}
	for kind, cursor := range cursors {
		if len(cursor) > sdk.MaxCursorBytes {
			return fmt.Errorf("%w: the cursor of %s has %d bytes where %d are allowed",
				roster.ErrInvalid, kind, len(cursor), sdk.MaxCursorBytes)
		}
		if cursor == nil {
			err = errors.Join(err, b.Delete([]byte(kind)))
			continue
		}
		err = errors.Join(err, b.Put([]byte(kind), cursor))
	}
	return err
}
