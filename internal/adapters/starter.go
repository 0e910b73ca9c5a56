package adapters

import (
	"os/exec"
	"runtime"
	"syscall"
)

// starter starts processes that die with the daemon. The kernel sends the
// parent-death signal when the thread ends that started the process, not when
// the whole process does: every start is made on one thread, which a goroutine
// holds until the host is closed.
type starter struct {
	jobs chan func()
	done chan struct{}
}

func newStarter() *starter {
	s := &starter{jobs: make(chan func()), done: make(chan struct{})}
	go s.loop()
	return s
}

// loop ends without giving its thread back: the runtime ends the thread, and
// the kernel tells the keepers of what could not be stopped.
func (s *starter) loop() {
	runtime.LockOSThread()
	defer close(s.done)
	for job := range s.jobs {
		job()
	}
}

// start starts a keeper in a process group of its own. The signal of its
// parent's death is one that it can act on. It is not called after close.
func (s *starter) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	result := make(chan error, 1)
	s.jobs <- func() { result <- cmd.Start() }
	return <-result
}

func (s *starter) close() {
	close(s.jobs)
	<-s.done
}
