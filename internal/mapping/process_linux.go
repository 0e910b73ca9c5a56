package mapping

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// progressSize is the size of the shared memory; only its first word is used.
const progressSize = 4096

// newProgress makes the shared memory of one worker. The parent keeps the
// mapping, the worker inherits the file.
func newProgress() (*os.File, []byte, error) {
	fd, err := unix.MemfdCreate("rosterd-map", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("make shared memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "progress")
	if err := file.Truncate(progressSize); err != nil {
		return nil, nil, fmt.Errorf("size shared memory: %w", errors.Join(err, file.Close()))
	}
	memory, err := unix.Mmap(fd, 0, progressSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map shared memory: %w", errors.Join(err, file.Close()))
	}
	return file, memory, nil
}

// mapProgress opens the worker's side, or returns nil where there is none.
func mapProgress(file *os.File) *uint64 {
	if file == nil {
		return nil
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil || stat.Size != progressSize {
		return nil
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, progressSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return word(memory)
}

// word is the progress word of the shared memory, which is aligned to a page.
func word(memory []byte) *uint64 { return (*uint64)(unsafe.Pointer(unsafe.SliceData(memory))) }

func loadWord(memory []byte) uint64 {
	if memory == nil {
		return 0
	}
	return atomic.LoadUint64(word(memory))
}

func unmapProgress(memory []byte) error {
	if memory == nil {
		return nil
	}
	return unix.Munmap(memory)
}

// isolate makes a command's process its own group, which dies with the thread
// that started it.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends a worker and whatever it started.
func killGroup(pid int) error { return unix.Kill(-pid, unix.SIGKILL) }

// processorTime is how long all threads of a process were run so far, 0 where
// that cannot be known. The clock's number is made as the kernel's header
// posix-timers.h does: the complement of the process id and CPUCLOCK_SCHED.
func processorTime(pid int) time.Duration {
	const scheduled = 2
	var spec unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &spec); err != nil { //nolint:gosec // A process id is far below the limit.
		return 0
	}
	return time.Duration(spec.Nano())
}

// arenaBytes is the step in which the Go runtime reserves address space.
const arenaBytes = 64 << 20

// limitProcess bounds the process at hand. It runs after the start because the
// Go runtime reserves more address space than any useful limit. The data limit
// counts what the heap takes; the address space limit, one step of the runtime
// further out, holds where a kernel does not count mapped memory as data. The
// process opens no file after this, writes none and leaves no core with
// personal data.
func limitProcess(memory int64) error {
	space, data, err := processSize()
	if err != nil {
		return err
	}
	limits := []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_DATA, data + uint64(memory)},
		{unix.RLIMIT_AS, space + uint64(memory) + arenaBytes},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_FSIZE, 0},
		{unix.RLIMIT_NOFILE, 0},
	}
	debug.SetMemoryLimit(memory)
	for _, l := range limits {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit the worker process: %w", err)
		}
	}
	return nil
}

// processSize returns the bytes of address space and of data that the process
// has.
func processSize() (space, data uint64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, fmt.Errorf("read the worker's size: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*uint64{"VmSize": &space, "VmData": &data}[name]
		if into == nil {
			continue
		}
		kilobytes, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 54)
		if err != nil {
			return 0, 0, fmt.Errorf("read the worker's %s: %w", name, err)
		}
		*into = kilobytes << 10
	}
	if space == 0 || data == 0 {
		return 0, 0, errors.New("read the worker's size: /proc/self/status names none")
	}
	return space, data, nil
}
