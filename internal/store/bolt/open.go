package bolt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/store"
)

// fileName is the database's file in the state directory.
const fileName = "rosterd.db"

// lockWait is how long to wait for bbolt's own lock, which only a tool that
// opened the file without the directory's lock can hold.
const lockWait = time.Second

// leastBytes is the size of the two pages that begin every database, at the
// smallest size of a page.
const leastBytes = 2 * 4096

// Option changes how a store is opened.
type Option func(*Store)

// WithClock says where the store takes the time from at which links change. It
// takes the system's clock without it.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// Open opens the database in a state directory and makes both where they are
// absent. It fails at once with a [*store.LockedError] while another process
// uses the directory, with [store.ErrSchema] for a database of a later
// program, with [store.ErrSealed] when keys are not those of the database, and
// with [store.ErrDamaged] when the file is cut or no database.
func Open(ctx context.Context, dir string, keys *store.Keyring, options ...Option) (*Store, error) {
	return OpenVerified(ctx, dir, keys, func(context.Context, string) error { return nil }, options...)
}

// OpenVerified is [Open], and calls verify with the path of a file that is
// there before it opens it. An error of verify is returned as it is. [Verify],
// run in a process of its own, is meant for it: without that a damaged page may
// end the process, keep it busy for ever, or hide entries. It reads some 500 MB
// a second.
func OpenVerified(
	ctx context.Context, dir string, keys *store.Keyring, verify func(ctx context.Context, path string) error,
	options ...Option,
) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, store.Explain(fmt.Errorf("make the state directory: %w", err))
	}
	lock, err := store.LockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{path: filepath.Join(dir, fileName), lock: lock, breaks: make(chan struct{})}
	s.now = time.Now //nolint:forbidigo // The default of a clock that can be passed in.
	for _, set := range options {
		set(s)
	}
	if err := store.FinishRotation(dir); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	if err := s.openLocked(ctx, keys, verify); err != nil {
		return nil, store.Explain(errors.Join(err, lock.Unlock()))
	}
	return s, nil
}

func (s *Store) openLocked(ctx context.Context, keys *store.Keyring, verify func(context.Context, string) error) error {
	found, err := s.find(ctx, keys, verify)
	if err != nil {
		return err
	}
	s.clean = found.marked || found.made
	if s.notes, err = newNotes(filepath.Dir(s.path)); err != nil {
		return err
	}
	if s.db, err = openFile(s.path, false); err != nil {
		return err
	}
	if s.file, err = os.Stat(s.path); err == nil {
		err = s.guard(func() error { return s.begin(keys, found) })
	}
	if err == nil {
		err = s.derive(keys)
	}
	if err == nil {
		err = removeMark(s.path)
	}
	if err == nil {
		err = s.beginLife(ctx, keys)
	}
	if err == nil {
		err = s.guard(s.foldNotes)
	}
	if err == nil {
		err = s.takeTombstones(ctx)
	}
	if err != nil && !s.broken.Load() {
		err = errors.Join(err, s.db.Close())
	}
	return err
}

// derive derives the keys: those that seal from the master key, the others from
// the names.
func (s *Store) derive(keys *store.Keyring) error {
	for purpose, into := range map[string]**store.Sealer{
		sealQuarantine: &s.sealer, sealIntents: &s.intentSealer, sealInbound: &s.inboundSealer,
	} {
		var err error
		if *into, err = keys.Sealer(purpose); err != nil {
			return err
		}
	}
	var digests []byte
	for purpose, into := range map[string]*[]byte{
		"quarantine ids": &s.idKey, "session clients": &s.clientKey, "markers": &s.markerKey, "parked ids": &s.parkedKey,
		"inbound ids": &s.inboundKey, "tombstones": &s.tombKey, "digests": &digests,
	} {
		var err error
		if *into, err = s.names.Derive(purpose); err != nil {
			return err
		}
	}
	copy(s.digestKey[:], digests)
	return nil
}

// The purposes of the keys that seal.
const (
	sealQuarantine = "quarantine"
	sealIntents    = "intents"
	sealInbound    = "inbound"
)

// Names derives the keys under which records are named.
func (s *Store) Names() *store.Names { return s.names }

// finding is what is known of the file before it is opened.
type finding struct {
	// made says that there was none.
	made bool
	// marked says that it is as it was left, with this checksum.
	marked bool
	sum    uint64
}

// find makes the database where there is none, and verifies one that is there.
func (s *Store) find(ctx context.Context, keys *store.Keyring, verify func(context.Context, string) error) (finding, error) {
	_, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(s.path, keys); err != nil {
			return finding{}, fmt.Errorf("create the database %s: %w", s.path, err)
		}
		return finding{made: true}, nil
	}
	if err != nil {
		return finding{}, fmt.Errorf("open the database: %w", err)
	}
	sum, ok := readMark(s.path)
	return finding{marked: ok, sum: sum}, verify(ctx, s.path)
}

