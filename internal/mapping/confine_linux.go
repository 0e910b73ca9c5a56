package mapping

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What Landlock watches over, by the version that first knows it
// (landlock(7)). What a version does not know it does not restrict.
const (
	rightsToStart = unix.LANDLOCK_ACCESS_FS_EXECUTE | rightsToRead
	rightsToRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR

	watchedFiles = rightsToStart | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	watchedFrom2 = unix.LANDLOCK_ACCESS_FS_REFER
	watchedFrom3 = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	watchedNet4  = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	watchedFrom5 = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	scopedFrom6  = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
)

// startPaths hold what a program's start runs, readPaths what the Go runtime
// asks about the machine. The worker's size stands in /proc, under a number
// that is not known before it runs; of other processes Landlock shows no
// environment and no memory there.
func startPaths() []string {
	return []string{"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store", "/gnu/store"}
}

func readPaths() []string {
	return []string{"/etc/ld.so.cache", "/proc", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage"}
}

// confineThread restricts the calling thread, and the workers that it starts,
// to the files that a start needs, and to no network. A thread cannot be freed
// again. Where the kernel has no Landlock the worker's own limits remain, under
// which it opens nothing. It takes raw calls because the libraries for it
// restrict every thread of the process.
func confineThread(program string) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return nil
	}
	rules, err := newRules(int(version))
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(rules.fd) }()
	if err := rules.let(program, rightsToStart); err != nil {
		return err
	}
	for _, path := range startPaths() {
		if err := rules.let(path, rightsToStart); err != nil {
			return err
		}
	}
	for _, path := range readPaths() {
		if err := rules.let(path, rightsToRead); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules.fd), 0, 0); errno != 0 {
		return fmt.Errorf("confine the worker: %w", errno)
	}
	return nil
}

// landlockRules is a ruleset that is being made.
type landlockRules struct{ fd int }

func newRules(version int) (landlockRules, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: watchedFiles}
	if version >= 2 {
		attr.Handled_access_fs |= watchedFrom2
	}
	if version >= 3 {
		attr.Handled_access_fs |= watchedFrom3
	}
	if version >= 4 {
		attr.Handled_access_net = watchedNet4
	}
	if version >= 5 {
		attr.Handled_access_fs |= watchedFrom5
	}
	if version >= 6 {
		attr.Scoped = scopedFrom6
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return landlockRules{}, fmt.Errorf("confine the worker: make a ruleset: %w", errno)
	}
	unix.CloseOnExec(int(fd))
	return landlockRules{fd: int(fd)}, nil
}

// let lets a path through. One that is not there is left out.
func (r landlockRules) let(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("confine the worker: let %s through: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("confine the worker: let %s through: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &^= unix.LANDLOCK_ACCESS_FS_READ_DIR
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("confine the worker: let %s through: %w", path, errno)
	}
	return nil
}
