package adapters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// steady is how long a process must have run for its end not to count as one
// of a row.
const steady = time.Minute

// seat is the place of one adapter in the host: at most one process sits there.
type seat struct {
	name string

	mu       sync.Mutex
	inst     *instance
	starting *start
	// conns counts the open connections; named are the grants of each that was
	// opened, by its name.
	conns int
	named map[string][]grant
	// learned is what the program said of itself when it was last started.
	learned learned
	// tried is the file that was started last.
	tried fileID
	// ends counts the unwanted ends in a row; until notBefore no process is
	// started. last says what ended the last one.
	ends      int
	notBefore time.Time
	last      error
	// recent are the times of the latest unwanted ends; parked says that there
	// were too many.
	recent []time.Time
	parked bool
	// allEnds counts every unwanted end, calls the calls by how they ended.
	allEnds int
	calls   map[string]int
}

// learned is what is known of a program as long as its file is the same.
type learned struct {
	info sdk.Info
	pin  Pin
	is   fileID
}

// start is a start under way; inst or err may be read when done is closed.
type start struct {
	done chan struct{}
	inst *instance
	err  error
}

// running returns the process of an adapter and starts one where none runs.
// Callers that come together wait for the same start. The error is an
// [*sdk.Error].
func (h *Host) running(ctx context.Context, name string) (*instance, error) {
	st, inst, err := h.ask(name)
	if st == nil {
		return inst, err
	}
	select {
	case <-st.done:
		return st.inst, st.err
	case <-ctx.Done():
		return nil, sdk.Retry(0, fmt.Errorf("start adapter %s: %w", name, ctx.Err()))
	}
}

// ask returns the running process, a start under way or an error.
func (h *Host) ask(name string) (*start, *instance, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, sdk.Retry(0, fmt.Errorf("adapter %s: the host is %w", name, ErrClosed))
	}
	s := h.seats[name]
	if s == nil {
		s = &seat{name: name, named: map[string][]grant{}}
		h.seats[name] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(h.opt)
	if s.parked && s.tried != identify(os.Stat(filepath.Join(h.opt.Dir, name))) {
		s.release()
	}
	switch wait := s.notBefore.Sub(h.opt.Now()); {
	case s.inst != nil:
		return nil, s.inst, nil
	case s.starting != nil:
	case s.parked:
		return nil, nil, sdk.Fail(sdk.CodeInternal, fmt.Errorf("%w: %s ended %d times within %s, at last: %w; the log has what it printed."+
			" Mend the cause; another program under that name is tried at once, the same one after a restart of rosterd",
			ErrParked, name, len(s.recent), h.opt.BudgetWindow, s.last))
	case wait > 0:
		return nil, nil, sdk.Retry(wait, fmt.Errorf("adapter %s is started again in %s, after %d ends in a row: %w",
			name, wait.Round(time.Millisecond), s.ends, s.last))
	default:
		st := &start{done: make(chan struct{})}
		s.starting = st
		h.work.Go(func() { h.seatNew(s, st) })
	}
	return s.starting, nil, nil
}

// seatNew starts a process for the seat and watches it until it ends.
func (h *Host) seatNew(s *seat, st *start) {
	inst, err := h.launch(s)
	s.mu.Lock()
	s.starting = nil
	s.inst = inst
	switch {
	case err == nil:
		st.inst = inst
		s.learned = inst.learned()
	case errors.Is(err, ErrNotInstalled), errors.Is(err, ErrProtocol), errors.Is(err, ErrPin):
		st.err = sdk.Fail(sdk.CodeConfig, err)
	default:
		s.ended(h.opt, err)
		st.err = sdk.Fail(sdk.CodeInternal, err)
	}
	s.mu.Unlock()
	close(st.done)
	if inst != nil {
		h.opt.Logger.Info("adapter started", "adapter", s.name, "version", inst.info.Version, "keeper", inst.proc.ID(),
			"sha256", inst.proc.program.sum)
		h.watch(s, inst)
	}
}

// watch waits for the end of a process and clears up behind it.
func (h *Host) watch(s *seat, inst *instance) {
	<-inst.proc.exited
	s.mu.Lock()
	s.settle(h.opt)
	s.mu.Unlock()
	inst.hangUp()
	if inst.stopping.Load() {
		h.opt.Logger.Info("adapter stopped", "adapter", s.name)
		return
	}
	h.opt.Logger.Error("adapter ended by itself or was killed", "adapter", s.name, "status", inst.proc.status())
}

// settle empties the seat when its process is gone and counts the end, unless
// it was wanted; s.mu is held.
func (s *seat) settle(opt Options) {
	inst := s.inst
	if inst == nil || inst.proc.alive() {
		return
	}
	s.inst = nil
	if inst.stopping.Load() {
		return
	}
	s.crashed(opt, inst)
}

// crashed counts the end of a process that had got ready; s.mu is held.
func (s *seat) crashed(opt Options, inst *instance) {
	if opt.Now().Sub(inst.started) >= steady {
		s.ends = 0
	}
	s.ended(opt, fmt.Errorf("%w: %s (%s)", ErrCrashed, s.name, inst.proc.ending()))
}

// ended counts an unwanted end; s.mu is held.
func (s *seat) ended(opt Options, err error) {
	s.last = err
	if s.ends > 0 {
		s.notBefore = opt.Now().Add(min(MaxPause, opt.Pause<<min(s.ends-1, 20)))
	}
	s.ends++
	s.allEnds++
	now := opt.Now()
	s.recent = slices.DeleteFunc(append(s.recent, now), func(t time.Time) bool { return now.Sub(t) > opt.BudgetWindow })
	if len(s.recent) >= opt.Budget && !s.parked {
		s.parked = true
		opt.Logger.Error("adapter parked: it ended too often", "adapter", s.name, "ends", len(s.recent), "within", opt.BudgetWindow)
	}
}

// release forgets the unwanted ends; s.mu is held.
func (s *seat) release() {
	s.parked, s.recent, s.ends, s.notBefore = false, nil, 0, time.Time{}
}

// vacate stops the process of a seat, and one that is just being started.
func (h *Host) vacate(s *seat) {
	s.mu.Lock()
	st, inst := s.starting, s.inst
	s.mu.Unlock()
	if st != nil {
		<-st.done
		inst = st.inst
	}
	if inst != nil {
		inst.stop(h.opt.StopTimeout, h.opt.StopTimeout)
	}
}

// gone finds out whether a process that left a call unanswered still serves,
// and kills it when it does not: its connections are better off with another.
func (h *Host) gone(inst *instance) bool {
	if !inst.proc.alive() {
		return true
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.opt.PingTimeout)
	defer cancel()
	_, err := inst.client.Describe(ctx)
	if err == nil {
		return false
	}
	if h.ctx.Err() == nil && errors.Is(err, wire.ErrTransport) {
		inst.proc.kill()
	}
	inst.proc.waitExit(h.opt.StopTimeout)
	return true
}
