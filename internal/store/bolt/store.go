package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/store"
)

// Store is the daemon's memory in one bbolt file.
type Store struct {
	path  string
	file  os.FileInfo
	db    *bbolt.DB
	lock  *store.DirLock
	notes *notes
	now   func() time.Time
	// sealer seals what is in quarantine, intentSealer what is known of creates,
	// inboundSealer what was pushed.
	sealer, intentSealer, inboundSealer *store.Sealer
	// idKey names quarantined records, clientKey the clients of sessions,
	// markerKey what is created, parkedKey the creates that are parked, inboundKey
	// the records that were pushed, and tombKey those that were erased.
	idKey, clientKey, markerKey, parkedKey, inboundKey, tombKey []byte
	names                                                       *store.Names
	// markers are namers with the markerKey.
	markers sync.Pool

	digestKey digest.Key
	install   string
	clean     bool
	// copying is held while the tombstones are copied; retaken are the accounts of
	// those that were taken from the copy.
	copying sync.Mutex
	retaken []string
	// unmarked says that the file is to be replaced, so that no mark tells of it.
	unmarked bool
	// epoch is the life of the daemon. It counts as begun when a transaction of it
	// is on disk, which raised says.
	epoch  uint64
	raised bool

	// writing is held by the one write transaction. bbolt has a lock for that
	// too, but does not release it when it panics in the wrong place; whoever
	// waits here finds the store broken instead.
	writing sync.Mutex
	// readers are the read transactions under way.
	readers readers
	// beginning is held while a transaction begins, see [Store.begun].
	beginning sync.Mutex
	// doubted says that something damaged was read, broken that bbolt met it in
	// its own pages. A broken database is not touched again.
	doubted, broken atomic.Bool
	// breaks is closed when the database breaks.
	breaks chan struct{}
}

// The top-level buckets; the package comment says what they hold.
const (
	bucketMeta                   = "meta"
	bucketRuns                   = "runs"
	bucketRunsByTime             = "runs_by_time"
	bucketRunsByJob              = "runs_by_job"
	bucketRunsOpen               = "runs_open"
	bucketCursors                = "cursors"
	bucketQuarantine             = "quarantine"
	bucketPayload                = "quarantine_payload"
	bucketSessions               = "sessions"
	bucketSessionsByTime         = "sessions_by_time"
	bucketSessionsByRun          = "sessions_by_run"
	bucketSessionsByBusiness     = "sessions_by_business"
	bucketSessionsOpen           = "sessions_open"
	bucketSessionClients         = "session_clients"
	bucketSessionsAwaiting       = "sessions_awaiting"
	bucketSessionOutcomes        = "session_outcomes"
	bucketSchedule               = "schedule"
	bucketLinks                  = "links"
	bucketLinksBack              = "links_back"
	bucketLinkShapes             = "link_shapes"
	bucketLinksOpen              = "links_open"
	bucketLinkCounts             = "link_counts"
	bucketLinkHistory            = "link_history"
	bucketIntents                = "intents"
	bucketIntentsByRun           = "intents_by_run"
	bucketParked                 = "parked"
	bucketParkedPayload          = "parked_payload"
	bucketInbound                = "inbound"
	bucketInboundLatest          = "inbound_latest"
	bucketAlerts                 = "alerts"
	bucketTombstones             = "tombstones"
	metaSchema                   = "schema"
	metaInstall                  = "install"
	metaKey                      = "key"
	metaSum                      = "sum"
	metaEpoch                    = "epoch"
	metaNames                    = "names"
	schemaVersion            int = 4
	// schemaNames is the first one that keeps its names.
	schemaNames = 4
)

// buckets returns the top-level buckets of a schema.
func buckets(schema int) []string {
	names := []string{
		bucketMeta, bucketRuns, bucketRunsByTime, bucketRunsByJob, bucketRunsOpen, bucketCursors, bucketQuarantine,
		bucketPayload, bucketSessions, bucketSessionsByTime, bucketSessionsByRun, bucketSessionsByBusiness,
		bucketSessionsOpen, bucketSessionsAwaiting, bucketSessionClients, bucketSessionOutcomes, bucketSchedule,
	}
	if schema >= 2 {
		names = append(names, bucketLinks, bucketLinksBack, bucketLinkShapes, bucketLinkCounts, bucketLinkHistory,
			bucketIntents, bucketIntentsByRun, bucketParked, bucketParkedPayload)
	}
	if schema >= 3 {
		names = append(names, bucketLinksOpen, bucketAlerts, bucketInbound, bucketInboundLatest)
	}
	if schema >= schemaNames {
		names = append(names, bucketTombstones)
	}
	return names
}

