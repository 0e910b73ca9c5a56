package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is the name of the lock's file. The file stays when the lock is
// released: removing it would let two processes hold locks on two files.
const lockFile = "rosterd.lock"

// DirLock keeps other processes out of a state directory. The kernel releases
// it when the process ends, however it ends.
type DirLock struct{ file *os.File }

// LockDir takes the lock of a state directory, which must exist. When another
// process holds it, LockDir returns a [*LockedError] at once.
func LockDir(dir string) (*DirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Explain(fmt.Errorf("lock the state directory: %w", err))
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(&LockedError{Dir: dir, PID: holder(f)}, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the state directory %s: %w", dir, err), f.Close())
	}
	// A full disk must not keep the daemon from starting: the process id is
	// only for the message that a second process prints.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &DirLock{file: f}, nil
}

// Unlock lets others use the directory.
func (l *DirLock) Unlock() error { return l.file.Close() }

func holder(f io.Reader) int {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
