package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// Runner owns the runs that are under way: at most one of each job. Its fields
// are set before the first call and not changed.
type Runner struct {
	Runs       RunStore
	Quarantine QuarantineStore
	Cursors    CursorStore
	// Jobs are the configured jobs by their ref; [Runner.SetJobs] replaces them.
	Jobs map[string]roster.Job
	// Open makes a job ready for a run. An error that a person can act on is a
	// *roster.Fault.
	Open func(ctx context.Context, run roster.Run, job roster.Job) (*Flow, error)
	// Abandon ends what a run that failed or was cancelled has begun, its
	// sessions and its change set, and returns how many clients were served. It
	// is called before the run ends, again where it fails.
	Abandon func(ctx context.Context, run roster.Run) (served int, err error)
	// Ended, where it is not nil, is told of each run that has ended, as it was
	// stored. It returns at once.
	Ended func(run roster.Run)
	// Records, where it is not nil, is told what became of records.
	Records RecordLog
	Now     func() time.Time
	NewID   func() string
	Sleep   func(ctx context.Context, d time.Duration) error
	Logger  *slog.Logger

	mu     sync.Mutex
	active map[string]*activeRun // by job
	// sends are when the last write of a route stopped being under way, with a
	// monotonic reading.
	sends  map[roster.Route]time.Time
	closed bool
	wg     sync.WaitGroup
	ctx    context.Context //nolint:containedctx // the life of the runs, which outlive the calls that start them
	stop   context.CancelCauseFunc
}

