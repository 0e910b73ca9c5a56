package adapters

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// KeeperCommand is the argument that makes the daemon's program a keeper:
// [Keep] is the rest of that process.
const KeeperCommand = "adapter-keeper"

// The files that a keeper is started with beside the adapter's own three.
const (
	keeperOrders  = 3
	keeperProgram = 4
	keeperLife    = 5
)

// The exit codes of a keeper that are not its adapter's. A signal that ended
// the adapter is added to exitSignal, as shells do.
const (
	exitKeeper = 125
	exitSignal = 128
)

// sweepLimit bounds how long a keeper tries to end what its adapter left.
const sweepLimit = 2 * time.Second

// maxFiles is how many files an adapter may have open at the same time.
const maxFiles = 4096

// orders are what a keeper is told once its program was verified.
type orders struct {
	// Program is the path of the program, as the adapter sees it in its
	// arguments. What is executed is the open file.
	Program string `json:"program"`
	// Confine says whether Landlock is used; Read and Write are what it lets
	// through beside the system's own files.
	Confine bool     `json:"confine"`
	Read    []string `json:"read"`
	Write   []string `json:"write"`
}

// Keep is the whole of a keeper's process and returns its exit code. A keeper
// stands between the daemon and one adapter. It waits for its orders, which
// come when the program was verified, confines and starts the program, and
// ends with the adapter's exit code. It is the subreaper of everything that the
// adapter starts, whatever session or group that moves to, and ends all of it
// when the adapter ends or the daemon does, however the daemon was killed.
func Keep() int {
	if err := keep(); err != nil {
		if e, ok := errors.AsType[endedError](err); ok {
			return e.code
		}
		report(err)
		return exitKeeper
	}
	return 0
}

// endedError is the end of an adapter that was not a success.
type endedError struct{ code int }

func (e endedError) Error() string { return "exit status " + strconv.Itoa(e.code) }

// report writes a line that the daemon logs as an error.
func report(err error) {
	line, _ := json.Marshal(map[string]string{"@level": "error", "@message": "keeper of an adapter: " + err.Error()})
	fmt.Fprintf(os.Stderr, "%s\n", line)
}

func keep() error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM)
	// Ignored signals would be ignored by the adapter as well.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGHUP)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the subreaper: %w", err)
	}
	o, err := readOrders()
	if err != nil {
		return err
	}
	if err := limitResources(); err != nil {
		return err
	}
	adapter, err := o.start()
	if err != nil {
		return fmt.Errorf("start %s: %w", o.Program, err)
	}
	hungUp := make(chan struct{})
	go func() { awaitHangUp(); close(hungUp) }()
	go func() {
		select {
		case <-end:
		case <-hungUp:
		}
		adapter.kill()
	}()
	debug.FreeOSMemory()
	status := awaitEnd(adapter.pid)
	sweep()
	return asError(status)
}

// readOrders waits for the orders. Their end without any says that the daemon
// did not find the program fit to run, or is gone.
func readOrders() (orders, error) {
	unix.CloseOnExec(keeperOrders)
	unix.CloseOnExec(keeperProgram)
	unix.CloseOnExec(keeperLife)
	var o orders
	in := os.NewFile(keeperOrders, "orders")
	text, err := io.ReadAll(in)
	if err = errors.Join(err, in.Close()); err != nil {
		return o, fmt.Errorf("read orders: %w", err)
	}
	if len(text) == 0 {
		return o, endedError{code: exitKeeper}
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return o, fmt.Errorf("read orders: %w", err)
	}
	return o, nil
}

// limitResources bounds what the adapter inherits: no core dumps, in which
// personal data would lie about, and a bounded number of open files.
func limitResources() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("limit open files: %w", err)
	}
	files.Max = min(files.Max, maxFiles)
	files.Cur = files.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("limit open files: %w", err)
	}
	return nil
}

// start starts the adapter from a thread that is confined first and then kept:
// confinement is a property of the thread, which its children inherit, and the
// kernel sends the parent-death signal when the thread ends.
func (o orders) start() (child, error) {
	type result struct {
		adapter child
		err     error
	}
	started := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := o.confine(); err != nil {
			started <- result{err: err}
			return
		}
		adapter, err := o.execute()
		started <- result{adapter: adapter, err: err}
		select {}
	}()
	r := <-started
	return r.adapter, r.err
}

// execute runs the open file, not the path, which may name another one by this
// time. An interpreter opens its script once more, by the name that it is given:
// a script's file stays open in the adapter.
func (o orders) execute() (child, error) {
	files := []uintptr{0, 1, 2}
	name := "/proc/self/fd/" + strconv.Itoa(keeperProgram)
	var mark [2]byte
	if _, err := unix.Pread(keeperProgram, mark[:], 0); err != nil {
		return child{}, err
	}
	if string(mark[:]) == "#!" {
		files = append(files, keeperProgram)
		name = "/proc/self/fd/" + strconv.Itoa(len(files)-1)
	}
	files = append(files, keeperLife)
	started := child{handle: -1}
	var err error
	started.pid, _, err = syscall.StartProcess(name, []string{o.Program}, &syscall.ProcAttr{
		Files: files, Env: os.Environ(),
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL, PidFD: &started.handle},
	})
	return started, err
}

// child is a started adapter. Its handle (pidfd_open(2)) stands for the process
// also when the id was given to another; -1 where the kernel has none.
type child struct{ pid, handle int }

// kill ends the adapter at once, if it has not ended by itself.
func (c child) kill() {
	if c.handle < 0 {
		_ = unix.Kill(c.pid, unix.SIGKILL)
		return
	}
	_ = unix.PidfdSendSignal(c.handle, unix.SIGKILL, nil, 0)
}

// awaitHangUp returns when the daemon's end of the standard input is closed.
// It reads nothing: the adapter has the same input.
func awaitHangUp() {
	for {
		fds := []unix.PollFd{{Fd: 0}}
		if n, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) || n > 0 {
			return
		}
	}
}

// awaitEnd waits for the adapter, and reaps whatever else ends meanwhile.
func awaitEnd(adapter int) unix.WaitStatus {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if pid == adapter || err != nil && !errors.Is(err, unix.EINTR) {
			return status
		}
	}
}

func asError(status unix.WaitStatus) error {
	switch {
	case status.Signaled():
		return endedError{code: exitSignal + int(status.Signal())}
	case status.ExitStatus() != 0:
		return endedError{code: status.ExitStatus()}
	}
	return nil
}

// sweep ends what the adapter left behind: plain children and those that moved
// to sessions of their own. Each that dies hands its own children on to the
// keeper, so that the rounds end when nothing is left.
func sweep() {
	for deadline := time.Now().Add(sweepLimit); ; time.Sleep(time.Millisecond) { //nolint:forbidigo // A keeper is a process of its own.
		if reapAll() {
			return
		}
		for _, pid := range descendants(os.Getpid()) {
			_ = unix.Kill(pid, unix.SIGKILL) // It may have ended meanwhile.
		}
		if time.Now().After(deadline) { //nolint:forbidigo // As above.
			report(fmt.Errorf("processes that the adapter started are still there: %d", descendants(os.Getpid())))
			return
		}
	}
}

// reapAll reaps the children that have ended and reports whether none is left.
func reapAll() bool {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			return true
		case err == nil && pid == 0:
			return false
		}
	}
}

// descendants lists the processes below one.
func descendants(root int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in parentheses may hold anything; the state and the parent
		// follow it.
		rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	below := children[root]
	for i := 0; i < len(below); i++ {
		below = append(below, children[below[i]]...)
	}
	return below
}
