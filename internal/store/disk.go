package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Disk returns how many bytes of the disk of a state directory may still be used,
// and its size.
func Disk(dir string) (free, size uint64, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, 0, Explain(fmt.Errorf("look for room in %s: %w", dir, err))
	}
	block := uint64(disk.Bsize) //nolint:gosec // a size is not negative
	return disk.Bavail * block, disk.Blocks * block, nil
}
