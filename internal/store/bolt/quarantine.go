package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// prepared is an entry encoded and sealed before its transaction begins.
type prepared struct {
	job          string
	key          string
	form         int
	row, payload []byte
}

// AddQuarantine stores refused records in one transaction and fills in their
// ids. A record that the same run refused before overwrites its entry, unless that
// is of a later form; an entry that another run left stands beside it until
// [Store.BeginDelivery]. It returns how many of the forms of records stand no more,
// because the run has refused a later one.
func (s *Store) AddQuarantine(ctx context.Context, records []roster.Quarantined) (replaced int, err error) {
	const doing = "add to the quarantine"
	if len(records) == 0 {
		return 0, nil
	}
	entries, err := s.prepareAll(records)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	err = s.update(ctx, doing, func(tx *txn) error {
		replaced = 0
		for i := range entries {
			before, err := entries[i].put(tx)
			if err != nil {
				return err
			}
			if before > 0 {
				replaced++
			}
		}
		return nil
	})
	return replaced, err
}

// prepareAll fills in the ids of records and encodes them in the order in which
// they are stored.
func (s *Store) prepareAll(records []roster.Quarantined) ([]prepared, error) {
	entries := make([]prepared, len(records))
	for i := range records {
		if records[i].Job == "" || records[i].Run == "" {
			return nil, fmt.Errorf("%w: an entry needs a job and a run", roster.ErrInvalid)
		}
		records[i].ID = s.quarantineID(&records[i])
		var err error
		if entries[i], err = s.prepare(&records[i]); err != nil {
			return nil, err
		}
	}
	// Neighbours in the tree are written together; of two entries with one key
	// the later stays the later.
	slices.SortStableFunc(entries, func(a, b prepared) int {
		if c := strings.Compare(a.job, b.job); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return entries, nil
}

func (s *Store) prepare(q *roster.Quarantined) (prepared, error) {
	key := q.ID + q.Run
	who, err := json.Marshal(quarantineWho{Record: q.Record, Position: q.Position})
	if err != nil {
		return prepared{}, err
	}
	row, err := json.Marshal(quarantineRow{
		Kind: q.Kind, Stage: q.Stage, Code: q.Code, Reason: q.Reason, At: q.At, Form: q.Form, Gone: q.Gone,
		Who: s.sealer.Seal(who, place(bucketQuarantine, q.Job, key)),
	})
	if err != nil {
		return prepared{}, err
	}
	sealed := s.sealer.Seal(q.Payload, place(bucketPayload, q.Job, key))
	return prepared{job: q.Job, key: key, form: q.Form, row: row, payload: sealed}, nil
}

// put stores an entry, unless a later form of its record stands there. It returns
// the form that stood there, 0 for none.
func (e *prepared) put(tx *txn) (before int, err error) {
	rows, err := nested(tx, bucketQuarantine, e.job)
	if err != nil {
		return 0, err
	}
	payloads, err := nested(tx, bucketPayload, e.job)
	if err != nil {
		return 0, err
	}
	if e.form > 0 {
		had, _, err := rowAt(rows, e.key)
		if before = had.Form; err != nil || before > e.form {
			return before, err
		}
	}
	return before, errors.Join(rows.Put([]byte(e.key), e.row), payloads.Put([]byte(e.key), e.payload))
}

func rowAt(rows *tree, key string) (row quarantineRow, ok bool, err error) {
	err = load(rows, []byte(key), &row)
	if errors.Is(err, store.ErrNotFound) {
		return row, false, nil
	}
	return row, err == nil, err
}

// Supersede removes what a run has refused of earlier forms of records, and returns
// how many there were.
func (s *Store) Supersede(ctx context.Context, job, run string, kind sdk.Kind, later []roster.Superseded) (replaced int, err error) {
	err = s.update(ctx, "supersede quarantined records of run "+run, func(tx *txn) error {
		replaced, err = s.supersede(tx, job, run, kind, later)
		if err == nil && replaced == 0 {
			return errUnchanged
		}
		return err
	})
	return replaced, err
}

func (s *Store) supersede(tx *txn, job, run string, kind sdk.Kind, later []roster.Superseded) (replaced int, err error) {
	rows := peek(tx, bucketQuarantine, job)
	if rows == nil || len(later) == 0 {
		return 0, nil
	}
	var keys [][]byte
	for _, one := range later {
		key := s.quarantineID(&roster.Quarantined{Job: job, Kind: kind, Record: one.Record, Form: one.Form}) + run
		had, stands, err := rowAt(rows, key)
		if err != nil {
			return 0, err
		}
		if stands && had.Form <= one.Form {
			keys = append(keys, []byte(key))
		}
	}
	return len(keys), dropEntries(tx, job, keys)
}

// Quarantine returns the entries that the filter selects, ordered by id and
// without payloads.
func (s *Store) Quarantine(ctx context.Context, filter roster.QuarantineFilter) ([]roster.Quarantined, error) {
	var found []quarantineEntry
	err := s.view(ctx, "list the quarantine", func(tx *txn) error {
		return eachJob(tx, filter, func(job string, rows *tree) error {
			n := 0
			return scan(job, rows, filter, func(e quarantineEntry) bool {
				found = append(found, e.clone())
				n++
				return filter.Limit <= 0 || n < filter.Limit
			})
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b quarantineEntry) int { return strings.Compare(a.key, b.key) })
	found = limit(found, filter.Limit)
	out := make([]roster.Quarantined, len(found))
	for i := range found {
		if out[i], err = s.opened(&found[i]); err != nil {
			return nil, fmt.Errorf("list the quarantine: %w", err)
		}
	}
	return out, nil
}

// QuarantinedByID returns one entry with its payload, [store.ErrNotFound] when
// there is none, or [store.ErrSealed] when it was tampered with.
func (s *Store) QuarantinedByID(ctx context.Context, id string) (roster.Quarantined, error) {
	var entry quarantineEntry
	var payload []byte
	doing := "read quarantined record " + id
	err := s.view(ctx, doing, func(tx *txn) error {
		err := eachJob(tx, roster.QuarantineFilter{}, func(job string, rows *tree) error {
			found, ok, err := newest(job, rows, id)
			if err != nil || !ok {
				return err
			}
			entry = found.clone()
			if b := peek(tx, bucketPayload, job); b != nil {
				payload = slices.Clone(b.Get([]byte(entry.key)))
			}
			return nil
		})
		if err == nil && entry.key == "" {
			return store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return roster.Quarantined{}, err
	}
	q, err := s.opened(&entry)
	if err == nil {
		q.Payload, err = s.sealer.Open(payload, place(bucketPayload, entry.job, entry.key))
	}
	if err != nil {
		return roster.Quarantined{}, fmt.Errorf("%s: %w", doing, err)
	}
	return q, nil
}

// QuarantineGroups counts the entries that the filter selects by their cause,
// the most frequent first. Limit and After of the filter have no meaning here.
func (s *Store) QuarantineGroups(
	ctx context.Context, filter roster.QuarantineFilter,
) ([]roster.QuarantineGroup, error) {
	filter.Limit, filter.After = 0, ""
	type cause struct {
		stage        roster.Stage
		code, reason string
	}
	counts := make(map[cause]*roster.QuarantineGroup)
	err := s.view(ctx, "count the quarantine", func(tx *txn) error {
		return eachJob(tx, filter, func(job string, rows *tree) error {
			return scan(job, rows, filter, func(e quarantineEntry) bool {
				of := cause{e.row.Stage, e.row.Code, e.row.Reason}
				if counts[of] == nil {
					counts[of] = &roster.QuarantineGroup{Stage: of.stage, Code: of.code, Reason: of.reason, Example: e.id()}
				}
				counts[of].Count++
				return true
			})
		})
	})
	if err != nil {
		return nil, err
	}
	groups := make([]roster.QuarantineGroup, 0, len(counts))
	for _, g := range counts {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b roster.QuarantineGroup) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(string(a.Stage)+a.Code+a.Reason, string(b.Stage)+b.Code+b.Reason)
	})
	return groups, nil
}

// DropRunQuarantine removes the entries of one run, which what another run
// left of the same records outlives. A preparation that starts again begins
// with it.
func (s *Store) DropRunQuarantine(ctx context.Context, run string) error {
	return s.update(ctx, "drop the quarantine of run "+run, func(tx *txn) error {
		dropped := false
		err := eachJob(tx, roster.QuarantineFilter{Run: run}, func(job string, rows *tree) error {
			keys := keysOf(rows, func(_, of string) bool { return of == run })
			dropped = dropped || len(keys) > 0
			return dropEntries(tx, job, keys)
		})
		if err == nil && !dropped {
			return errUnchanged
		}
		return err
	})
}

// DropQuarantined removes the entries with the given ids and returns how many
// of the ids there were.
func (s *Store) DropQuarantined(ctx context.Context, ids ...string) (int, error) {
	dropped := 0
	err := s.update(ctx, "drop quarantined records", func(tx *txn) error {
		err := eachJob(tx, roster.QuarantineFilter{}, func(job string, rows *tree) error {
			for _, id := range ids {
				keys := keysOfID(rows, id)
				if len(keys) > 0 {
					dropped++
				}
				if err := dropEntries(tx, job, keys); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && dropped == 0 {
			return errUnchanged
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return dropped, nil
}
