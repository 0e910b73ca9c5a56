package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rosterd/rosterd/internal/store"
)

// The mark stands beside the database from a clean shutdown until the next
// start and says how the file was left. With it a file is refused whose last
// transactions are undone, which no file can tell of itself. A file that was put
// in its place, as a backup, is not taken for it.
const markName = "rosterd.clean"

const markFormat = "size %d changed %d sum %016x\n"

func markPath(database string) string { return filepath.Join(filepath.Dir(database), markName) }

// readMark returns the checksum that the database was left with. It is not ok
// when there is no mark or the file is another or a changed one.
func readMark(database string) (sum uint64, ok bool) {
	text, err := os.ReadFile(markPath(database))
	if err != nil {
		return 0, false
	}
	info, err := os.Stat(database)
	if err != nil {
		return 0, false
	}
	var size, changed int64
	if _, err := fmt.Sscanf(string(text), markFormat, &size, &changed, &sum); err != nil {
		return 0, false
	}
	return sum, size == info.Size() && changed == info.ModTime().UnixNano()
}

func writeMark(database string, sum uint64) error {
	info, err := os.Stat(database)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(markPath(database), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, markFormat, info.Size(), info.ModTime().UnixNano(), sum)
	return errors.Join(err, f.Sync(), f.Close())
}

// removeMark removes the mark for good before anything is written.
func removeMark(database string) error {
	err := os.Remove(markPath(database))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return store.SyncDir(filepath.Dir(database))
}
