package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rosterd/rosterd/internal/roster"
)

// MaxEntryBytes bounds the id and the data of one entry of a change set
// together.
const MaxEntryBytes = 4 << 20

// blockBytes is the size of a block's entries at which it is closed: small
// enough that a page of clients opens little else, big enough that sealing and
// writing cost next to nothing an entry.
const blockBytes = 128 << 10

// ChangeSetWriter writes one change set. It serves one goroutine. It ends with
// Finish or Abort; Abort after Finish does nothing, so that it can be deferred.
type ChangeSetWriter struct {
	sets *ChangeSets
	path string
	file *os.File
	seal *fileSeal

	data, ids         []byte
	dataEnds, idEnds  []uint32
	out               []byte
	index             []byte
	written           int64
	entries, dataSize int64
	blocks            int
	fault             error
}

// Create begins the change set of a run. Nothing is seen of it before Finish,
// which replaces an earlier change set of the same run.
func (s *ChangeSets) Create(run string) (*ChangeSetWriter, error) {
	path, err := s.path(run)
	if err != nil {
		return nil, err
	}
	header := make([]byte, 0, changeSetHeader)
	header = append(append(header, changeSetMagic...), s.keys.id[:]...)
	header = header[:changeSetHeader]
	if _, err := rand.Read(header[changeSetHeader-changeSetSalt:]); err != nil {
		return nil, fmt.Errorf("create the change set of run %s: %w", run, err)
	}
	seal, err := s.keys.fileSeal(header, run)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(s.dir, run+".*"+tempExt)
	if err != nil {
		return nil, Explain(fmt.Errorf("create the change set of run %s: %w", run, err))
	}
	w := &ChangeSetWriter{sets: s, path: path, file: file, seal: seal}
	if w.write(header); w.fault != nil {
		w.Abort()
		return nil, w.wrap(w.fault)
	}
	return w, nil
}

// Append adds an entry and copies its data, which is not looked at: for an
// import it is one client as a JSON object. An entry larger than
// [MaxEntryBytes] is [roster.ErrInvalid] and is left out; after any other
// error the change set cannot be finished.
func (w *ChangeSetWriter) Append(id string, data []byte) error {
	if w.fault != nil {
		return w.wrap(w.fault)
	}
	if len(id)+len(data) > MaxEntryBytes {
		return fmt.Errorf("append to the change set of run %s: %w: entry %d has %d bytes where %d are allowed",
			w.seal.run, roster.ErrInvalid, w.entries, len(id)+len(data), MaxEntryBytes)
	}
	if len(w.dataEnds) > 0 {
		w.data = append(w.data, ',')
	}
	w.data = append(w.data, data...)
	w.ids = append(w.ids, id...)
	w.dataEnds = append(w.dataEnds, uint32(len(w.data)))
	w.idEnds = append(w.idEnds, uint32(len(w.ids)))
	w.entries++
	w.dataSize += int64(len(data))
	if len(w.data)+len(w.ids)+8*len(w.dataEnds) >= blockBytes {
		w.flush()
	}
	if w.fault != nil {
		return w.wrap(w.fault)
	}
	return nil
}

// Finish makes the change set durable and puts it in place. It returns the
// number of entries and the bytes of their data. After an error nothing is
// left of it.
func (w *ChangeSetWriter) Finish() (count int, bytes int64, err error) {
	if w.file == nil {
		return 0, 0, w.wrap(fs.ErrClosed)
	}
	w.flush()
	w.finishIndex()
	if w.fault == nil {
		w.fault = w.file.Sync()
	}
	if w.fault != nil {
		w.Abort()
		return 0, 0, w.wrap(w.fault)
	}
	name := w.file.Name()
	err = w.file.Close()
	w.file = nil
	if err == nil {
		err = os.Rename(name, w.path)
	}
	if err != nil {
		return 0, 0, w.wrap(errors.Join(err, os.Remove(name)))
	}
	if err := SyncDir(filepath.Dir(w.path)); err != nil {
		return 0, 0, w.wrap(err)
	}
	return int(w.entries), w.dataSize, nil
}

// Abort drops an unfinished change set.
func (w *ChangeSetWriter) Abort() {
	if w.file == nil {
		return
	}
	// What cannot be removed here is removed by NewChangeSets.
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
	w.file = nil
	if w.fault == nil {
		w.fault = fs.ErrClosed
	}
}

// flush seals the entries at hand as one block.
func (w *ChangeSetWriter) flush() {
	n := len(w.dataEnds)
	if n == 0 || w.fault != nil {
		return
	}
	// A change set may not take the last room from the database.
	if w.fault = CheckRoom(w.sets.dir); w.fault != nil {
		return
	}
	out := binary.LittleEndian.AppendUint32(w.out[:0], uint32(n))
	for _, end := range w.dataEnds {
		out = binary.LittleEndian.AppendUint32(out, end)
	}
	for _, end := range w.idEnds {
		out = binary.LittleEndian.AppendUint32(out, end)
	}
	out = append(append(out, w.data...), w.ids...)
	w.out = w.seal.seal(out, partBlock, w.blocks)
	w.index = binary.LittleEndian.AppendUint32(w.index, uint32(n))
	w.index = binary.LittleEndian.AppendUint32(w.index, uint32(len(w.out)))
	w.blocks++
	w.write(w.out)
	w.data, w.ids, w.dataEnds, w.idEnds = w.data[:0], w.ids[:0], w.dataEnds[:0], w.idEnds[:0]
}

func (w *ChangeSetWriter) finishIndex() {
	if w.fault != nil {
		return
	}
	plain := binary.LittleEndian.AppendUint64(nil, uint64(w.entries))
	plain = binary.LittleEndian.AppendUint32(plain, uint32(w.blocks))
	sealed := w.seal.seal(append(plain, w.index...), partIndex, w.blocks)
	footer := binary.LittleEndian.AppendUint64(nil, uint64(w.written))
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(sealed)))
	w.write(sealed)
	w.write(append(footer, footerMagic...))
}

func (w *ChangeSetWriter) write(b []byte) {
	if w.fault != nil {
		return
	}
	n, err := w.file.Write(b)
	w.written += int64(n)
	w.fault = err
}

func (w *ChangeSetWriter) wrap(err error) error {
	return Explain(fmt.Errorf("write the change set of run %s: %w", w.seal.run, err))
}
