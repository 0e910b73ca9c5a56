package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstSocket is the file with which the passed sockets begin.
const firstSocket = 3

// maxSockets bounds how many sockets are taken at all.
const maxSockets = 64

// ErrSockets says that what the service manager passed is not what the daemon
// knows. The socket unit has to be mended.
var ErrSockets = errors.New("sockets passed by the service manager")

// Sockets takes the TCP sockets that were opened for process pid, by the name
// that each has in its unit (FileDescriptorName=). known are the names that the
// daemon has a use for; each may be passed once. Whatever is returned, no
// process that is started afterwards inherits one: call it before any is. The
// caller closes the listeners. Errors wrap [ErrSockets].
func Sockets(getenv func(string) string, pid int, known ...string) (map[string]net.Listener, error) {
	return take(getenv, pid, firstSocket, known)
}

// take takes the sockets from file number first on.
func take(getenv func(string) string, pid, first int, known []string) (found map[string]net.Listener, err error) {
	count, err := passed(getenv, pid)
	if err != nil || count == 0 {
		return nil, err
	}
	found = map[string]net.Listener{}
	defer func() {
		if err != nil {
			for _, l := range found {
				l.Close()
			}
			found = nil
		}
	}()
	files := make([]*os.File, count)
	for i := range files {
		unix.CloseOnExec(first + i)
		files[i] = os.NewFile(uintptr(first+i), "socket "+strconv.Itoa(i+1))
		defer files[i].Close()
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	if len(names) != count {
		return found, fmt.Errorf("%w: %d sockets have %d names: set FileDescriptorName= in each unit", ErrSockets, count, len(names))
	}
	for i, name := range names {
		switch {
		case !slices.Contains(known, name):
			return found, fmt.Errorf("%w: one is called %q; write FileDescriptorName=%s", ErrSockets, name, strings.Join(known, " or "))
		case found[name] != nil:
			return found, fmt.Errorf("%w: two are called %q; keep one ListenStream= of them", ErrSockets, name)
		}
		if found[name], err = listener(files[i]); err != nil {
			delete(found, name)
			return found, fmt.Errorf("%w: %q: %w", ErrSockets, name, err)
		}
	}
	return found, nil
}

// passed is how many sockets were passed to process pid.
func passed(getenv func(string) string, pid int) (int, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return 0, nil
	}
	count, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || count < 0 || count > maxSockets {
		return 0, fmt.Errorf("%w: LISTEN_FDS is not a number from 0 to %d", ErrSockets, maxSockets)
	}
	return count, nil
}

// listener makes a listener of a copy of the file.
func listener(file *os.File) (net.Listener, error) {
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("it is no socket that listens: write ListenStream= and Accept=no: %w", err)
	}
	if _, ok := l.(*net.TCPListener); !ok {
		return nil, errors.Join(errors.New("it is no TCP socket: write ListenStream= with a port or an address and a port"), l.Close())
	}
	return l, nil
}
