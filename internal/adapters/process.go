package adapters

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipeGrace is how long the output of an ended process is read on while a
// process that it left behind holds the pipes open.
const pipeGrace = 500 * time.Millisecond

// maxLine bounds one line of an adapter's output; the rest of it is dropped.
const maxLine = 16 << 10

// killGrace is how long a keeper may take to end its adapter before it is
// killed itself; the kernel then kills the adapter, but not what that started.
const killGrace = time.Second

// process is one running adapter program with its keeper, of which cmd is the
// command. It is go-plugin's runner.Runner: go-plugin sees of the program's
// output only a handshake that was checked.
type process struct {
	name    string
	cmd     *exec.Cmd
	program *program
	orders  orders
	// life is inherited, so that the next host knows when the process is gone.
	life    *os.File
	dir     string
	starter *starter
	logger  *slog.Logger
	// quit ends the wait for the handshake; limit bounds the wait for the end.
	quit  <-chan struct{}
	limit time.Duration
	lines *lineLog

	// parent is the end of the pipe that tells the adapter of our end.
	parent *os.File
	// control is where the keeper's orders are written.
	control   *os.File
	handshake string

	mu     sync.Mutex
	reaped bool
	// harder kills a keeper that was asked to end.
	harder *time.Timer
	// exited is closed when the process is gone and its output was read;
	// exitErr may be read then.
	exited  chan struct{}
	exitErr error
}

// Start starts the program and waits for its handshake until ctx ends or the
// host is closed. After an error nothing of it is left running.
func (p *process) Start(ctx context.Context) error {
	stdout, stderr, err := p.spawn()
	if err != nil {
		p.clear()
		close(p.exited)
		return fmt.Errorf("%w: %s: %w", ErrStart, p.name, err)
	}
	first := make(chan string, 1)
	go p.supervise(stdout, stderr, first)
	if err := p.admit(ctx, first); err != nil {
		p.kill()
		p.waitExit(p.limit)
		return err
	}
	return nil
}

// admit lets the program run once it was verified, waits for its handshake and
// makes sure that it was not written to meanwhile. The keeper gets ready while
// the program is read.
func (p *process) admit(ctx context.Context, first <-chan string) error {
	err := p.program.verify()
	if err == nil {
		err = p.command(ctx)
	}
	if err = errors.Join(err, p.control.Close()); err != nil {
		return err
	}
	if err := p.awaitHandshake(ctx, first); err != nil {
		return err
	}
	return p.program.confirm()
}

// command gives the keeper its orders.
func (p *process) command(ctx context.Context) error {
	text, err := json.Marshal(p.orders)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStart, p.name, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = p.control.SetWriteDeadline(deadline)
	}
	if err == nil {
		_, err = p.control.Write(text)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return p.late()
	case err != nil:
		return fmt.Errorf("%w: %s: give its keeper orders: %w", ErrStart, p.name, err)
	}
	return nil
}

// spawn starts the keeper with pipes and returns the ends to read from.
func (p *process) spawn() (stdout, stderr *os.File, err error) {
	var all [8]*os.File
	for i := 0; i < len(all); i += 2 {
		if all[i], all[i+1], err = os.Pipe(); err != nil {
			closeAll(all[:i]...)
			return nil, nil, err
		}
	}
	p.cmd.Stdin, p.parent = all[0], all[1]
	stdout, p.cmd.Stdout = all[2], all[3]
	stderr, p.cmd.Stderr = all[4], all[5]
	p.cmd.ExtraFiles, p.control = []*os.File{all[6], p.program.file, p.life}, all[7]
	if err := p.starter.start(p.cmd); err != nil {
		closeAll(all[:]...)
		return nil, nil, err
	}
	closeAll(all[0], all[3], all[5], all[6])
	return stdout, stderr, nil
}

func (p *process) awaitHandshake(ctx context.Context, first <-chan string) error {
	select {
	case p.handshake = <-first:
		return checkHandshake(p.name, p.handshake, p.dir)
	case <-p.exited:
		return fmt.Errorf("%w: %s ended before it was ready (%s); the log has what it printed", ErrStart, p.name, p.status())
	case <-ctx.Done():
		return p.late()
	case <-p.quit:
		return fmt.Errorf("%w: %s: the host is %w", ErrStart, p.name, ErrClosed)
	}
}

