package bolt

import (
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/roster"
)

// Stats is what the database holds.
type Stats struct {
	// Bytes is the length of the file, Free about what of it is not used.
	Bytes, Free int64
	Schema      int
	Buckets     []BucketStats
	// Runs by their state, Sessions and OpenSessions, Links, Intents (armed creates),
	// Parked and Quarantined are numbers of entries.
	Runs                                   map[roster.RunState]int
	Sessions, OpenSessions, Links, Intents int
	Parked, Quarantined                    int
}

// BucketStats is the size of a top-level bucket with those in it.
type BucketStats struct {
	Name string
	// Entries counts keys of all levels, Bytes what they take of the file.
	Entries int
	Bytes   int64
}

// fixedPages are those of every database: two that describe it, the list of free
// pages and the list of buckets.
const fixedPages = 4

// Stats reads the sizes of everything. It walks over all pages.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	err := s.view(ctx, "size up the database", func(tx *txn) error {
		st = Stats{Bytes: tx.Size(), Schema: schemaVersion, Runs: map[roster.RunState]int{}}
		used := int64(fixedPages * s.db.Info().PageSize)
		sizes := map[string]int{}
		err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			one := b.Stats()
			size := int64(one.BranchInuse + one.LeafInuse + one.InlineBucketInuse)
			alloc := int64(one.BranchAlloc + one.LeafAlloc)
			st.Buckets = append(st.Buckets, BucketStats{Name: string(name), Entries: one.KeyN - one.BucketN + 1, Bytes: max(alloc, size)})
			used += alloc
			sizes[string(name)] = one.KeyN - one.BucketN + 1
			return nil
		})
		st.Free = max(0, st.Bytes-used)
		slices.SortFunc(st.Buckets, func(a, b BucketStats) int { return int(b.Bytes - a.Bytes) })
		st.Sessions, st.OpenSessions = sizes[bucketSessions], sizes[bucketSessionsOpen]
		st.Links, st.Intents = sizes[bucketLinks], sizes[bucketIntentsByRun]
		st.Parked, st.Quarantined = sizes[bucketParked], sizes[bucketQuarantine]
		if err != nil {
			return err
		}
		return bucket(tx, bucketRuns).ForEach(func(id, _ []byte) error {
			var run roster.Run
			err := load(bucket(tx, bucketRuns), id, &run)
			st.Runs[run.State]++
			return err
		})
	})
	return st, err
}
