package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Another master key seals everything anew, into files of a folder beside the
// state. As long as that folder has its first name nothing has happened: a crash
// leaves the state as it was, and the folder is removed. Renamed, it holds the
// state: whoever uses the directory next moves its files into their places,
// however often a crash interrupts that, and needs no key for it.
const (
	rotationDraft = "rotation.tmp"
	rotationReady = "rotation"
)

// Rotation is the state of a directory on its way to another master key. Its
// caller holds the lock of the directory.
type Rotation struct {
	dir  string
	step func(done string)
}

// BeginRotation makes the folder into which the state is written. Step is told of
// each step that is done.
func BeginRotation(dir string, step func(done string)) (*Rotation, error) {
	r := &Rotation{dir: dir, step: step}
	if err := r.Abort(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(r.Dir(), changeSetsDir), 0o700); err != nil {
		return nil, Explain(fmt.Errorf("make room for another master key: %w", err))
	}
	return r, nil
}

// Dir is the folder, laid out as a state directory.
func (r *Rotation) Dir() string { return filepath.Join(r.dir, rotationDraft) }

// Abort removes the folder. It does nothing after Commit.
func (r *Rotation) Abort() error {
	if err := os.RemoveAll(r.Dir()); err != nil {
		return Explain(fmt.Errorf("remove an unfinished change of the master key: %w", err))
	}
	return nil
}

// PutKey has the new key take the place of master.key, where the old one is kept
// under its id: backups that were made with it need it.
func (r *Rotation) PutKey(master []byte, old KeyID) error {
	before, err := readKey(filepath.Join(r.dir, keyFile))
	if err == nil {
		err = writeKey(filepath.Join(r.Dir(), OldKeyFile(old)), before)
	}
	if err == nil {
		err = writeKey(filepath.Join(r.Dir(), keyFile), master)
	}
	if err != nil {
		return Explain(fmt.Errorf("keep the master key: %w", err))
	}
	return nil
}

// OldKeyFile is the name of an earlier master key in the state directory.
func OldKeyFile(id KeyID) string { return keyFile + "." + id.String() }

// ReadKeyFile reads a master key from a file that its owner alone may use.
func ReadKeyFile(path string) (*Keyring, []byte, error) {
	master, err := readKey(path)
	if err != nil {
		return nil, nil, Explain(fmt.Errorf("read the master key: %w", err))
	}
	k, err := NewKeyring(master)
	if err != nil {
		return nil, nil, explainAs(fmt.Errorf("read the master key %s: %w", path, err), CodeKey,
			"name a file with 64 hex digits, as `openssl rand -hex 32` prints them")
	}
	return k, master, nil
}

// NewMasterKey makes a master key, as it is kept in a file.
func NewMasterKey() []byte {
	var master [MasterKeyBytes]byte
	rand.Read(master[:]) // it never fails
	return append(hex.AppendEncode(nil, master[:]), '\n')
}

func writeKey(path string, master []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(master)
	return errors.Join(err, f.Sync(), f.Close())
}

// Commit makes the folder the state, and moves its files into their places.
func (r *Rotation) Commit() error {
	entries, err := os.ReadDir(r.Dir())
	for _, entry := range entries {
		if entry.IsDir() {
			err = errors.Join(err, SyncDir(filepath.Join(r.Dir(), entry.Name())))
		}
	}
	if err := errors.Join(err, SyncDir(r.Dir())); err != nil {
		return Explain(fmt.Errorf("change the master key: %w", err))
	}
	if err := os.Rename(r.Dir(), filepath.Join(r.dir, rotationReady)); err != nil {
		return Explain(fmt.Errorf("change the master key: %w", err))
	}
	if err := SyncDir(r.dir); err != nil {
		return Explain(fmt.Errorf("change the master key: %w", err))
	}
	r.step("committed")
	return explainRotation(finishRotation(r.dir, r.step))
}

// SettleRotation is [FinishRotation] for a caller that does not hold the lock.
func SettleRotation(dir string) error {
	if !RotationPending(dir) {
		return nil
	}
	lock, err := LockDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(FinishRotation(dir), lock.Unlock())
}

// RotationPending reports whether a change of the master key was interrupted after
// its commit.
func RotationPending(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, rotationReady))
	return err == nil
}

// FinishRotation moves what an interrupted change of the master key has left into
// its place, the new key last, and removes what one has left that was not
// committed. The caller holds the lock of the directory.
func FinishRotation(dir string) error {
	return explainRotation(finishRotation(dir, func(string) {}))
}

func explainRotation(err error) error {
	if err != nil {
		return Explain(fmt.Errorf("finish the change of the master key: %w", err))
	}
	return nil
}

func finishRotation(dir string, step func(done string)) error {
	if err := os.RemoveAll(filepath.Join(dir, rotationDraft)); err != nil {
		return err
	}
	ready := filepath.Join(dir, rotationReady)
	entries, err := os.ReadDir(ready)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := moveAll(filepath.Join(ready, entry.Name()), filepath.Join(dir, entry.Name()), step); err != nil {
			return err
		}
	}
	// Behind the folders comes the database, then the old key under its id, and then
	// the new one in its place: they sort the other way round.
	for _, entry := range slices.Backward(entries) {
		if entry.IsDir() {
			continue
		}
		name := entry.Name()
		if name == databaseFile {
			if err := os.Remove(filepath.Join(dir, markFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.Rename(filepath.Join(ready, name), filepath.Join(dir, name)); err != nil {
			return err
		}
		step("moved " + name)
	}
	if err := SyncDir(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(ready); err != nil {
		return err
	}
	return SyncDir(dir)
}

// markFile is what package bolt notes beside its database, which tells of the
// earlier file.
const markFile = "rosterd.clean"

// moveAll moves the files of one folder into another.
func moveAll(from, to string, step func(done string)) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
		step("moved " + e.Name())
	}
	return SyncDir(to)
}
