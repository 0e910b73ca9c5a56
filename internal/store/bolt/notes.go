package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// notes remember which clients of a session were served, one file a session in
// the directory served: a note is written and not synced, so that it outlives
// the process at the price of a system call. The next process makes the notes
// part of the sessions when it opens the store. A note may be in both: served
// twice is served.
type notes struct {
	dir   string
	mu    sync.Mutex
	files map[string]*os.File
}

const (
	notesDir = "served"
	notesExt = ".notes"
	// A note is From and To (32 bits each, little-endian) and the CRC-32 of both
	// and of the session's id: a crash of the machine may leave anything.
	noteBytes = 12
)

func newNotes(stateDir string) (*notes, error) {
	n := &notes{dir: filepath.Join(stateDir, notesDir), files: make(map[string]*os.File)}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of notes: %w", err)
	}
	return n, nil
}

// path escapes the id, so that none leads out of the directory.
func (n *notes) path(session string) string {
	return filepath.Join(n.dir, url.PathEscape(session)+notesExt)
}

// NoteServed remembers that some of a session's clients were served, without
// waiting for the disk: the note outlives the process but perhaps not the
// machine. Another process that opens the store finds the clients in the
// session's Served. Notes end with the session.
func (s *Store) NoteServed(ctx context.Context, session string, clients roster.Range) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.notes.add(session, clients); err != nil {
		return fmt.Errorf("note what session %s served: %w", session, err)
	}
	return nil
}

func (n *notes) add(session string, clients roster.Range) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	file := n.files[session]
	if file == nil {
		var err error
		if file, err = os.OpenFile(n.path(session), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
			return err
		}
		n.files[session] = file
	}
	_, err := file.Write(encodeNote(session, clients))
	return err
}

func encodeNote(session string, clients roster.Range) []byte {
	note := make([]byte, 0, noteBytes)
	note = binary.LittleEndian.AppendUint32(note, uint32(clients.From))
	note = binary.LittleEndian.AppendUint32(note, uint32(clients.To))
	return binary.LittleEndian.AppendUint32(note, noteSum(session, note))
}

func noteSum(session string, note []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(session)), crc32.IEEETable, note)
}

// drop removes the notes of a session that is over.
func (n *notes) drop(session string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if file := n.files[session]; file != nil {
		delete(n.files, session)
		if err := file.Close(); err != nil {
			return err
		}
	}
	if err := os.Remove(n.path(session)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (n *notes) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, file := range n.files {
		errs = append(errs, file.Close())
	}
	n.files = nil
	return errors.Join(errs...)
}

// read returns the notes that an earlier process left, by session.
func (n *notes) read() (map[string][]roster.Range, error) {
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return nil, err
	}
	left := make(map[string][]roster.Range)
	for _, e := range entries {
		session, err := url.PathUnescape(strings.TrimSuffix(e.Name(), notesExt))
		if err != nil || !strings.HasSuffix(e.Name(), notesExt) {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(n.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		left[session] = decodeNotes(session, raw)
	}
	return left, nil
}

// decodeNotes leaves out what is torn or damaged: a client is then unserved as
// far as anybody knows.
func decodeNotes(session string, raw []byte) []roster.Range {
	var ranges []roster.Range
	for ; len(raw) >= noteBytes; raw = raw[noteBytes:] {
		if binary.LittleEndian.Uint32(raw[8:]) != noteSum(session, raw[:8]) {
			continue
		}
		ranges = roster.AddRange(ranges, roster.Range{
			From: int(binary.LittleEndian.Uint32(raw)), To: int(binary.LittleEndian.Uint32(raw[4:])),
		})
	}
	return ranges
}

// foldNotes makes what an earlier process noted part of the sessions.
func (s *Store) foldNotes() error {
	left, err := s.notes.read()
	if err != nil || len(left) == 0 {
		return err
	}
	err = s.db.Update(updating(func(tx *txn) error {
		for id, ranges := range left {
			if err := foldNote(tx, id, ranges); err != nil {
				return err
			}
		}
		return nil
	}))
	for id := range left {
		if err == nil {
			err = s.notes.drop(id)
		}
	}
	return err
}

func foldNote(tx *txn, id string, ranges []roster.Range) error {
	var session roster.Session
	err := load(bucket(tx, bucketSessions), []byte(id), &session)
	if errors.Is(err, store.ErrNotFound) || session.State.Ended() {
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if r.To <= session.Clients() {
			session.Served = roster.AddRange(session.Served, r)
		}
	}
	_, err = putSession(tx, session)
	return err
}
