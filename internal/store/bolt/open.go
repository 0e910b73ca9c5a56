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

// Open opens the database in a state directory and makes both where they are
// absent. It fails at once with a [*store.LockedError] while another process
// uses the directory, with [store.ErrSchema] for a database of a later
// program, with [store.ErrSealed] when keys are not those of the database, and
// with [store.ErrDamaged] when the file is cut or no database.
func Open(ctx context.Context, dir string, keys *store.Keyring) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	lock, err := store.LockDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(filepath.Join(dir, fileName), keys)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	s.lock = lock
	return s, nil
}

func openLocked(path string, keys *store.Keyring) (*Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path, keys); err != nil {
			return nil, fmt.Errorf("create the database %s: %w", path, err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s := &Store{}
	var err error
	if s.sealer, err = keys.Sealer("quarantine"); err != nil {
		return nil, err
	}
	if s.idKey, err = keys.Derive("quarantine ids"); err != nil {
		return nil, err
	}
	if s.clientKey, err = keys.Derive("session clients"); err != nil {
		return nil, err
	}
	if s.notes, err = newNotes(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if s.db, err = openFile(path, false); err != nil {
		return nil, err
	}
	err = s.begin(path, keys.ID())
	if err == nil {
		err = s.foldNotes()
	}
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
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
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { return fill(tx, keys.ID()) }), db.Close()); err != nil {
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

func fill(tx *bbolt.Tx, key store.KeyID) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	var install [16]byte
	if _, err := rand.Read(install[:]); err != nil {
		return err
	}
	meta := bucket(tx, bucketMeta)
	return errors.Join(
		meta.Put([]byte(metaSchema), []byte(strconv.Itoa(schemaVersion))),
		meta.Put([]byte(metaInstall), []byte(hex.EncodeToString(install[:]))),
		meta.Put([]byte(metaKey), key[:]),
		meta.Put([]byte(metaClean), []byte(cleanYes)),
	)
}

// begin checks what the database says of itself and marks it as in use.
func (s *Store) begin(path string, key store.KeyID) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		if meta == nil {
			return fmt.Errorf("open %s: %w: it was not made by rosterd: move it away", path, store.ErrDamaged)
		}
		if err := checkSchema(path, string(meta.Get([]byte(metaSchema)))); err != nil {
			return err
		}
		if found := meta.Get([]byte(metaKey)); string(found) != string(key[:]) {
			return fmt.Errorf("open %s: %w: it was made with master key %x, the configured one is %s: put the former key back",
				path, store.ErrSealed, found, key)
		}
		for _, name := range buckets() {
			if tx.Bucket([]byte(name)) == nil {
				return fmt.Errorf("open %s: %w: it has no bucket %s: restore a backup", path, store.ErrDamaged, name)
			}
		}
		s.install = string(meta.Get([]byte(metaInstall)))
		s.clean = string(meta.Get([]byte(metaClean))) == cleanYes
		return meta.Put([]byte(metaClean), []byte(cleanNo))
	})
}

func checkSchema(path, found string) error {
	version, err := strconv.Atoi(found)
	switch {
	case err != nil || version < 1:
		return fmt.Errorf("open %s: %w: its schema is %q: restore a backup", path, store.ErrDamaged, found)
	case version > schemaVersion:
		return fmt.Errorf("open %s: %w: it has schema %d and this rosterd knows %d: install the rosterd that wrote it or a later one",
			path, store.ErrSchema, version, schemaVersion)
	}
	return nil
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
			db, err = nil, fmt.Errorf("open %s: %w: restore a backup", path, store.ErrDamaged)
		}
	}()
	// bbolt would make a database of an empty file.
	if info, err := os.Stat(path); err == nil && info.Size() < leastBytes {
		return nil, fmt.Errorf("open %s: %w: it has only %d bytes: restore a backup", path, store.ErrDamaged, info.Size())
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
		return nil, fmt.Errorf("open %s: %w: restore a backup: %w", path, store.ErrDamaged, err)
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
			return fmt.Errorf("open %s: %w: it has %d bytes and should have %d: restore a backup",
				path, store.ErrDamaged, info.Size(), tx.Size())
		}
		return nil
	})
}

// Verify reads a whole database file and returns [store.ErrDamaged] when its
// structure is broken. A page that is damaged in a way bbolt does not expect
// can end the process: verify a doubtful file in a process of its own. It does
// not look into sealed values; those prove themselves when they are opened.
func Verify(path string) error {
	db, err := openFile(path, true)
	if err != nil {
		return err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		var first error
		for fault := range tx.Check() {
			if first == nil {
				first = fmt.Errorf("verify %s: %w: %w", path, store.ErrDamaged, fault)
			}
		}
		return first
	})
	return errors.Join(err, db.Close())
}
