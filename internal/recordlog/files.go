package recordlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	fileExt = ".rlog"
	// tempExt ends the name of a file that is being rewritten.
	tempExt   = ".tmp"
	dayLayout = time.DateOnly
)

// The shares of all that a file and a day may take, so that one noisy day does not
// push the others out, and old lines go a little at a time.
const (
	filesShare = 64
	daysShare  = 4
	// A file is read as a whole.
	mostFileBytes = 16 << 20
)

// fileBytes is the size at which another file is begun. l.mu is held.
func (l *Log) fileBytes() int64 { return min(l.keep.Bytes/filesShare, mostFileBytes) }

// dayOf is the day of a moment.
func dayOf(at time.Time) string { return at.UTC().Format(dayLayout) }

// file is one file of the log.
type file struct {
	name  string
	bytes int64
}

func (f file) day() string { return f.name[:len(dayLayout)] }

// list returns the files of a log, the oldest first.
func list(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the record log: %w", err)
	}
	var files []file
	for _, e := range entries {
		if !isFile(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the record log: %w", err)
		}
		files = append(files, file{name: e.Name(), bytes: info.Size()})
	}
	return files, nil
}

// isFile reports whether a name is that of a file of the log.
func isFile(name string) bool {
	stem, ok := strings.CutSuffix(name, fileExt)
	if !ok || len(stem) < len(dayLayout)+2 {
		return false
	}
	_, err := time.Parse(dayLayout, stem[:len(dayLayout)])
	return err == nil && stem[len(dayLayout)] == '-' && strings.Trim(stem[len(dayLayout)+1:], "0123456789") == ""
}

// nextName is the name of a day's next file.
func nextName(files []file, day string) string {
	last := 0
	for _, f := range files {
		if f.day() != day {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(f.name[len(day):], "-%d", &n); err == nil {
			last = max(last, n)
		}
	}
	return fmt.Sprintf("%s-%05d%s", day, last+1, fileExt)
}

// sizeOf is what the files of a day take.
func sizeOf(files []file, day string) (bytes int64) {
	for _, f := range files {
		if f.day() == day {
			bytes += f.bytes
		}
	}
	return bytes
}

// outdated are the files that are not kept any more: those of days that are over for
// longer than the log is kept, and then the oldest, until the rest is small enough.
func outdated(files []file, keep Retention, now time.Time) []file {
	oldest := dayOf(now.Add(-keep.Age))
	var bytes int64
	for _, f := range files {
		bytes += f.bytes
	}
	n := 0
	for n < len(files) && (files[n].day() < oldest || bytes > keep.Bytes) {
		bytes -= files[n].bytes
		n++
	}
	return files[:n]
}

// Sweep removes what is not kept any more, and returns how many files that were. From
// then on the log is kept so.
func (l *Log) Sweep(keep Retention) (int, error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	l.mu.Lock()
	l.keep = keep
	current := ""
	if l.file != nil {
		current = l.name
	}
	l.mu.Unlock()
	if err := l.tidy(); err != nil {
		return 0, err
	}
	files, err := list(l.dir)
	if err != nil {
		return 0, err
	}
	old := slices.DeleteFunc(outdated(files, keep, l.now()), func(f file) bool { return f.name == current })
	for i, f := range old {
		if err := os.Remove(filepath.Join(l.dir, f.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return i, fmt.Errorf("remove an old file of the record log: %w", err)
		}
	}
	return len(old), nil
}

// tidy removes what a crash has left of a file that was being rewritten.
func (l *Log) tidy() error {
	left, err := filepath.Glob(filepath.Join(l.dir, "*"+tempExt))
	if err != nil {
		return fmt.Errorf("tidy the record log: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("tidy the record log: %w", err)
		}
	}
	return nil
}
