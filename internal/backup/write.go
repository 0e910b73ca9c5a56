package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// Source is the state that is backed up.
type Source struct {
	// Dir is the state directory.
	Dir string
	// CopyTo copies the database, as [bolt.Store.CopyTo] does.
	CopyTo func(ctx context.Context, w io.Writer, begun func(store.Moment) error) error
	// Version is the program's.
	Version string
	Now     func() time.Time
}

// attempts is how often a moment is looked for at which no change set vanishes
// while it is opened: a run that ends removes its own.
const attempts = 5

// Write writes an archive of a state that is in use. The database is copied beside
// the original first, because w may be slow.
func Write(ctx context.Context, w io.Writer, from Source) (Manifest, error) {
	for attempt := 1; ; attempt++ {
		c, err := from.copy(ctx, attempt < attempts)
		if errors.Is(err, errVanished) {
			continue
		}
		if err != nil {
			return Manifest{}, fmt.Errorf("back up the state: %w", err)
		}
		m, err := c.write(w)
		if err := errors.Join(err, c.close()); err != nil {
			return m, fmt.Errorf("back up the state: %w", err)
		}
		return m, nil
	}
}

var errVanished = errors.New("a run ended meanwhile")

// copied is the state at one moment.
type copied struct {
	manifest Manifest
	database *os.File
	sets     map[string]*os.File
	notes    map[string][]byte
}

func (s Source) copy(ctx context.Context, all bool) (_ *copied, err error) {
	c := &copied{sets: map[string]*os.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	// A copy that fills the disk would keep the daemon from storing what it does.
	info, err := os.Stat(filepath.Join(s.Dir, Database))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	var size int64
	if err == nil {
		size = info.Size()
	}
	if err := store.CheckRoomFor(s.Dir, size); err != nil {
		return c, err
	}
	if c.database, err = os.CreateTemp(s.Dir, "backup-*.tmp"); err != nil {
		return c, store.Explain(err)
	}
	// Without a name it is gone when it is closed, however the process ends.
	if err := os.Remove(c.database.Name()); err != nil {
		return c, err
	}
	c.manifest = Manifest{
		Format: Format, Made: s.Now().UTC(), Version: s.Version, Runs: []string{}, Missing: []string{"master.key", "export.secret", "rosterd.erased"},
	}
	err = s.CopyTo(ctx, c.database, func(m store.Moment) error {
		c.manifest.Schema, c.manifest.Install, c.manifest.Key, c.notes = m.Schema, m.Install, m.Key.String(), m.Notes
		return c.openSets(s.Dir, m.Runs, all)
	})
	if err != nil {
		return c, store.Explain(err)
	}
	_, err = c.database.Seek(0, io.SeekStart)
	return c, err
}

// openSets opens the change sets of runs: an open file stays although a run
// removes it.
func (c *copied) openSets(dir string, runs []roster.Run, all bool) error {
	for _, run := range runs {
		c.manifest.Runs = append(c.manifest.Runs, run.ID)
		name := run.ID + ".cs"
		f, err := os.Open(filepath.Join(dir, ChangeSets, name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && all && run.State == roster.RunDelivering:
			return errVanished
		case errors.Is(err, fs.ErrNotExist):
			continue // a preparation begins anew
		case err != nil:
			return err
		}
		c.sets[ChangeSets+"/"+name] = f
	}
	return nil
}

func (c *copied) close() error {
	var errs []error
	if c.database != nil {
		errs = append(errs, c.database.Close())
	}
	for _, f := range c.sets {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (c *copied) write(w io.Writer) (Manifest, error) {
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return c.manifest, err
	}
	t := tar.NewWriter(z)
	if err := c.file(t, Database, c.database); err != nil {
		return c.manifest, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.sets)) {
		if err := c.file(t, name, c.sets[name]); err != nil {
			return c.manifest, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.notes)) {
		if err := c.add(t, Notes+"/"+name, bytes.NewReader(c.notes[name]), int64(len(c.notes[name]))); err != nil {
			return c.manifest, err
		}
	}
	text, err := json.MarshalIndent(c.manifest, "", "  ")
	if err != nil {
		return c.manifest, err
	}
	if err := put(t, manifestName, bytes.NewReader(text), int64(len(text)), c.manifest.Made); err != nil {
		return c.manifest, err
	}
	return c.manifest, errors.Join(t.Close(), z.Close())
}

func (c *copied) file(t *tar.Writer, name string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return c.add(t, name, f, info.Size())
}

func (c *copied) add(t *tar.Writer, name string, from io.Reader, size int64) error {
	sum := sha256.New()
	if err := put(t, name, io.TeeReader(io.LimitReader(from, size), sum), size, c.manifest.Made); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	c.manifest.Files = append(c.manifest.Files, File{Name: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func put(t *tar.Writer, name string, from io.Reader, size int64, at time.Time) error {
	err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at, Format: tar.FormatPAX})
	if err == nil {
		_, err = io.Copy(t, from)
	}
	return err
}
