package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// Arm stores, in one transaction, that creates of one route are about to be sent,
// and answers in the order of intents: with a zero standing for each that may be
// sent, and with what stands there for each that may not.
//
// An intent is stored, as armed in this life of the daemon, where its source has
// neither link nor intent; where its run armed the attempt before and that is
// proven not done; where a person decided to leave the record alone and it has
// changed since; and where a person decided that the target does not have it.
func (s *Store) Arm(ctx context.Context, intents []roster.Intent) ([]roster.Standing, error) {
	const doing = "arm creates"
	if len(intents) == 0 {
		return nil, nil
	}
	if err := checkIntents(intents); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var out []roster.Standing
	err := s.update(ctx, doing, func(tx *txn) error {
		out = make([]roster.Standing, len(intents))
		err := s.arm(tx, intents, out)
		if err == nil && tx.change == 0 {
			return errUnchanged
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func checkIntents(intents []roster.Intent) error {
	if err := checkRoute(intents[0].Route); err != nil {
		return err
	}
	for i := range intents {
		switch one := &intents[i]; {
		case one.Route != intents[0].Route:
			return fmt.Errorf("%w: its creates have several routes", roster.ErrInvalid)
		case one.Run == "" || strings.Contains(one.Run, "\x00") || one.Entry < 0 || one.Attempt < 1:
			return fmt.Errorf("%w: an intent needs a run, an entry and an attempt", roster.ErrInvalid)
		}
		if err := checkLinkIDs(intents[i].Source); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) arm(tx *txn, intents []roster.Intent, out []roster.Standing) error {
	route := intents[0].Route
	trees, rows := newLinkTrees(tx, route), s.intentsOf(tx, route)
	jobs := jobsOf{tx: tx}
	for i := range intents {
		one := &intents[i]
		_, link, err := trees.at(linkEnd{directionOf(route), one.Source})
		if err != nil {
			return err
		}
		if link != nil {
			if err := s.standings(tx, route, []string{one.Source}, out[i:i+1]); err != nil {
				return err
			}
			continue
		}
		stands, ok, err := rows.load(one.Source)
		if err != nil {
			return err
		}
		if ok && !mayArm(&stands, one) {
			intent := stands.intent(route, one.Source)
			out[i].Intent = &intent
			continue
		}
		job, err := jobs.of(one.Run)
		if err != nil {
			return err
		}
		row := newIntentRow(one, stateArmed, job)
		row.epoch, row.reason = s.epoch, ""
		if row.armed == 0 {
			row.armed = nanos(s.now())
		}
		if err := rows.put(one.Source, &row); err != nil {
			return err
		}
	}
	return nil
}

// mayArm reports whether an intent may take the place of the one that stands.
func mayArm(stands *intentRow, next *roster.Intent) bool {
	switch stands.state {
	case stateArmed:
		return stands.run == next.Run && stands.attempt == next.Attempt-1
	case stateDropped:
		return next.Row != 0 && next.Row != stands.row
	case stateNew:
		return true
	}
	return false
}

// jobsOf finds the jobs of runs.
type jobsOf struct {
	tx       *txn
	run, job string
}

func (j *jobsOf) of(run string) (string, error) {
	if run != j.run {
		var found roster.Run
		if err := load(bucket(j.tx, bucketRuns), []byte(run), &found); err != nil {
			return "", fmt.Errorf("run %s: %w", run, err)
		}
		j.run, j.job = run, found.Job
	}
	return j.job, nil
}

// Intents returns the armed intents of a run, ordered by their place in its change
// set.
func (s *Store) Intents(ctx context.Context, run string) ([]roster.Intent, error) {
	var found []roster.Intent
	err := s.view(ctx, "list the intents of run "+run, func(tx *txn) error {
		prefix := runPrefix(run)
		c := bucket(tx, bucketIntentsByRun).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			rest := k[len(prefix):]
			if len(rest) < entryBytes {
				return fmt.Errorf("%w: the index of intents cannot be read", store.ErrDamaged)
			}
			route, source, ok := cutRunKey(string(rest[entryBytes:]))
			if !ok {
				return fmt.Errorf("%w: the index of intents cannot be read", store.ErrDamaged)
			}
			intent, err := s.intentsOf(tx, route).get(source)
			if err != nil {
				return err
			}
			if intent == nil {
				return fmt.Errorf("%w: an intent is missing", store.ErrDamaged)
			}
			found = append(found, *intent)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// OpenIntents returns the armed intents of a route by any run, in the order of
// their source ids.
func (s *Store) OpenIntents(ctx context.Context, route roster.Route) ([]roster.Intent, error) {
	var found []roster.Intent
	err := s.viewRoute(ctx, "list open intents", route, func(tx *txn) error {
		rows := s.intentsOf(tx, route)
		if rows.tree == nil {
			return nil
		}
		prefix := bytes.Clone(rows.keyOf(""))
		c := rows.tree.Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			row, err := unpackIntent(v)
			if err != nil {
				return err
			}
			if row.state == stateArmed {
				found = append(found, row.intent(route, string(k[len(prefix):])))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
