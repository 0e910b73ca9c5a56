package mapping

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// startDeadline bounds the start of a worker process with its script.
const startDeadline = 10 * time.Second

// ending says why a worker process ended.
type ending string

const (
	endNone     ending = ""
	endDeadline ending = "deadline"
	endMemory   ending = "memory"
	endCrash    ending = "crash"
	endStopped  ending = "stopped"
)

// endedError is returned by a call on a process that ended before it answered.
type endedError struct {
	why ending
	// row is the row at hand where it is known.
	row   int
	known bool
}

func (e *endedError) Error() string { return "the mapping worker ended: " + string(e.why) }

// process is one worker process with its pipes. It serves one call at a time.
type process struct {
	cmd      *exec.Cmd
	in, out  *os.File
	progress []byte
	stderr   *headBuffer
	sequence uint32
}

// startWorker is startProcess with a second try for a worker that ended for no
// known reason.
func (m *Mapping) startWorker(ctx context.Context) (*process, error) {
	p, err := m.startProcess(ctx)
	if ended, ok := errors.AsType[*endedError](err); ok && ended.why == endCrash {
		p, err = m.startProcess(ctx)
	}
	ended, ok := errors.AsType[*endedError](err)
	if !ok || ended.why == endStopped {
		return p, err
	}
	return nil, &ScriptError{
		File: m.request.Script.Name, Message: "the worker process ended while it loaded the script (" + string(ended.why) + ")",
		Hint: "only declare functions and tables outside of `map`",
	}
}

// startProcess starts a worker through the launcher's thread and hands it the
// script. It returns a [ScriptError] when the script is at fault.
func (m *Mapping) startProcess(ctx context.Context) (*process, error) {
	p, err := m.pool.spawn(ctx)
	if err != nil {
		return nil, fmt.Errorf("start a mapping worker: %w", err)
	}
	request, err := json.Marshal(m.request)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	kind, body, err := p.call(ctx, m.closed, startDeadline, frameLoad, request)
	switch {
	case err != nil:
		return nil, errors.Join(err, p.end())
	case kind == frameFault:
		return nil, errors.Join(parseFault(body), p.end())
	case kind != frameLoaded:
		return nil, errors.Join(errFrame, p.end())
	}
	return p, nil
}

func (p *Pool) spawn(ctx context.Context) (*process, error) {
	if len(p.opts.Command) == 0 {
		return nil, errors.New("no worker command is set")
	}
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), ourIn.Close())
	}
	w := &process{in: ourIn, out: ourOut, stderr: &headBuffer{}}
	w.cmd = exec.Command(p.opts.Command[0], p.opts.Command[1:]...) //nolint:gosec,noctx // The operator's own program; its life is longer than a call's.
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr, w.cmd.Env = theirIn, theirOut, w.stderr, []string{}
	isolate(w.cmd)
	inherited := []*os.File{theirIn, theirOut}
	if file, memory, err := p.progress(); err == nil {
		w.cmd.ExtraFiles, w.progress = []*os.File{file}, memory
		inherited = append(inherited, file)
	}
	err = p.launcher.start(ctx, w.cmd)
	for _, file := range inherited {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return nil, errors.Join(err, w.end())
	}
	return w, nil
}

// call sends one frame and waits for the answer. A watchdog kills the process
// when the row at hand does not advance within limit; the call then fails with
// an [endedError], and the process is of no more use.
func (p *process) call(ctx context.Context, closed <-chan struct{}, limit time.Duration, kind byte, parts ...[]byte) (byte, []byte, error) {
	answered, killed := make(chan struct{}), make(chan ending, 1)
	go func() { killed <- p.watch(ctx, closed, answered, limit) }()
	err := writeFrame(p.in, kind, parts...)
	var answer byte
	var body []byte
	if err == nil {
		answer, body, err = readFrame(p.out, nil)
	}
	close(answered)
	why := <-killed
	if err == nil {
		return answer, body, nil
	}
	if errors.Is(err, errFrame) {
		return 0, nil, err
	}
	if why == endNone {
		why = p.diagnose()
	}
	row, known := progressRow(loadWord(p.progress), p.sequence)
	return 0, nil, &endedError{why: why, row: row, known: known}
}

// watchTicks is how many looks at the progress make a deadline. Counting looks
// and not time is lenient where the daemon itself was not run.
const watchTicks = 16

// lenience is how many deadlines a worker gets by the clock while it is hardly
// run: on a machine that is too busy its record is not at fault.
const lenience = 4

// overdue reports whether a record that was seen at hand so many times, while
// its worker used so much of a processor, has had its time.
func overdue(looks int, used, limit time.Duration) bool {
	return looks > lenience*watchTicks || looks > watchTicks && used >= limit/2
}

// watch kills the process when it makes no progress or is not wanted any more.
func (p *process) watch(ctx context.Context, closed, answered <-chan struct{}, limit time.Duration) ending {
	ticker := time.NewTicker(max(limit/watchTicks, time.Millisecond))
	defer ticker.Stop()
	last, looks, began := loadWord(p.progress), 0, p.used()
	for {
		select {
		case <-answered:
			return endNone
		case <-ctx.Done():
			p.kill()
			return endStopped
		case <-closed:
			p.kill()
			return endStopped
		case <-ticker.C:
		}
		if word := loadWord(p.progress); word != last {
			last, looks, began = word, 0, p.used()
			continue
		}
		if looks++; overdue(looks, p.used()-began, limit) {
			p.kill()
			return endDeadline
		}
	}
}

// used is how long the worker was run so far.
func (p *process) used() time.Duration {
	if p.cmd.Process == nil {
		return 0
	}
	return processorTime(p.cmd.Process.Pid)
}

// kill ends the process group. A process that is gone already is what was
// wanted.
func (p *process) kill() {
	if p.cmd.Process != nil {
		_ = killGroup(p.cmd.Process.Pid)
	}
}

// diagnose waits for a process that closed its pipes and says why it ended: the
// Go runtime names a failed allocation on the error output.
func (p *process) diagnose() ending {
	p.kill()
	_ = p.cmd.Wait() // The state below says more than the error.
	if p.stderr.contains("out of memory", "cannot allocate memory", "stack exceeds", "failed to create new OS thread", "failed to allocate") {
		return endMemory
	}
	return endCrash
}

// end kills the process, waits for it and frees what it held.
func (p *process) end() error {
	p.kill()
	if p.cmd.Process != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Wait() // It was killed: the error says nothing else.
	}
	err := errors.Join(p.in.Close(), p.out.Close(), unmapProgress(p.progress))
	p.progress = nil
	return err
}

// headBuffer keeps the beginning of what a worker writes to its error output.
// It is only searched, never shown: a crash report may hold values of records.
type headBuffer struct{ head bytes.Buffer }

const maxHead = 8 << 10

// Write keeps what fits and takes everything.
func (b *headBuffer) Write(p []byte) (int, error) {
	if room := maxHead - b.head.Len(); room > 0 {
		b.head.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// contains is called after the process was waited for, so nothing writes.
func (b *headBuffer) contains(texts ...string) bool {
	for _, text := range texts {
		if bytes.Contains(b.head.Bytes(), []byte(text)) {
			return true
		}
	}
	return false
}
