package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// RetryQuarantine returns the entries of a job with their payloads, ordered by id,
// beginning behind the id after, at most limit of them; 0 is no limit. The newest
// row stands for an entry.
func (s *Store) RetryQuarantine(ctx context.Context, job, after string, limit int) ([]roster.Quarantined, error) {
	doing := "read the quarantine of job " + job
	var found []quarantineEntry
	var payloads [][]byte
	err := s.view(ctx, doing, func(tx *txn) error {
		rows := peek(tx, bucketQuarantine, job)
		if rows == nil {
			return nil
		}
		err := scan(job, rows, roster.QuarantineFilter{Job: job, After: after}, func(e quarantineEntry) bool {
			found = append(found, e.clone())
			return limit <= 0 || len(found) < limit
		})
		sealed := peek(tx, bucketPayload, job)
		for i := range found {
			if sealed != nil {
				payloads = append(payloads, bytes.Clone(sealed.Get([]byte(found[i].key))))
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]roster.Quarantined, len(found))
	for i := range found {
		if out[i], err = s.opened(&found[i]); err == nil && i < len(payloads) {
			out[i].Payload, err = s.sealer.Open(payloads[i], place(bucketPayload, job, found[i].key))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return out, nil
}

// DropQuarantine removes entries of a job by their ids. It fails with
// [store.ErrNotFound] when the job has none of them.
func (s *Store) DropQuarantine(ctx context.Context, job string, ids []string) error {
	return s.update(ctx, "drop quarantined records of job "+job, func(tx *txn) error {
		rows := peek(tx, bucketQuarantine, job)
		if rows == nil {
			return store.ErrNotFound
		}
		dropped := false
		for _, id := range ids {
			keys := keysOfID(rows, id)
			dropped = dropped || len(keys) > 0
			if err := dropEntries(tx, job, keys); err != nil {
				return err
			}
		}
		if !dropped {
			return store.ErrNotFound
		}
		return nil
	})
}