// activeRun is a run under way.
type activeRun struct {
	id     string
	live   progress
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// errCancelled is the cause of a run's end when a person cancelled it, which
// tells it from the daemon's stop.
var errCancelled = errors.New("cancelled")

// Begin makes the runner ready and goes on with the runs that an earlier life
// of the daemon left: a preparation starts again, a delivery resumes.
func (r *Runner) Begin(ctx context.Context) error {
	r.mu.Lock()
	r.active, r.sends = map[string]*activeRun{}, map[roster.Route]time.Time{}
	r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	r.mu.Unlock()
	left, err := r.Runs.Runs(ctx, roster.RunFilter{State: []roster.RunState{
		roster.RunQueued, roster.RunPreparing, roster.RunDelivering,
	}})
	if err != nil {
		return fmt.Errorf("resume runs: %w", err)
	}
	for _, run := range left {
		r.Logger.Info("run goes on", "run", run.ID, "job", run.Job, "state", run.State)
		r.mu.Lock()
		r.launch(run)
		r.mu.Unlock()
	}
	return nil
}

// Order is what a run is asked for.
type Order struct {
	// Job is account/job.
	Job string
	// Trigger says who asks: "manual", "schedule", "sweep", "inbound" or "quickstart".
	Trigger string
	// Plan stops the run when it is judged; only for a sync.
	Plan bool
	// Scope says what of the source is read.
	Scope roster.Scope
}

// Start accepts a run of a job: when it returns, the run is stored and will be
// executed, also after a restart. It fails with roster.ErrNotFound for a job
// that is not configured and with a *roster.RunningError when the job has a run
// that is not over.
func (r *Runner) Start(ctx context.Context, job, trigger string) (roster.Run, error) {
	return r.Order(ctx, Order{Job: job, Trigger: trigger})
}

// Order is [Runner.Start] for a run that is not simply what the job says.
func (r *Runner) Order(ctx context.Context, o Order) (roster.Run, error) {
	j, ok := r.job(o.Job)
	if !ok {
		return roster.Run{}, fmt.Errorf("job %q: %w", o.Job, roster.ErrNotFound)
	}
	if j.Type != roster.JobSync && (o.Plan || o.Scope.Sweep || o.Scope.Record != "") {
		return roster.Run{}, &roster.Fault{
			Code: "job.type", Message: fmt.Sprintf("job %s is of type %s: only a sync has plans, sweeps and runs of one record", o.Job, j.Type),
			Hint: "start it with `rosterd job run " + o.Job + "`",
		}
	}
	if err := r.lockIdle(ctx, o.Job); err != nil {
		return roster.Run{}, err
	}
	defer r.mu.Unlock()
	if r.closed {
		return roster.Run{}, roster.ErrStopping
	}
	run := roster.Run{
		ID: r.NewID(), Job: o.Job, Type: j.Type, Trigger: o.Trigger, State: roster.RunQueued, Asked: r.Now(),
		Plan: o.Plan, Scope: o.Scope,
	}
	if err := r.Runs.CreateRun(ctx, run); err != nil {
		return roster.Run{}, fmt.Errorf("accept a run of %s: %w", o.Job, err)
	}
	r.launch(run)
	return run, nil
}

// SetJobs replaces the configured jobs. A run that was opened goes on with the job
// that it was opened with.
func (r *Runner) SetJobs(jobs map[string]roster.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Jobs = jobs
}

func (r *Runner) job(ref string) (roster.Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	job, ok := r.Jobs[ref]
	return job, ok
}

// WhileIdle calls do while the job has no run that is not over, and fails with a
// [*roster.RunningError] where it has one. No run of the job begins meanwhile.
func (r *Runner) WhileIdle(ctx context.Context, job string, do func() error) error {
	return r.WhileAllIdle(ctx, []string{job}, do)
}

// WhileAllIdle is [Runner.WhileIdle] for several jobs, at least one. No run of any
// job begins meanwhile.
func (r *Runner) WhileAllIdle(ctx context.Context, jobs []string, do func() error) error {
	for i, job := range jobs {
		if err := r.lockIdle(ctx, job); err != nil {
			return err
		}
		if i < len(jobs)-1 {
			r.mu.Unlock() // one that began since is found below
		}
	}
	defer r.mu.Unlock()
	for _, job := range jobs {
		if err := r.noneOpen(ctx, job); err != nil {
			return err
		}
	}
	return do()
}

// noneOpen fails with a [*roster.RunningError] where a job has a run that is not
// over, as one that a daemon left behind.
func (r *Runner) noneOpen(ctx context.Context, job string) error {
	open, err := r.Runs.Runs(ctx, roster.RunFilter{Job: job, Limit: 1, State: []roster.RunState{
		roster.RunQueued, roster.RunPreparing, roster.RunDelivering,
	}})
	if err == nil && len(open) > 0 {
		err = &roster.RunningError{Job: job, Run: open[0].ID}
	}
	return err
}

// Approve lets a sync go on that was planned, or that a guard has blocked. It
// fails with roster.ErrConflict when the run is in another state. Whether its
// change set still fits is found out when it goes on.
func (r *Runner) Approve(ctx context.Context, id string) (roster.Run, error) {
	run, err := r.Runs.Run(ctx, id)
	if err != nil {
		return roster.Run{}, err
	}
	if err := r.lockIdle(ctx, run.Job); err != nil {
		return roster.Run{}, err
	}
	defer r.mu.Unlock()
	if r.closed {
		return roster.Run{}, roster.ErrStopping
	}
	run, err = r.Runs.UpdateRun(ctx, id, func(stored *roster.Run) error {
		if stored.Type != roster.JobSync || stored.State != roster.RunPlanned && stored.State != roster.RunBlocked {
			return fmt.Errorf("run %s is %s, and only a sync that is planned or blocked can be approved: %w", id, stored.State, roster.ErrConflict)
		}
		stored.State, stored.Approved, stored.Ended, stored.Fault = roster.RunQueued, true, nil, nil
		return nil
	})
	if err != nil {
		return roster.Run{}, err
	}
	r.launch(run)
	return run, nil
}

// lockIdle locks r.mu while the job has no run, or fails. A run that has ended
// and is being cleaned up is waited for: whoever saw it end may start the next.
func (r *Runner) lockIdle(ctx context.Context, job string) error {
	for {
		r.mu.Lock()
		a, ok := r.active[job]
		if !ok {
			return nil
		}
		r.mu.Unlock()
		run, err := r.Runs.Run(ctx, a.id)
		if err != nil {
			return err
		}
		if !run.State.Ended() {
			return &roster.RunningError{Job: job, Run: a.id}
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// launch begins to execute a run. r.mu is held.
func (r *Runner) launch(run roster.Run) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	a := &activeRun{id: run.ID, cancel: cancel, done: make(chan struct{})}
	a.live.set(run.Counts)
	r.active[run.Job] = a
	r.wg.Go(func() {
		defer close(a.done)
		defer cancel(nil)
		r.execute(ctx, run, &a.live)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.active, run.Job)
	})
}

// noteSend notes that a write of a route is not under way any more, whatever came
// of it.
func (r *Runner) noteSend(route roster.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sends[route] = r.Now()
}

// lastSend is when the last write of a route stopped being under way in this life
// of the daemon.
func (r *Runner) lastSend(route roster.Route) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sends[route]
}

// Live returns a run with the counts that it has reached.
func (r *Runner) Live(ctx context.Context, id string) (roster.Run, error) {
	run, err := r.Runs.Run(ctx, id)
	if err != nil || run.State.Ended() {
		return run, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.active[run.Job]; ok && a.id == id {
		told := run.Counts
		run.Counts = a.live.get()
		if run.Type != roster.JobSync {
			run.Counts.TakeOutcome(told)
		}
		run.Waits = a.live.waitsFor()
	}
	return run, nil
}

// Cancel asks a run under way to end and does not wait for it. What was
// delivered stays delivered. It fails with roster.ErrConflict when the run is
// over.
func (r *Runner) Cancel(ctx context.Context, id string) error {
	run, err := r.Runs.Run(ctx, id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	a, ok := r.active[run.Job]
	r.mu.Unlock()
	if !ok || a.id != id {
		return fmt.Errorf("run %s is over (%s): %w", id, run.State, roster.ErrConflict)
	}
	a.cancel(errCancelled)
	return nil
}

// Await returns when the run is not under way any more.
func (r *Runner) Await(ctx context.Context, id string) error {
	run, err := r.Runs.Run(ctx, id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	a, ok := r.active[run.Job]
	r.mu.Unlock()
	if !ok || a.id != id {
		return nil
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop lets every run stop where it is and waits for them. They go on when
// another Runner begins on the same store.
func (r *Runner) Stop() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	if r.stop != nil {
		r.stop(roster.ErrStopping)
	}
	r.wg.Wait()
}
