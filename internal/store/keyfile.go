package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keyFile is the name of the master key's file in the state directory.
const keyFile = "master.key"

// databaseFile is what package bolt calls its file in the state directory.
const databaseFile = "rosterd.db"

// LoadKeyring reads the master key from master.key in the state directory and
// makes it, readable by its owner only, when it is absent. Two processes that
// start at once end up with the same key. Beside a database an absent key is
// [ErrSealed]: another key would open nothing. A change of the key that was
// interrupted is finished before.
func LoadKeyring(dir string) (*Keyring, error) {
	if err := SettleRotation(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, keyFile)
	master, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, found := os.Stat(filepath.Join(dir, databaseFile)); found != nil {
			if err := makeKey(dir, path); err != nil {
				return nil, Explain(fmt.Errorf("make the master key %s: %w", path, err))
			}
		}
		// Another process may have made both in the meantime.
		if master, err = readKey(path); errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is missing, and %s was made with it: %w", path, databaseFile, ErrSealed)
		}
	}
	if err != nil {
		return nil, Explain(fmt.Errorf("read the master key: %w", err))
	}
	k, err := NewKeyring(master)
	if err != nil {
		return nil, explainAs(fmt.Errorf("read the master key %s: %w", path, err), CodeKey,
			"put the file back from a backup; only if there is no rosterd.db beside it, remove it to have one made")
	}
	return k, nil
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("%s may be used by others than its owner (mode %04o): run chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	return os.ReadFile(path)
}

// makeKey links the finished file into place, because a rename would replace a
// key that another process made in the meantime.
func makeKey(dir, path string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, keyFile+".*.tmp")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(NewMasterKey())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes the names in a directory durable: without it a power cut can
// undo a rename.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
