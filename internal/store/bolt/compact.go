package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/store"
)

// compactChunk bounds a transaction of a compaction, in bytes.
const compactChunk = 16 << 20

// Compact writes the database of a state directory that no daemon uses into a new
// file without free pages, verifies that and puts it in the place of the old one.
// Verify is called with the old file before it is read, and with the new one; see
// [OpenVerified]. A crash leaves the old one or the new one. It returns both
// sizes, in bytes.
func Compact(ctx context.Context, dir string, verify func(ctx context.Context, path string) error) (before, after int64, err error) {
	lock, err := store.LockDir(dir)
	if err != nil {
		return 0, 0, err
	}
	path := filepath.Join(dir, fileName)
	if err = store.FinishRotation(dir); err == nil {
		before, after, err = compact(ctx, path, verify)
	}
	return before, after, store.Explain(errors.Join(err, lock.Unlock()))
}

func compact(ctx context.Context, path string, verify func(context.Context, string) error) (before, after int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("compact the database: %w", err)
	}
	if err := verify(ctx, path); err != nil {
		return 0, 0, err
	}
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	if err := rewrite(path, temp); err != nil {
		return 0, 0, errors.Join(fmt.Errorf("compact %s: %w", path, err), os.Remove(temp))
	}
	if err := verify(ctx, temp); err != nil {
		return 0, 0, errors.Join(err, os.Remove(temp))
	}
	made, err := os.Stat(temp)
	if err != nil {
		return 0, 0, err
	}
	// The mark tells of the old file.
	if err := removeMark(path); err != nil {
		return 0, 0, err
	}
	if err := os.Rename(temp, path); err != nil {
		return 0, 0, err
	}
	return info.Size(), made.Size(), store.SyncDir(filepath.Dir(path))
}

func rewrite(from, to string) error {
	old, err := openFile(from, true)
	if err != nil {
		return err
	}
	fresh, err := openFile(to, false)
	if err != nil {
		return errors.Join(err, old.Close())
	}
	return errors.Join(bbolt.Compact(fresh, old, compactChunk), fresh.Close(), old.Close())
}
