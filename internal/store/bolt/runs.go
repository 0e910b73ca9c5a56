package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// CreateRun stores a run. It fails with [store.ErrExists] when there is one
// with its id.
func (s *Store) CreateRun(ctx context.Context, run roster.Run) error {
	doing := "create run " + run.ID
	if run.ID == "" || run.Job == "" {
		return fmt.Errorf("%s: %w: a run needs an id and a job", doing, roster.ErrInvalid)
	}
	return s.update(ctx, doing, func(tx *txn) error {
		runs := bucket(tx, bucketRuns)
		if runs.Get([]byte(run.ID)) != nil {
			return store.ErrExists
		}
		byJob, err := nested(tx, bucketRunsByJob, run.Job)
		if err != nil {
			return err
		}
		key := timeKey(run.Asked, run.ID)
		if err := errors.Join(byJob.Put(key, nil), bucket(tx, bucketRunsByTime).Put(key, nil)); err != nil {
			return err
		}
		_, err = putRun(tx, run)
		return err
	})
}

// Run returns one run or [store.ErrNotFound].
func (s *Store) Run(ctx context.Context, id string) (roster.Run, error) {
	var run roster.Run
	err := s.view(ctx, "read run "+id, func(tx *txn) error {
		return load(bucket(tx, bucketRuns), []byte(id), &run)
	})
	if err != nil {
		return roster.Run{}, err
	}
	return run, nil
}

// UpdateRun changes a run in one transaction and returns it as it is stored.
// Update must be quick and must not call the store; when it returns an error,
// nothing is changed and the error is returned wrapped. ID, Job and Asked
// cannot be changed.
func (s *Store) UpdateRun(ctx context.Context, id string, update func(*roster.Run) error) (roster.Run, error) {
	var run roster.Run
	err := s.update(ctx, "update run "+id, func(tx *txn) (err error) {
		var changed bool
		if run, changed, err = changeRun(tx, id, update); err == nil && !changed {
			return errUnchanged
		}
		return err
	})
	if err != nil {
		return roster.Run{}, err
	}
	return run, nil
}

// Runs returns the runs that the filter selects, the latest first.
func (s *Store) Runs(ctx context.Context, filter roster.RunFilter) ([]roster.Run, error) {
	var found []roster.Run
	err := s.view(ctx, "list runs", func(tx *txn) error {
		visit := func(id []byte) (bool, error) {
			var run roster.Run
			if err := load(bucket(tx, bucketRuns), id, &run); err != nil {
				return false, err
			}
			if matchesRun(filter, run) {
				found = append(found, run)
			}
			return filter.Limit <= 0 || len(found) < filter.Limit, nil
		}
		switch {
		case onlyOpen(filter.State):
			var err error
			found, err = openRuns(tx, filter)
			return err
		case filter.Job != "":
			return newestFirst(peek(tx, bucketRunsByJob, filter.Job), visit)
		default:
			return newestFirst(bucket(tx, bucketRunsByTime), visit)
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// openRuns answers what a daemon asks when it starts, which must not depend on
// how many runs there ever were.
func openRuns(tx *txn, filter roster.RunFilter) ([]roster.Run, error) {
	var found []roster.Run
	err := bucket(tx, bucketRunsOpen).ForEach(func(id, _ []byte) error {
		var run roster.Run
		if err := load(bucket(tx, bucketRuns), id, &run); err != nil {
			return err
		}
		if matchesRun(filter, run) {
			found = append(found, run)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b roster.Run) int {
		return slices.Compare(timeKey(b.Asked, b.ID), timeKey(a.Asked, a.ID))
	})
	return limit(found, filter.Limit), err
}

func onlyOpen(states []roster.RunState) bool {
	return len(states) > 0 && !slices.ContainsFunc(states, roster.RunState.Ended)
}

func matchesRun(filter roster.RunFilter, run roster.Run) bool {
	return (filter.Job == "" || filter.Job == run.Job) &&
		(len(filter.State) == 0 || slices.Contains(filter.State, run.State))
}

// changeRun reads, changes and writes one run.
func changeRun(tx *txn, id string, update func(*roster.Run) error) (run roster.Run, changed bool, err error) {
	if err := load(bucket(tx, bucketRuns), []byte(id), &run); err != nil {
		return run, false, err
	}
	job, asked := run.Job, run.Asked
	if err := update(&run); err != nil {
		return run, false, err
	}
	if run.ID != id || run.Job != job || !run.Asked.Equal(asked) {
		return run, false, fmt.Errorf("%w: the id, the job and the time of asking of a run stay", roster.ErrInvalid)
	}
	changed, err = putRun(tx, run)
	return run, changed, err
}

// putRun writes a run and keeps the index of open runs in step.
func putRun(tx *txn, run roster.Run) (changed bool, err error) {
	changed, err = save(bucket(tx, bucketRuns), []byte(run.ID), run)
	if err != nil || !changed {
		return changed, err
	}
	open := bucket(tx, bucketRunsOpen)
	if run.State.Ended() {
		return true, open.Delete([]byte(run.ID))
	}
	return true, open.Put([]byte(run.ID), nil)
}

func limit[T any](found []T, n int) []T {
	if n > 0 && len(found) > n {
		return found[:n]
	}
	return found
}
