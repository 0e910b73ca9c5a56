package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/store"
)

// What a transaction removes stays in the file, in pages that are not used any more
// until another transaction takes them: bbolt clears none. Scrub takes all of them
// for entries that say nothing, and gives them back.

const (
	// bucketFiller is there only while free pages are overwritten.
	bucketFiller = "filler"
	// fillerBytes is such that two entries fill a page of 4 KiB and no two pages are
	// needed in a row, so that every single free page is taken.
	fillerBytes, fillerEntries = 1980, 2
	// fillerPages is how many pages a transaction takes at most, fillerSpare how many
	// more than are free.
	fillerPages, fillerSpare = 512, 16
	// scrubPatience is how long readers are waited for, which keep pages from being
	// taken: a copy of the database for a backup may take minutes.
	scrubPatience = 20 * time.Second
)

// ErrRead says that free pages were not overwritten because something still reads
// an earlier state of the database, as a backup does.
var ErrRead = errors.New("the database is being read")

// Scrub overwrites what the file holds beside what is stored. It writes as much as
// is free, and makes the file hardly longer. It fails with [ErrRead] when a reader
// does not end in time, and then has overwritten nothing.
func (s *Store) Scrub(ctx context.Context) error {
	const doing = "overwrite what is not used of the database"
	// Readers that begin behind this transaction keep no page of an earlier one.
	if err := s.update(ctx, doing, touchFiller); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, scrubPatience)
	defer cancel()
	if err := s.readers.wait(wait); err != nil {
		return fmt.Errorf("%s: %w", doing, errors.Join(ErrRead, ctx.Err(), s.update(context.WithoutCancel(ctx), doing, dropFiller)))
	}
	err := s.fillFree(ctx, doing)
	return errors.Join(err, s.update(context.WithoutCancel(ctx), doing, dropFiller))
}

// fillFree takes free pages until there are none but those that it frees itself.
func (s *Store) fillFree(ctx context.Context, doing string) error {
	free, err := s.freePages(ctx, doing)
	for err == nil {
		pages := min(free+fillerSpare, fillerPages)
		if err := store.CheckRoomFor(filepath.Dir(s.path), int64(pages)*int64(s.db.Info().PageSize)); err != nil {
			return err
		}
		if err := s.update(ctx, doing, func(tx *txn) error { return fillPages(tx, pages) }); err != nil {
			return err
		}
		before := free
		if free, err = s.freePages(ctx, doing); free >= before {
			return err
		}
	}
	return err
}

// freePages counts the pages that are not used.
func (s *Store) freePages(ctx context.Context, doing string) (n int, err error) {
	err = s.view(ctx, doing, func(tx *txn) error {
		n = 0
		for id := 2; ; id++ {
			page, err := tx.Page(id)
			if err != nil || page == nil {
				return err
			}
			if page.Type == "free" {
				n++
				continue
			}
			id += page.OverflowCount
		}
	})
	return n, err
}

func filler(tx *txn) (*tree, error) {
	b, err := tx.CreateBucketIfNotExists([]byte(bucketFiller))
	if err != nil {
		return nil, err
	}
	b.FillPercent = 1
	return newTree(tx, b, bucketFiller+"\x00"), nil
}

func touchFiller(tx *txn) error {
	t, err := filler(tx)
	if err != nil {
		return err
	}
	return t.Put([]byte{0}, nil)
}

func fillPages(tx *txn, pages int) error {
	t, err := filler(tx)
	if err != nil {
		return err
	}
	next := uint64(1)
	if last, _ := t.raw.Cursor().Last(); len(last) == 8 {
		next = binary.BigEndian.Uint64(last) + 1
	}
	empty := make([]byte, fillerBytes)
	for i := range uint64(pages * fillerEntries) {
		if err := t.Put(binary.BigEndian.AppendUint64(nil, next+i), empty); err != nil {
			return err
		}
	}
	return nil
}

// dropFiller gives the pages back.
func dropFiller(tx *txn) error {
	raw := tx.Bucket([]byte(bucketFiller))
	if raw == nil {
		return errUnchanged
	}
	t := newTree(tx, raw, bucketFiller+"\x00")
	err := raw.ForEach(func(key, stored []byte) error {
		t.open(key, stored)
		tx.change -= t.share(key, stored)
		return nil
	})
	return errors.Join(err, tx.DeleteBucket([]byte(bucketFiller)))
}

// readers are the read transactions that are open, by when they began.
type readers struct {
	mu sync.Mutex
	// age counts the calls of wait; open are the transactions by the age in which
	// they began.
	age  uint64
	open map[uint64]int
	// ended is closed when one ends, if somebody waits.
	ended chan struct{}
}

func (r *readers) begin() (age uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[uint64]int{}
	}
	r.open[r.age]++
	return r.age
}

func (r *readers) end(age uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[age]--; r.open[age] == 0 {
		delete(r.open, age)
	}
	if r.ended != nil {
		close(r.ended)
		r.ended = nil
	}
}

// wait returns when every transaction that is open now has ended.
func (r *readers) wait(ctx context.Context) error {
	r.mu.Lock()
	age := r.age
	r.age++
	for {
		earlier := false
		for began := range r.open {
			earlier = earlier || began <= age
		}
		if !earlier {
			r.mu.Unlock()
			return nil
		}
		if r.ended == nil {
			r.ended = make(chan struct{})
		}
		ended := r.ended
		r.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.mu.Lock()
	}
}
