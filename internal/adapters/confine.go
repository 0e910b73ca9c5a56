package adapters

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What Landlock is asked to watch over, by what an adapter may do there. Rights
// that belong to folders alone are left out of the rules of plain files.
const (
	mayRead = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayRun  = mayRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	mayUse  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	mayMake = mayRead | mayUse | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER

	ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | mayUse
	watched = mayRun | mayMake | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// systemRun holds the libraries, and the interpreters of adapters that are
// scripts.
func systemRun() []string {
	return []string{
		"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/local/lib",
		"/bin", "/usr/bin", "/usr/local/bin", "/nix/store", "/gnu/store",
	}
}

// systemRead holds what programs need to know of the system: certificates, time
// zones, how names are looked up, and what the machine has. Nothing of a
// process stands here: /proc/self would be the keeper's.
func systemRead() []string {
	return append([]string{
		"/usr/share", "/usr/local/share", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies",
		"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/mime.types", "/etc/timezone",
		"/run/systemd/resolve", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage",
		"/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/osrelease",
	}, systemFiles()...)
}

// systemFiles are files of the system that are replaced while adapters run. A
// rule lets a file through and not its name, so that a process with an old one
// has to be replaced as well.
func systemFiles() []string {
	return []string{
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
		"/etc/services", "/etc/protocols", "/etc/localtime",
	}
}

func systemUse() []string {
	return []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}
}

// Landlock is the version of Landlock that the kernel has, with which adapters are
// confined; 0 for none.
func Landlock() int { return landlockVersion() }

// landlockVersion is the version of Landlock that the kernel has, 0 for none.
// It is 1 in Linux 5.13 and is switched off on some systems that have it.
func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// handled are the rights that a version knows (landlock(7)). What a version
// does not know it does not restrict.
func handled(version int) uint64 {
	known := uint64(watched)
	if version < 2 {
		known &^= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version < 3 {
		known &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version < 5 {
		known &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return known
}

// scopedFrom is the version that can keep a process from sending signals to,
// and from reaching abstract sockets of, processes outside.
const scopedFrom = 6

// confine restricts the calling thread and what it starts. It takes raw calls:
// the libraries for it restrict every thread of the process, and the keeper's
// others have to remain free.
func (o orders) confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	if !o.Confine {
		return nil
	}
	rules, err := newRuleset(landlockVersion())
	if err != nil {
		return err
	}
	defer rules.close()
	for _, let := range []struct {
		paths  []string
		rights uint64
	}{
		{systemRun(), mayRun},
		{systemRead(), mayRead},
		{systemUse(), mayUse},
		{o.Read, mayRead},
		{o.Write, mayMake},
	} {
		for _, path := range let.paths {
			if err := rules.let(path, let.rights); err != nil {
				return fmt.Errorf("confine: let %s through: %w", path, err)
			}
		}
	}
	if err := rules.letOpen(keeperProgram, mayRun); err != nil {
		return fmt.Errorf("confine: let the program through: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules.fd), 0, 0); errno != 0 {
		return fmt.Errorf("confine: %w", errno)
	}
	return nil
}

// ruleset is a Landlock ruleset that is being made.
type ruleset struct {
	fd    int
	known uint64
}

func newRuleset(version int) (ruleset, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled(version)}
	if version >= scopedFrom {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return ruleset{}, fmt.Errorf("confine: make a ruleset: %w", errno)
	}
	unix.CloseOnExec(int(fd))
	return ruleset{fd: int(fd), known: attr.Handled_access_fs}, nil
}

func (r ruleset) close() { _ = unix.Close(r.fd) }

// let lets a path through. One that is not there, or that the daemon itself may
// not see, is left out.
func (r ruleset) let(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil
	case err != nil:
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return r.letOpen(fd, rights)
}

func (r ruleset) letOpen(fd int, rights uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.known, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
