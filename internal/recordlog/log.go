package recordlog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// Dir is the folder of the log in the state directory.
const Dir = "log"

// sealPurpose is what the key of the log is for.
const sealPurpose = "record log"

// Retention says how much of the log is kept.
type Retention struct {
	// Age is how long a day is kept, Bytes how large all of it may be. A day takes a
	// quarter of that; what happens behind it is kept only where it is a warning or
	// an error.
	Age   time.Duration
	Bytes int64
}

// Log is the log of one state directory. It serves concurrent calls.
type Log struct {
	dir    string
	sealer *store.Sealer
	log    *slog.Logger
	now    func() time.Time
	lost   atomic.Int64

	// rewriting is held while closed files are rewritten or removed.
	rewriting sync.Mutex

	mu   sync.Mutex
	keep Retention
	// file is being written, nil for none; name, day, number and size are its own, and
	// today what the day's files have taken.
	file        *os.File
	name, day   string
	number      uint32
	size, today int64
	// missing counts the lines that were lost since the last block was written,
	// failing says that the last one was not, and told is the last day that was told
	// to be full.
	missing uint32
	failing bool
	told    string
	// plain, block and place are where a block is put together.
	plain, block, place []byte
}

// Open opens the log of a state directory, of which the caller holds the lock.
// Nothing is written, and no folder made, before there is something to keep.
func Open(stateDir string, keys *store.Keyring, keep Retention, log *slog.Logger, now func() time.Time) (*Log, error) {
	sealer, err := keys.Sealer(sealPurpose)
	if err != nil {
		return nil, err
	}
	return &Log{dir: filepath.Join(stateDir, Dir), sealer: sealer, keep: keep, log: log, now: now}, nil
}

// Close ends the writing.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

// end closes the file that is being written. l.mu is held.
func (l *Log) end() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// Lost is how many lines this life of the daemon could not keep.
func (l *Log) Lost() int64 { return l.lost.Load() }

// Log keeps what became of the records of a batch. What cannot be kept is counted,
// and told once. The batch is not looked at when Log has returned.
func (l *Log) Log(b roster.LogBatch) {
	if len(b.Entries) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.ready(b.At)
	if err == nil {
		err = l.write(&b)
	}
	if err == nil {
		l.failing = false
		return
	}
	l.lose(len(b.Entries))
	if !l.failing {
		l.failing = true
		l.log.Warn("lines of the record log are lost; rosterd log shows how many, and runs go on", "job", b.Job, "err", err)
	}
}

// lose counts lines that are not kept. l.mu is held.
func (l *Log) lose(n int) {
	l.lost.Add(int64(n))
	l.missing += uint32(n) //nolint:gosec // a batch is small
}

// write appends a block. l.mu is held, and a file open.
func (l *Log) write(b *roster.LogBatch) error {
	h := header{number: l.number, at: b.At, run: b.Run, job: b.Job, to: b.To}
	l.plain = l.plain[:0]
	full, before, left := l.today > l.keep.Bytes/daysShare, &roster.LogEntry{}, 0
	for i := range b.Entries {
		e := &b.Entries[i]
		if full && e.Level == roster.LogInfo {
			left++
			continue
		}
		l.plain = appendEntry(l.plain, e, before)
		h.counts[e.Level]++
		before = e
	}
	if left > 0 && l.told != l.day {
		l.told = l.day
		l.log.Warn("the record log of this day is full; of the rest of it only warnings and errors are kept", "bytes", l.today, "job", b.Job)
	}
	if h.entries() == 0 {
		l.lose(left)
		return nil
	}
	h.lost = l.missing + uint32(left) //nolint:gosec // a batch is small
	l.block = l.seal(l.block[:0], &h, l.name, l.plain)
	n, err := l.file.Write(l.block)
	l.size, l.today = l.size+int64(n), l.today+int64(n)
	if err != nil {
		// The next block begins another file, behind what may stand of this one.
		return errors.Join(fmt.Errorf("write the record log: %w", err), l.end())
	}
	l.lost.Add(int64(left))
	l.number, l.missing = l.number+1, 0
	return nil
}

// seal appends a block: its header, with the length of what is sealed filled in, and
// the entries.
func (l *Log) seal(b []byte, h *header, name string, plain []byte) []byte {
	h.sealed = uint32(l.sealer.SealedLen(len(plain))) //nolint:gosec // a batch is small
	start := len(b)
	b = h.append(b)
	l.place = placeOf(l.place[:0], name, b[start:])
	return l.sealer.AppendSealed(b, plain, l.place)
}

// placeOf is what a block is bound to.
func placeOf(b []byte, name string, header []byte) []byte {
	return append(append(append(b, name...), 0), header...)
}

// ready sees to it that a file is open for a block of a moment. l.mu is held.
func (l *Log) ready(at time.Time) error {
	day := dayOf(at)
	if l.file != nil && (day != l.day || l.size >= l.fileBytes()) {
		if err := l.end(); err != nil {
			return err
		}
	}
	if l.file != nil {
		return store.CheckRoom(l.dir)
	}
	return l.begin(day)
}

// begin opens a file of a day. l.mu is held.
func (l *Log) begin(day string) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the record log: %w", err)
	}
	if err := store.CheckRoom(l.dir); err != nil {
		return err
	}
	files, err := list(l.dir)
	if err != nil {
		return err
	}
	l.name, l.day, l.number, l.size, l.today = nextName(files, day), day, 0, 0, sizeOf(files, day)
	for _, f := range outdated(files, l.keep, l.now()) {
		if err := os.Remove(filepath.Join(l.dir, f.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove an old file of the record log: %w", err)
		}
	}
	l.file, err = os.OpenFile(filepath.Join(l.dir, l.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin a file of the record log: %w", err)
	}
	return nil
}
