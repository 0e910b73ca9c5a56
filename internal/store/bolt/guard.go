package bolt

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/rosterd/rosterd/internal/store"
)

// guard calls bbolt and turns what it does at damage into [store.ErrDamaged]:
// it panics, or it reads past the end of the file, which is a memory fault.
// After either its locks may be held for good and its idea of free pages may be
// wrong. So the store counts as broken from then on: every later call fails at
// once, without a second look at the file. The next start verifies it.
//
// A call whose transaction is under way at that very moment may wait for one of
// bbolt's locks until the process ends. A panic of the caller's own
// function goes on: bbolt has rolled its transaction back.
func (s *Store) guard(work func() error) (err error) {
	if s.broken.Load() {
		return s.brokenError()
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.doubted.Store(true)
		if found, ok := p.(damage); ok {
			err = found.err
			return
		}
		if _, fault := p.(interface{ Addr() uintptr }); !fault && !panickedInBbolt() {
			panic(p)
		}
		s.broken.Store(true)
		err = s.brokenError()
	}()
	return work()
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
