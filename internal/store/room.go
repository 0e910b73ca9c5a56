package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What is kept free for the database, so that runs under way can end and what
// was served can be stored: 64 MiB, or on a small disk a sixteenth of it.
const (
	leastRoom      = 64 << 20
	leastRoomShare = 16
)

// CheckRoom returns an error that is ENOSPC, with its fault, when the disk of a
// state directory has less free than is kept for what must still be stored. It
// costs about a microsecond.
func CheckRoom(dir string) error { return CheckRoomFor(dir, 0) }

// CheckRoomFor is [CheckRoom] for something that takes so many bytes of the disk.
func CheckRoomFor(dir string, bytes int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return Explain(fmt.Errorf("look for room in %s: %w", dir, err))
	}
	size := uint64(disk.Bsize) //nolint:gosec // a size is not negative
	free, least := disk.Bavail*size, min(leastRoom, disk.Blocks*size/leastRoomShare)
	least += uint64(max(bytes, 0)) //nolint:gosec // it is not negative
	if free < least {
		return Explain(fmt.Errorf("%w: the disk of %s has %.1f MiB free, and %.1f are kept for what must still be stored",
			unix.ENOSPC, dir, mebibytes(free), mebibytes(least)))
	}
	if disk.Files > 0 && disk.Ffree == 0 {
		return Explain(fmt.Errorf("%w: the disk of %s has no room for another file (inodes)", unix.ENOSPC, dir))
	}
	return nil
}

func mebibytes(n uint64) float64 { return float64(n) / (1 << 20) }
