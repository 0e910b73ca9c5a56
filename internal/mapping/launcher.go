package mapping

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"sync"
)

// ErrClosed is returned for a pool or a mapping that is closed.
var ErrClosed = errors.New("the mapping is closed")

// launcher starts worker processes from one thread that lives as long as they
// do: the kernel's parent-death signal is sent when the starting thread ends,
// and the Go runtime ends threads as it likes. The thread is confined, and what
// it starts is confined with it from its first instruction on.
type launcher struct {
	// program is what all of its processes run.
	program string
	once    sync.Once
	starts  chan start
	stop    chan struct{}
	done    sync.WaitGroup
}

type start struct {
	cmd    *exec.Cmd
	result chan error
}

func newLauncher(program string) *launcher {
	return &launcher{program: program, starts: make(chan start), stop: make(chan struct{})}
}

// run never unlocks its thread, so the thread ends with it, and with it every
// worker that is still there.
func (l *launcher) run() {
	runtime.LockOSThread()
	confined := confineThread(l.program)
	for {
		select {
		case s := <-l.starts:
			if confined != nil {
				s.result <- confined
				continue
			}
			s.result <- s.cmd.Start()
		case <-l.stop:
			return
		}
	}
}

func (l *launcher) start(ctx context.Context, cmd *exec.Cmd) error {
	l.once.Do(func() { l.done.Go(l.run) })
	s := start{cmd: cmd, result: make(chan error, 1)}
	select {
	case l.starts <- s:
		return <-s.result
	case <-l.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the thread. It is called once, after every worker has ended.
func (l *launcher) close() {
	close(l.stop)
	l.done.Wait()
}
