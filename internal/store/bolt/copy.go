package bolt

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// CopyTo writes the database as it is at one moment, while it is in use. Begun is
// called first, with what goes with that moment: what it opens is of the same
// moment. W has to be fast: while a copy is made no transaction can make the file
// longer.
func (s *Store) CopyTo(ctx context.Context, w io.Writer, begun func(store.Moment) error) error {
	// Notes come and go with served pages, and are not part of a transaction.
	s.notes.mu.Lock()
	held := true
	unlock := func() {
		if held {
			held = false
			s.notes.mu.Unlock()
		}
	}
	defer unlock()
	return s.view(ctx, "copy the database", func(tx *txn) error {
		m, err := s.moment(tx)
		if err != nil {
			return err
		}
		if m.Notes, err = s.notes.copied(); err != nil {
			return err
		}
		unlock()
		if err := begun(m); err != nil {
			return err
		}
		_, err = tx.WriteTo(contextWriter{ctx, w})
		return err
	})
}

func (s *Store) moment(tx *txn) (store.Moment, error) {
	m := store.Moment{Install: s.install}
	m.Schema, _ = strconv.Atoi(schemaOf(tx))
	copy(m.Key[:], bucket(tx, bucketMeta).Get([]byte(metaKey)))
	open, err := openRuns(tx, roster.RunFilter{})
	if err != nil {
		return m, err
	}
	m.Runs = open
	return m, newestFirst(bucket(tx, bucketRunsByTime), func(id []byte) (bool, error) {
		var run roster.Run
		err := load(bucket(tx, bucketRuns), bytes.Clone(id), &run)
		if err == nil && run.Type == roster.JobSync && (run.State == roster.RunPlanned || run.State == roster.RunBlocked) {
			m.Runs = append(m.Runs, run)
		}
		return true, err
	})
}

// copied returns the files as they are. n.mu is held.
func (n *notes) copied() (map[string][]byte, error) {
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), notesExt) {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(n.dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// contextWriter ends a copy with its context.
type contextWriter struct {
	ctx context.Context //nolint:containedctx // io.Writer takes none
	w   io.Writer
}

// Write writes unless the context has ended.
func (c contextWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

// Header is what a database file says of itself without a key.
type Header struct {
	Schema  int
	Key     store.KeyID
	Install string
}

// ReadHeader reads a database file that no daemon uses and that was verified.
func ReadHeader(path string) (h Header, err error) {
	db, err := openFile(path, true)
	if err != nil {
		return h, store.Explain(err)
	}
	err = db.View(viewing(func(tx *txn) error {
		if tx.Bucket([]byte(bucketMeta)) == nil {
			return fmt.Errorf("open %s: %w: it was not made by rosterd", path, store.ErrDamaged)
		}
		var err error
		if h.Schema, err = checkSchema(path, schemaOf(tx)); err != nil {
			return err
		}
		meta := bucket(tx, bucketMeta)
		copy(h.Key[:], meta.Get([]byte(metaKey)))
		h.Install = string(meta.Get([]byte(metaInstall)))
		if _, err := hex.DecodeString(h.Install); err != nil {
			return fmt.Errorf("open %s: %w: its id is no number", path, store.ErrDamaged)
		}
		return nil
	}))
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return h, store.Explain(err)
}
