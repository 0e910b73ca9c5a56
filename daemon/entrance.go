package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// How long a stop waits for callers. greetTime is for those who were let in and
// have not asked yet, drainTime for the requests that are under way then.
const (
	greetTime = 2 * time.Second
	drainTime = 10 * time.Second
)

// entrance is a server with its listener and those who have come in.
type entrance struct {
	server   *http.Server
	listener net.Listener
	door     *door
	// ended is closed when nobody is let in any more.
	ended chan struct{}
	greet time.Duration
	limit time.Duration
}

// newEntrance is one of a server that does not serve yet. most is how many callers
// are let in at one time; 0 for any number.
func newEntrance(s *http.Server, l net.Listener, most int) *entrance {
	return &entrance{server: s, listener: l, door: newDoor(l, s, most), ended: make(chan struct{}), greet: greetTime, limit: drainTime}
}

// serve lets callers in until the entrance is drained.
func (e *entrance) serve() error {
	defer close(e.ended)
	return serveHTTP(e.server, e.listener)
}

// drain lets nobody in any more and answers those who are in, for a bounded time.
// That a caller was slower is no fault of the daemon's end.
//
// [http.Server.Shutdown] alone would hang up on callers who were let in and whose
// request it had not read: with a listener of the service manager, which stays open,
// they would be cut off by a mere restart.
func (e *entrance) drain(log *slog.Logger) error {
	closing := e.listener.Close()
	if errors.Is(closing, net.ErrClosed) {
		closing = nil
	}
	<-e.ended
	e.server.SetKeepAlivesEnabled(false)
	greeting, done := context.WithTimeout(context.Background(), e.greet)
	defer done()
	e.door.emptied(greeting)

	ctx, cancel := context.WithTimeout(context.Background(), e.limit)
	defer cancel()
	err := e.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Info("requests that took too long were cut off", "limit", e.limit)
		err = e.server.Close()
	}
	if err = errors.Join(closing, err); err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

// serveHTTP serves until the server is shut down or its listener closed.
func serveHTTP(s *http.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}
