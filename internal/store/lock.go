package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is the name of the lock's file. The file stays when the lock is
// released: removing it would let two processes hold locks on two files.
const lockFile = "rosterd.lock"

// DirLock keeps other processes out of a state directory. The kernel releases
// it when the process ends, however it ends.
type DirLock struct{ file *os.File }

// lastGasp is how long the lock of a process that is gone may be held by what it
// had started: a process that was killed while it forked leaves a child that has
// the lock's file until it executes its program.
const lastGasp = 5 * time.Second

// LockDir takes the lock of a state directory, which must exist. When another
// process holds it, LockDir returns a [*LockedError] at once. Root does not get
// the lock of another user's state: [ErrOwner].
func LockDir(dir string) (*DirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Explain(fmt.Errorf("lock the state directory: %w", err))
	}
	err = flock(f)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(&LockedError{Dir: dir, PID: holder(f)}, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the state directory %s: %w", dir, err), f.Close())
	}
	// Not by the folder: it may be a volume that somebody else made.
	if err := RefuseRoot(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// A full disk must not keep the daemon from starting: the process id is
	// only for the message that a second process prints.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &DirLock{file: f}, nil
}

// RefuseRoot returns [ErrOwner] to root where a path is there and is another
// user's, and nil to everybody else: what root leaves beside it that user could
// not read.
func RefuseRoot(path string) error {
	var st unix.Stat_t
	if os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Stat(path, &st); err != nil || st.Uid == 0 {
		return nil //nolint:nilerr // What is not there is nobody's.
	}
	owner := strconv.FormatUint(uint64(st.Uid), 10)
	if known, err := user.LookupId(owner); err == nil {
		owner = known.Username
	}
	return Explain(fmt.Errorf("%w: %s is of %s, who could not read what root leaves there", ErrOwner, path, owner))
}

// flock takes the lock. It waits only for a holder that is gone.
func flock(f *os.File) error {
	for deadline := time.Now().Add(lastGasp); ; time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // The kernel has no lock that is waited for with a limit.
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		pid := holder(io.NewSectionReader(f, 0, 32))
		if pid == 0 || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) || time.Now().After(deadline) { //nolint:forbidigo // As above.
			return err
		}
	}
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
