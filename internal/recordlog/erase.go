package recordlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// Erase removes the lines of an account's jobs for which gone is true, as those of
// one person, and returns how many there were. A file that has any is written anew,
// to the disk, in place of the old one. What cannot be opened, as under another
// master key, is left as it is.
func (l *Log) Erase(account string, gone func(job string, e *roster.LogEntry) bool) (int, error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	l.mu.Lock()
	err := l.end() // what comes next goes into another file
	l.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("erase lines of the record log: %w", err)
	}
	files, err := list(l.dir)
	if err != nil {
		return 0, err
	}
	erased := 0
	for _, f := range files {
		n, err := l.eraseFrom(f.name, account, gone)
		if err != nil {
			return erased, fmt.Errorf("erase lines of the record log: %w", err)
		}
		erased += n
	}
	return erased, nil
}

// eraseFrom erases lines of one file, to which nothing is appended any more.
func (l *Log) eraseFrom(name, account string, gone func(string, *roster.LogEntry) bool) (int, error) {
	l.mu.Lock()
	current := l.file != nil && l.name == name
	l.mu.Unlock()
	if current {
		return 0, nil // it was begun behind the erasing
	}
	erased := 0
	err := rewrite(l.dir, l.dir, name, l.sealer, func(b *block) ([]byte, bool) {
		kept, n := l.without(b, name, account, gone)
		erased += n
		return kept, n > 0
	})
	return erased, err
}

// Reseal seals the log of a state directory, of which the caller holds the lock, with
// another master key, and returns how many blocks that were. The files with any are
// written for the state directory into, which may be the same one. What the old key
// does not open is left as it is, so that it can be called again after a crash.
func Reseal(stateDir, into string, from, to *store.Keyring) (int, error) {
	old, err := from.Sealer(sealPurpose)
	if err != nil {
		return 0, err
	}
	next, err := to.Sealer(sealPurpose)
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(stateDir, Dir)
	files, err := list(dir)
	if err != nil {
		return 0, err
	}
	sealed, dest := 0, filepath.Join(into, Dir)
	if err := os.MkdirAll(dest, 0o700); err != nil {
		return 0, fmt.Errorf("seal the record log anew: %w", err)
	}
	for _, f := range files {
		err := rewrite(dir, dest, f.name, next, func(b *block) ([]byte, bool) {
			plain, err := old.Open(b.body, placeOf(nil, f.name, b.raw))
			if err == nil {
				sealed++
			}
			return plain, err == nil
		})
		if err != nil {
			return sealed, fmt.Errorf("seal the record log anew: %w", err)
		}
	}
	return sealed, nil
}

// rewrite seals those blocks of a file anew of which change gives other entries, and
// writes the file into a folder where there are any.
func rewrite(dir, into, name string, sealer *store.Sealer, change func(b *block) (plain []byte, changed bool)) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var out []byte
	changed, w := false, Log{sealer: sealer}
	for _, b := range cut(data) {
		plain, ok := change(&b)
		if !ok {
			out = append(append(out, b.raw...), b.body...)
			continue
		}
		changed, out = true, w.seal(out, &b.header, name, plain)
	}
	if !changed {
		return nil
	}
	return replace(filepath.Join(into, name), out)
}

// without packs the entries of a block that stay, and counts the others. The block's
// counts become those of the rest.
func (l *Log) without(b *block, name, account string, gone func(string, *roster.LogEntry) bool) (plain []byte, erased int) {
	if !strings.HasPrefix(b.job, account+"/") {
		return nil, 0
	}
	entries, ok := l.open(b, name)
	if !ok {
		return nil, 0
	}
	before, counts := &roster.LogEntry{}, [roster.LogLevels]uint32{}
	for i := range entries {
		e := &entries[i]
		if gone(b.job, e) {
			erased++
			continue
		}
		plain = appendEntry(plain, e, before)
		before = e
		counts[e.Level]++
	}
	if erased > 0 {
		b.counts = counts
	}
	return plain, erased
}

// replace puts a file in the place of another, whole, also after a power cut.
func replace(path string, data []byte) error {
	f, err := os.OpenFile(path+tempExt, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+tempExt))
	}
	if err := os.Rename(path+tempExt, path); err != nil {
		return err
	}
	return store.SyncDir(filepath.Dir(path))
}
