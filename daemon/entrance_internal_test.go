package main

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// entered is an entrance that serves, and a caller whom it has let in.
func entered(t *testing.T, handler http.HandlerFunc) (e *entrance, caller net.Conn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e = newEntrance(&http.Server{ReadHeaderTimeout: time.Minute, Handler: handler}, l, 0)
	e.greet, e.limit = time.Minute, time.Minute
	arrived, _ := e.door.next()
	served := make(chan error, 1)
	go func() { served <- e.serve() }()
	if caller, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		caller.Close()
		e.server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	<-arrived
	return e, caller
}

func ask(t *testing.T, caller net.Conn) {
	t.Helper()
	if _, err := caller.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
}

func TestACallerThatIsTooSlowIsNoFaultOfTheStop(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	e, caller := entered(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	e.greet, e.limit = time.Millisecond, time.Millisecond
	ask(t, caller)
	<-asked
	if err := e.drain(slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

// TestACallerWhoWasLetInBeforeTheStopIsAnswered: under a socket unit its like
// waits for the next daemon, and it must not fare worse.
func TestACallerWhoWasLetInBeforeTheStopIsAnswered(t *testing.T) {
	t.Parallel()
	e, caller := entered(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	drained := make(chan error, 1)
	go func() { drained <- e.drain(slog.New(slog.DiscardHandler)) }()
	<-e.ended
	ask(t, caller)
	res, err := http.ReadResponse(bufio.NewReader(caller), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusTeapot || !res.Close {
		t.Errorf("got %v, %v", res.Status, err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", e.listener.Addr().String()); err == nil {
		t.Error("a caller is let in after the stop")
	}
}

func TestACallerWhoSaysNothingHoldsNoStopUp(t *testing.T) {
	t.Parallel()
	e, _ := entered(t, http.NotFound)
	e.greet, e.limit = time.Millisecond, time.Millisecond
	if err := e.drain(slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}
