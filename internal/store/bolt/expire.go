package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// expireBatch bounds what one transaction forgets.
const expireBatch = 5000

// ExpireQuarantine forgets refused records that were refused before a time, and
// returns how many there were of each job.
func (s *Store) ExpireQuarantine(ctx context.Context, before time.Time) (map[string]int, error) {
	counts := map[string]int{}
	return counts, s.expire(ctx, "forget old refused records", func(tx *txn) (n int, err error) {
		for _, job := range bucket(tx, bucketQuarantine).names() {
			var keys [][]byte
			c := peek(tx, bucketQuarantine, job).Cursor()
			for k, v := c.First(); k != nil && n+len(keys) < expireBatch; k, v = c.Next() {
				var row quarantineRow
				if err := json.Unmarshal(v, &row); err != nil {
					return n, fmt.Errorf("%w: decode a refused record: %w", store.ErrDamaged, err)
				}
				if row.At.Before(before) {
					keys = append(keys, bytes.Clone(k))
				}
			}
			if err := dropEntries(tx, job, keys); err != nil {
				return n, err
			}
			if len(keys) > 0 {
				counts[job] += len(keys)
			}
			n += len(keys)
		}
		return n, nil
	})
}

// ExpireHistory forgets the history of records that have neither a link nor a
// create under way, and of which the last event is older than a time.
func (s *Store) ExpireHistory(ctx context.Context, before time.Time) (int, error) {
	total := 0
	err := s.expire(ctx, "forget old histories", func(tx *txn) (n int, err error) {
		defer func() { total += n }()
		for _, name := range bucket(tx, bucketLinkHistory).names() {
			route, ok := routeOf(name, directionMarks[forward])
			if !ok {
				return n, fmt.Errorf("%w: links have a name that is none", store.ErrDamaged)
			}
			dropped, err := s.expireHistories(tx, route, before, expireBatch-n)
			if n += dropped; err != nil {
				return n, err
			}
		}
		return n, nil
	})
	return total, err
}

func (s *Store) expireHistories(tx *txn, route roster.Route, before time.Time, most int) (int, error) {
	rows, err := newHistoryRows(tx, route)
	if err != nil {
		return 0, err
	}
	trees, n := newLinkTrees(tx, route), 0
	for _, row := range rows {
		if n >= most {
			break
		}
		if len(row.events) > 0 && !row.events[len(row.events)-1].At.Before(before) {
			continue
		}
		_, link, err := trees.at(row.end)
		if err != nil {
			return n, err
		}
		direction := route
		if row.end.direction == backward {
			direction = route.Reverse()
		}
		_, intended, err := s.intentsOf(tx, direction).load(row.end.id)
		if err != nil {
			return n, err
		}
		if link != nil || intended {
			continue
		}
		if err := trees.histories.Delete(row.end.key()); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// ExpireGone forgets the links of records that were gone from their source before a
// time, and whose record at the target was deactivated for it. A record that comes
// back behind that is a new one.
func (s *Store) ExpireGone(ctx context.Context, before time.Time) (int, error) {
	total := 0
	err := s.expire(ctx, "forget links of records that are gone", func(tx *txn) (n int, err error) {
		defer func() { total += n }()
		for _, name := range bucket(tx, bucketLinks).names() {
			route, ok := routeOf(name, directionMarks[forward])
			if !ok {
				return n, fmt.Errorf("%w: links have a name that is none", store.ErrDamaged)
			}
			old, err := goneLinks(tx, route, before, expireBatch-n)
			if err != nil {
				return n, err
			}
			if len(old) == 0 {
				continue
			}
			w, err := s.linkWriter(tx, route, "retention.gone")
			if err != nil {
				return n, err
			}
			for _, first := range old {
				if _, err := w.remove(first); err != nil {
					return n, err
				}
				n++
			}
			if err := w.end(); err != nil {
				return n, err
			}
		}
		return n, nil
	})
	return total, err
}

func goneLinks(tx *txn, route roster.Route, before time.Time, most int) (old []string, err error) {
	c := peek(tx, bucketLinks, linksName(route)).Cursor()
	for k, v := c.First(); k != nil && len(old) < most; k, v = c.Next() {
		var row linkRow
		if err := row.decode(v); err != nil {
			return nil, err
		}
		if (row.halves[forward].gone || row.halves[backward].gone) && timeOf(row.changed).Before(before) {
			old = append(old, string(k))
		}
	}
	return old, nil
}

// expire calls work in transactions of their own until one has nothing to forget.
func (s *Store) expire(ctx context.Context, doing string, work func(*txn) (int, error)) error {
	for {
		more := false
		err := s.update(ctx, doing, func(tx *txn) error {
			n, err := work(tx)
			if err == nil && n == 0 {
				return errUnchanged
			}
			more = n > 0
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}