func (p *process) late() error {
	return fmt.Errorf("%w: %s was not ready in time; the log has what it printed", ErrStart, p.name)
}

// supervise reads the output until the process is gone, and reaps it.
func (p *process) supervise(stdout, stderr *os.File, first chan<- string) {
	var readers sync.WaitGroup
	readers.Go(func() { p.readStdout(stdout, first) })
	readers.Go(func() { eachLine(stderr, p.lines.stderr) })
	p.reap()
	read := make(chan struct{})
	go func() { readers.Wait(); close(read) }()
	grace := time.NewTimer(pipeGrace)
	select {
	case <-read:
	case <-grace.C:
	}
	grace.Stop()
	closeAll(stdout, stderr, p.parent)
	<-read
	p.clear()
	close(p.exited)
}

// clear removes the process's sockets.
func (p *process) clear() {
	if err := os.RemoveAll(p.dir); err != nil {
		p.logger.Warn("the sockets of an adapter could not be removed", "error", err.Error())
	}
}

// reap waits for the keeper. Its id is given free under the lock, so that no
// signal reaches another process that gets it.
func (p *process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exitErr = p.cmd.Wait()
	p.reaped = true
	if p.harder != nil {
		p.harder.Stop()
	}
}

// kill ends the adapter and everything that it started at once. That is the
// keeper's work; a keeper that is too slow is killed itself.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.harder != nil {
		return
	}
	p.signal(syscall.SIGTERM)
	p.harder = time.AfterFunc(killGrace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.signal(syscall.SIGKILL)
	})
}

// signal sends the keeper a signal; p.mu is held.
func (p *process) signal(s syscall.Signal) {
	if p.reaped || p.cmd.Process == nil {
		return
	}
	if err := syscall.Kill(p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.logger.Error("an adapter could not be killed", "error", err.Error())
	}
}

// waitExit waits for the end and reports whether it came in time.
func (p *process) waitExit(limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// ending says how the process ended, or that it did not.
func (p *process) ending() string {
	if p.alive() {
		return "killed"
	}
	return p.status()
}

// status says how an exited process ended ("exit status 1").
func (p *process) status() string {
	if p.cmd.ProcessState == nil {
		return "not started"
	}
	if code := p.cmd.ProcessState.ExitCode(); code > exitSignal {
		return "signal: " + syscall.Signal(code-exitSignal).String()
	}
	return p.cmd.ProcessState.String()
}

// readStdout finds the handshake and logs everything else.
func (p *process) readStdout(r io.Reader, first chan<- string) {
	found := false
	eachLine(r, func(line []byte) {
		if !found && handshakeLine.Match(line) {
			found = true
			first <- string(line)
			return
		}
		p.lines.text(line)
	})
}

// eachLine calls f with every line of r, cut to maxLine.
func eachLine(r io.Reader, f func([]byte)) {
	br := bufio.NewReaderSize(r, maxLine)
	rest := false
	for {
		line, more, err := br.ReadLine()
		if err != nil {
			return
		}
		if !rest && len(line) > 0 {
			f(line)
		}
		rest = more
	}
}

// Wait waits until the process is gone.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.exitErr
}

// Kill ends the adapter and everything that it started.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// Stdout returns the checked handshake alone.
func (p *process) Stdout() io.ReadCloser { return io.NopCloser(strings.NewReader(p.handshake + "\n")) }

// Stderr returns nothing: the output is read and logged by this package.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name returns the path of the program.
func (p *process) Name() string { return p.program.path }

// ID returns the process id of the keeper.
func (p *process) ID() string { return strconv.Itoa(p.cmd.Process.Pid) }

// Diagnose returns nothing: the errors of Start say what is wrong.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost returns the address as it is: both share the file system.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	return network, addr, nil
}

// HostToPlugin returns the address as it is.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