// create makes the database under another name and renames it when it is whole
// and on disk, so that a crash leaves none or a good one.
func create(path string, keys *store.Keyring) error {
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openFile(temp, false)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(updating(func(tx *txn) error { return fill(tx, keys) })), db.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := Verify(temp); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return store.SyncDir(filepath.Dir(path))
}

func fill(tx *txn, keys *store.Keyring) error {
	for _, name := range buckets(schemaVersion) {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	var install [16]byte
	if _, err := rand.Read(install[:]); err != nil {
		return err
	}
	names, err := keys.Names()
	if err != nil {
		return err
	}
	meta := bucket(tx, bucketMeta)
	return errors.Join(
		meta.Put([]byte(metaSchema), []byte(strconv.Itoa(schemaVersion))),
		meta.Put([]byte(metaInstall), []byte(hex.EncodeToString(install[:]))),
		putKeys(tx, keys, names),
	)
}

// putKeys notes which master key a database is sealed with, and seals its names.
func putKeys(tx *txn, keys *store.Keyring, names *store.Names) error {
	sealed, err := keys.SealNames(names)
	if err != nil {
		return err
	}
	id, meta := keys.ID(), bucket(tx, bucketMeta)
	return errors.Join(meta.Put([]byte(metaKey), id[:]), meta.Put([]byte(metaNames), sealed))
}

// openNames returns the names of a database. One of a schema before 4 has never
// had another master key.
func openNames(tx *txn, keys *store.Keyring, schema int) (*store.Names, error) {
	if schema < schemaNames {
		return keys.Names()
	}
	return keys.OpenNames(bucket(tx, bucketMeta).Get([]byte(metaNames)))
}

// begin checks what the database says of itself. It writes nothing, so that a
// full disk does not keep the daemon from starting.
func (s *Store) begin(keys *store.Keyring, found finding) error {
	return s.db.View(viewing(func(tx *txn) error {
		if tx.Bucket([]byte(bucketMeta)) == nil {
			return fmt.Errorf("open %s: %w: it was not made by rosterd", s.path, store.ErrDamaged)
		}
		schema, err := checkSchema(s.path, schemaOf(tx))
		if err != nil {
			return err
		}
		meta, key := bucket(tx, bucketMeta), keys.ID()
		if found := meta.Get([]byte(metaKey)); string(found) != string(key[:]) {
			return fmt.Errorf("open %s: it is sealed with master key %x, and the configured one is %s: %w",
				s.path, found, key, store.ErrSealed)
		}
		if s.names, err = openNames(tx, keys, schema); err != nil {
			return fmt.Errorf("open %s: %w", s.path, err)
		}
		for _, name := range buckets(schema) {
			if tx.Bucket([]byte(name)) == nil {
				return fmt.Errorf("open %s: %w: it has no bucket %s", s.path, store.ErrDamaged, name)
			}
		}
		sum, ok := tx.sum()
		if !ok || found.marked && sum != found.sum {
			return fmt.Errorf("open %s: %w: it is not what the last process left", s.path, store.ErrDamaged)
		}
		s.install = string(meta.Get([]byte(metaInstall)))
		s.epoch, err = nextEpoch(meta)
		return err
	}))
}

// schemaOf reads the schema version as every program version stores it: in
// front of whatever follows the digits.
func schemaOf(tx *txn) string {
	stored := tx.Bucket([]byte(bucketMeta)).Get([]byte(metaSchema))
	if len(stored) < sealBytes {
		return ""
	}
	return string(stored[:len(stored)-sealBytes])
}

func checkSchema(path, found string) (int, error) {
	version, err := strconv.Atoi(found)
	switch {
	case err != nil || version < 1:
		return 0, fmt.Errorf("open %s: %w: its schema is %q", path, store.ErrDamaged, found)
	case version > schemaVersion:
		return 0, fmt.Errorf("open %s: %w: it has schema %d and this rosterd knows %d: install the rosterd that wrote it or a later one",
			path, store.ErrSchema, version, schemaVersion)
	}
	return version, nil
}

// openFile opens a bbolt file. Reading past the end of a file that was cut is
// a memory fault, which would end the process: it becomes an error here.
func openFile(path string, readOnly bool) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var file *os.File
	defer func() {
		if fault := recover(); fault != nil {
			// The file stays mapped, so that closing it does not release bbolt's
			// lock.
			_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
			_ = file.Close()
			db, err = nil, fmt.Errorf("open %s: %w", path, store.ErrDamaged)
		}
	}()
	// bbolt would make a database of an empty file.
	if info, err := os.Stat(path); err == nil && info.Size() < leastBytes {
		return nil, fmt.Errorf("open %s: %w: it has only %d bytes", path, store.ErrDamaged, info.Size())
	}
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, FreelistType: bbolt.FreelistMapType, NoStatistics: true, ReadOnly: readOnly,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w: another process has the file open: end it first", path, store.ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("open %s: %w: %w", path, store.ErrDamaged, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := checkLength(db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func checkLength(db *bbolt.DB, path string) error {
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("open %s: %w: it has %d bytes and should have %d",
				path, store.ErrDamaged, info.Size(), tx.Size())
		}
		return nil
	})
}
