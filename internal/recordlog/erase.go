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
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var out []byte
	erased := 0
	w := Log{sealer: l.sealer} // the buffers of the log at hand are in use
	for _, b := range cut(data) {
		kept, n := l.without(&b, name, account, gone)
		erased += n
		if n == 0 {
			out = append(append(out, b.raw...), b.body...)
			continue
		}
		out = w.seal(out, &b.header, name, kept)
	}
	if erased == 0 {
		return 0, nil
	}
	return erased, replace(filepath.Join(l.dir, name), out)
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
