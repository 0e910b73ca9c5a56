package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/store"
)

// Store is the daemon's memory in one bbolt file.
type Store struct {
	db     *bbolt.DB
	lock   *store.DirLock
	sealer *store.Sealer
	notes  *notes
	// idKey names quarantined records, clientKey the clients of sessions.
	idKey, clientKey []byte
	install          string
	clean            bool
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
	metaSchema                   = "schema"
	metaInstall                  = "install"
	metaKey                      = "key"
	metaClean                    = "clean"
	cleanYes, cleanNo            = "1", "0"
	schemaVersion            int = 1
)

func buckets() []string {
	return []string{
		bucketMeta, bucketRuns, bucketRunsByTime, bucketRunsByJob, bucketRunsOpen, bucketCursors, bucketQuarantine,
		bucketPayload, bucketSessions, bucketSessionsByTime, bucketSessionsByRun, bucketSessionsByBusiness,
		bucketSessionsOpen, bucketSessionsAwaiting, bucketSessionClients, bucketSessionOutcomes, bucketSchedule,
	}
}

// InstallID identifies this installation: made once, with the database.
func (s *Store) InstallID() string { return s.install }

// CleanShutdown reports whether the process that used the database before
// closed it, or the database was just made.
func (s *Store) CleanShutdown() bool { return s.clean }

// Close notes that the shutdown was clean, waits for transactions, closes the
// database and releases the state directory.
func (s *Store) Close() error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return bucket(tx, bucketMeta).Put([]byte(metaClean), []byte(cleanYes))
	})
	if err := errors.Join(err, s.notes.close(), s.db.Close(), s.lock.Unlock()); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// errUnchanged ends a write transaction that has nothing to write, which saves
// its two fsyncs.
var errUnchanged = errors.New("nothing changed")

func (s *Store) view(ctx context.Context, doing string, read func(*bbolt.Tx) error) error {
	err := ctx.Err()
	if err == nil {
		err = s.db.View(read)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func (s *Store) update(ctx context.Context, doing string, write func(*bbolt.Tx) error) error {
	err := ctx.Err()
	if err == nil {
		err = s.db.Update(write)
	}
	if err != nil && !errors.Is(err, errUnchanged) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// bucket returns a top-level bucket. Open has made sure that there is one.
func bucket(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }

// nested returns the bucket name within a top-level bucket, which is made where
// it is absent.
func nested(tx *bbolt.Tx, top, name string) (*bbolt.Bucket, error) {
	return bucket(tx, top).CreateBucketIfNotExists([]byte(name))
}

// peek returns the bucket name within a top-level bucket, nil where it is absent.
func peek(tx *bbolt.Tx, top, name string) *bbolt.Bucket {
	return bucket(tx, top).Bucket([]byte(name))
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
func newestFirst(index *bbolt.Bucket, visit func(id []byte) (more bool, err error)) error {
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
func load[T any](b *bbolt.Bucket, key []byte, into *T) error {
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
func save[T any](b *bbolt.Bucket, key []byte, v T) (changed bool, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	if bytes.Equal(raw, b.Get(key)) {
		return false, nil
	}
	return true, b.Put(key, raw)
}
