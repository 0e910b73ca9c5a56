package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/systemd"
)

// socketPublic is the name of the public listener's socket in its unit.
const socketPublic = "public"

// passedListener takes the public listener that systemd opened, or nil where it
// opened none. It is called before any process is started, which would inherit
// it.
func passedListener(getenv func(string) string) (net.Listener, error) {
	sockets, err := systemd.Sockets(getenv, os.Getpid(), socketPublic)
	if err != nil {
		return nil, &roster.Fault{Code: codeSocket, Message: err.Error(), Hint: "compare rosterd.socket and its drop-ins with the unit of the package: `systemctl cat rosterd.socket`"}
	}
	return sockets[socketPublic], nil
}

// codeSocket says that the passed sockets are not what the daemon knows.
const codeSocket = "listen.socket"

// tell logs that the service manager was not told something. What comes of
// that is the manager's affair: the daemon goes on.
func tell(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("the service manager could not be told", "err", err)
	}
}

// How the service manager is asked for patience: again before the time that it
// gave is over, and not for ever, so that a start that hangs is ended.
const (
	extendBy     = 30 * time.Second
	extendEvery  = 10 * time.Second
	extendAtMost = time.Hour
)

// patiently does work that may take longer than a start may, such as verifying
// or migrating a large database.
func patiently(manager *systemd.Notifier, log *slog.Logger, work func() error) error {
	if manager == nil {
		return work()
	}
	done := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(extendEvery)
		defer tick.Stop()
		for range extendAtMost / extendEvery {
			tell(log, manager.Extend(extendBy))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	defer asking.Wait()
	defer close(done)
	return work()
}

// checkAdapters warns of each adapter in use that could not be started. It stops
// its own connections and nothing else, so that the daemon starts without it.
func (p *parts) checkAdapters() {
	for _, name := range p.usedAdapters() {
		if err := p.host.Check(name); err != nil {
			p.log.Warn("runs that need this adapter will fail", "adapter", name, "err", err)
		}
	}
}

// statusText is one line for `systemctl status`, or "" where it could not be
// found out.
func (p *parts) statusText(ctx context.Context) string {
	s, err := operations{p}.Status(ctx)
	if err != nil {
		return ""
	}
	return oneLine(s)
}

func oneLine(s admin.Status) string {
	running := 0
	var next time.Time
	for _, job := range s.Jobs {
		if job.Running != nil {
			running++
		}
		if job.Next != nil && (next.IsZero() || job.Next.Before(next)) {
			next = *job.Next
		}
	}
	parts := []string{counted(len(s.Jobs), "job"), fmt.Sprintf("%d running", running)}
	if n := len(s.Problems); n > 0 {
		parts = append(parts, counted(n, "problem")+" (rosterd status)")
	}
	if !next.IsZero() {
		parts = append(parts, "next run "+next.Format("Mon 15:04 MST"))
	}
	return strings.Join(parts, ", ")
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
