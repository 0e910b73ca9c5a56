package bolt

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/store"
)

// guard calls bbolt and turns what it does at damage into [store.ErrDamaged]:
// it panics, or it reads past the end of the file, which is a memory fault.
// After either its locks may be held for good and its idea of free pages may be
// wrong. So the store counts as broken from then on: every later call fails at
// once, without a second look at the file. The next start verifies it.
//
// A call whose transaction is under way at that very moment may wait for one of
// bbolt's locks for ever: it fails as well, and what waits is left behind, for the
// process that is about to end. A panic of the caller's own function goes on:
// bbolt has rolled its transaction back.
func (s *Store) guard(work func() error) error {
	if s.broken.Load() {
		return s.brokenError()
	}
	called := make(chan outcome, 1)
	go func() { called <- s.call(work) }()
	select {
	case o := <-called:
		return o.unwrap()
	case <-s.breaks:
	}
	last := time.NewTimer(lastWait)
	defer last.Stop()
	select {
	case o := <-called:
		return o.unwrap()
	case <-last.C:
		return s.brokenError()
	}
}

// lastWait is how long a transaction that is under way when the database breaks
// may take to end.
const lastWait = time.Second

// outcome is how a call ended: with an error, or with a panic that goes on.
type outcome struct {
	err      error
	panicked any
}

func (o outcome) unwrap() error {
	if o.panicked != nil {
		panic(o.panicked)
	}
	return o.err
}

// call is one call of bbolt, in a goroutine of its own.
func (s *Store) call(work func() error) (o outcome) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.doubted.Store(true)
		if found, ok := p.(damage); ok {
			o.err = found.err
			return
		}
		if _, fault := p.(interface{ Addr() uintptr }); !fault && !panickedInBbolt() {
			o.panicked = p
			return
		}
		if !s.broken.Swap(true) {
			close(s.breaks)
		}
		o.err = s.brokenError()
	}()
	return outcome{err: work()}
}

func (s *Store) brokenError() error {
	return fmt.Errorf("%w: a page of %s cannot be read, and the file is not touched any more", store.ErrDamaged, s.path)
}

// panickedInBbolt reports whether the panic that is being recovered began in
// bbolt. It is called by a deferred function.
func panickedInBbolt() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicking := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !inRuntime {
			return strings.HasPrefix(frame.Function, "go.etcd.io/bbolt")
		}
		panicking = panicking || frame.Function == "runtime.gopanic"
		if !more {
			return false
		}
	}
}
