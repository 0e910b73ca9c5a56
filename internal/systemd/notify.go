package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier tells the service manager how the daemon stands. The nil Notifier
// tells nobody. Its methods may be called concurrently.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// NewNotifier reads from the environment whom process pid has to tell. It is
// nil where nobody asked. A watchdog interval that is none, or that is meant for
// another process, counts as no watchdog.
func NewNotifier(getenv func(string) string, pid int) *Notifier {
	socket := getenv("NOTIFY_SOCKET")
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil
	}
	n := &Notifier{socket: socket}
	if whose := getenv("WATCHDOG_PID"); whose != "" && whose != strconv.Itoa(pid) {
		return n
	}
	const longest = 24 * time.Hour
	micros, err := strconv.ParseUint(getenv("WATCHDOG_USEC"), 10, 63)
	if err == nil && micros <= uint64(longest/time.Microsecond) {
		n.watchdog = time.Duration(micros) * time.Microsecond
	}
	return n
}

// Watchdog is how often [Notifier.Alive] is awaited at least; 0 for never.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the daemon answers, or does so again after a reload, and how
// it stands in one line.
func (n *Notifier) Ready(status string) error { return n.send("READY=1", statusLine(status)) }

// Status says in one line how the daemon stands.
func (n *Notifier) Status(status string) error { return n.send(statusLine(status)) }

// Alive feeds the watchdog.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// Extend asks for d more, from now on, for the start or stop under way.
func (n *Notifier) Extend(d time.Duration) error {
	return n.send("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

// Reloading says that the daemon takes up a changed configuration.
// [Notifier.Ready] has to follow, whatever came of it.
func (n *Notifier) Reloading() error {
	if n == nil {
		return nil
	}
	// The manager compares this with its own reading of the same clock.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/int64(time.Microsecond), 10))
}

// Stopping says that the daemon ends. The watchdog is fed once more with it, so
// that the requests under way have its whole interval.
func (n *Notifier) Stopping() error {
	return n.send("STOPPING=1", "WATCHDOG=1", statusLine("stopping"))
}

// statusLine keeps a status to one line: a second one would be another message.
func statusLine(status string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, status)
}

// sendTime bounds how long a manager that reads nothing holds the daemon up.
const sendTime = time.Second

// send tells everything in one message, so that it is taken up together.
func (n *Notifier) send(lines ...string) error {
	if n == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(deadline(sendTime)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// deadline is a moment by the process's own clock, as the runtime wants it.
func deadline(d time.Duration) time.Time {
	return time.Now().Add(d) //nolint:forbidigo // A bound of one system call, which no test has to move.
}
