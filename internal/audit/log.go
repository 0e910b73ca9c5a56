package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Entry is one line of the log.
type Entry struct {
	// Seq counts the entries from 1.
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Who asked, What for, and With which parameters. They are empty in the entry
	// of an outcome.
	Who  string            `json:"who,omitempty"`
	What string            `json:"what,omitempty"`
	With map[string]string `json:"with,omitempty"`
	// Request is the request's id in the daemon's log.
	Request string `json:"request,omitempty"`
	// Of is the entry of which this is the outcome: Status as HTTP has it, 0 where
	// there was no request, and the code of what went wrong.
	Of     uint64 `json:"of,omitempty"`
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	// Before is the Hash of the line before; Hash is that of this line without itself.
	Before string `json:"before"`
	Hash   string `json:"hash"`
}

// File is the name of the log in a state directory.
const File = "audit.jsonl"

// maxLine bounds a line, which the parameters of a request bound.
const maxLine = 1 << 20

// Log appends entries. It is safe for concurrent use, also by several processes.
type Log struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	file *os.File
	// size is that of the file, seq and hash are of its last entry, as this process
	// knows them.
	size int64
	seq  uint64
	hash string
}

// New returns the log in a file, which the first entry makes.
func New(path string, now func() time.Time) *Log { return &Log{path: path, now: now} }

// Begin writes down what is about to be done, and returns its number. Where it
// fails, it is not to be done.
func (l *Log) Begin(who, what string, with map[string]string, request string) (uint64, error) {
	return l.add(Entry{Who: who, What: what, With: with, Request: request})
}

// End writes down what came of an entry.
func (l *Log) End(of uint64, status int, code string) error {
	_, err := l.add(Entry{Of: of, Status: status, Code: code})
	return err
}

func (l *Log) add(e Entry) (seq uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.At = l.now().UTC()
	if err = l.open(); err == nil {
		seq, err = l.locked(e)
	}
	if err != nil {
		return 0, fmt.Errorf("write the audit log: %w", err)
	}
	return seq, nil
}

func (l *Log) open() (err error) {
	const mode = 0o600
	if l.file == nil {
		l.file, err = os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, mode)
	}
	return err
}

// locked adds an entry while no other process does.
func (l *Log) locked(e Entry) (seq uint64, err error) {
	fd := int(l.file.Fd())
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unix.Flock(fd, unix.LOCK_UN)) }()
	if err := l.catchUp(); err != nil {
		return 0, err
	}
	e.Seq, e.Before = l.seq+1, l.hash
	if e.Hash, err = e.sum(); err != nil {
		return 0, err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	line = append(line, '\n')
	if _, err = l.file.Write(line); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return 0, errors.Join(err, l.file.Truncate(l.size))
	}
	l.size += int64(len(line))
	l.seq, l.hash = e.Seq, e.Hash
	return e.Seq, nil
}

// catchUp reads the last entry that another process has written. A line that was
// cut off by a crash is taken out: what it told was not done.
func (l *Log) catchUp() error {
	info, err := l.file.Stat()
	if err != nil || info.Size() == l.size {
		return err
	}
	from := max(0, info.Size()-maxLine)
	data, err := io.ReadAll(io.NewSectionReader(l.file, from, info.Size()-from))
	if err != nil {
		return err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	l.size = from + int64(len(whole))
	if err := l.file.Truncate(l.size); err != nil {
		return err
	}
	last := bytes.TrimSuffix(whole, []byte("\n"))
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	if len(last) == 0 {
		l.seq, l.hash = 0, ""
		return nil
	}
	var e Entry
	if err := json.Unmarshal(last, &e); err != nil {
		return fmt.Errorf("%w: the last line of %s: %w", ErrDamaged, l.path, err)
	}
	l.seq, l.hash = e.Seq, e.Hash
	return nil
}

// sum is the hash of an entry without its Hash.
func (e Entry) sum() (string, error) {
	e.Hash = ""
	data, err := json.Marshal(e)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return file.Close()
}