// InstallID identifies this installation: made once, with the database.
func (s *Store) InstallID() string { return s.install }

// CleanShutdown reports whether the database was as the process before left it
// when that closed it, or was just made.
func (s *Store) CleanShutdown() bool { return s.clean }

// Close waits for transactions, closes the database, notes that the shutdown
// was clean unless something damaged was read, and releases the state
// directory. A database that broke stays open until the process ends, because
// bbolt's locks may be held for good.
func (s *Store) Close() error {
	if s.broken.Load() {
		return store.Explain(errors.Join(fmt.Errorf("close the database: %w", s.brokenError()), s.lock.Unlock()))
	}
	sum, err := s.checkSum()
	err = errors.Join(err, s.notes.close(), s.db.Close())
	if err == nil && !s.doubted.Load() && !s.unmarked && s.inPlace() == nil {
		// On a full disk there is no mark, and the next start does not find out
		// whether the last transactions were undone.
		_ = writeMark(s.path, sum)
	}
	if err := errors.Join(err, s.lock.Unlock()); err != nil {
		return store.Explain(fmt.Errorf("close the database: %w", err))
	}
	return nil
}

func (s *Store) checkSum() (sum uint64, err error) {
	err = s.guard(func() error {
		return s.db.View(viewing(func(tx *txn) error {
			sum, _ = tx.sum()
			return nil
		}))
	})
	return sum, err
}

// errUnchanged ends a write transaction that has nothing to write, which saves
// its two fsyncs.
var errUnchanged = errors.New("nothing changed")

func (s *Store) view(ctx context.Context, doing string, read func(*txn) error) error {
	err := ctx.Err()
	if err == nil {
		err = s.guard(func() error { return s.transact(false, viewing(read)) })
	}
	if err != nil {
		return store.Explain(fmt.Errorf("%s: %w", doing, err))
	}
	return nil
}

func (s *Store) update(ctx context.Context, doing string, write func(*txn) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := ctx.Err()
	if err == nil {
		err = s.inPlace()
	}
	if err == nil {
		err = s.guard(func() error { return s.transact(true, updating(s.inEpoch(write))) })
	}
	s.raised = s.raised || err == nil
	if err != nil && !errors.Is(err, errUnchanged) {
		return store.Explain(fmt.Errorf("%s: %w", doing, err))
	}
	return nil
}

// inPlace refuses to write into a file that was moved away or replaced: the
// next start would not find it.
func (s *Store) inPlace() error {
	info, err := os.Stat(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(info, s.file) {
		return fmt.Errorf("%w: %s is not the file that was opened: put that back, or stop rosterd first", store.ErrMoved, s.path)
	}
	return nil
}

// timeBytes is the length of a time in a key.
const timeBytes = 12

// timeKey returns a key that sorts by time and then by id.
func timeKey(t time.Time, id string) []byte {
	key := make([]byte, 0, timeBytes+len(id))
	key = binary.BigEndian.AppendUint64(key, uint64(t.Unix())^1<<63)
	key = binary.BigEndian.AppendUint32(key, uint32(t.Nanosecond()))
	return append(key, id...)
}

// newestFirst calls visit with the ids in an index made of time keys until
// visit says that it has enough.
func newestFirst(index *tree, visit func(id []byte) (more bool, err error)) error {
	if index == nil {
		return nil
	}
	c := index.Cursor()
	for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
		more, err := visit(k[timeBytes:])
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// load decodes the value under key, or returns [store.ErrNotFound].
func load[T any](b *tree, key []byte, into *T) error {
	raw := b.Get(key)
	if raw == nil {
		return store.ErrNotFound
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: decode %s: %w", store.ErrDamaged, key, err)
	}
	return nil
}

// save encodes v under key. It reports whether that changed anything.
func save[T any](b *tree, key []byte, v T) (changed bool, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	if bytes.Equal(raw, b.Get(key)) {
		return false, nil
	}
	return true, b.Put(key, raw)
}
