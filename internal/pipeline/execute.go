package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// execute takes a run from where it is to its end. When the daemon stops, the
// run stays where it is.
func (r *Runner) execute(ctx context.Context, run roster.Run, live *progress) {
	err := r.guarded(ctx, &run, live)
	switch cause := context.Cause(ctx); {
	case run.State.Ended():
		if err != nil {
			r.Logger.Warn("run not cleaned up", "run", run.ID, "job", run.Job, "err", err)
		}
	case errors.Is(cause, roster.ErrStopping):
	case errors.Is(cause, errCancelled):
		r.abandon(&run, roster.RunCancelled, live, nil)
	case err != nil:
		r.abandon(&run, roster.RunFailed, live, asFault(err))
	}
}

// guarded keeps a fault of one run from taking the others down with it.
func (r *Runner) guarded(ctx context.Context, run *roster.Run, live *progress) (err error) {
	defer func() {
		if recover() != nil {
			err = panicked()
		}
	}()
	return r.steps(ctx, run, live)
}

// panicked makes a fault of a recovered panic. The stack tells the place; what
// was panicked with may hold a record's values and is left out.
func panicked() error {
	return &roster.Fault{
		Code: "internal.panic", Message: "rosterd met a fault of its own in this run",
		Hint: "please report it with this place: " + place(debug.Stack()),
	}
}

// place cuts a stack to the frames below the panic, which fit on a screen.
func place(stack []byte) string {
	_, below, ok := strings.Cut(string(stack), "panic(")
	if !ok {
		below = string(stack)
	}
	const frames = 600
	return below[:min(len(below), frames)]
}

// steps are prepare, judge and deliver.
func (r *Runner) steps(ctx context.Context, run *roster.Run, live *progress) error {
	job, ok := r.job(run.Job)
	if !ok {
		return &roster.Fault{
			Code: "job.unknown", Message: fmt.Sprintf("job %s is not in the configuration any more", run.Job),
			Hint: "restore the job to let its run go on, or leave it ended",
		}
	}
	flow, err := r.Open(ctx, *run, job)
	if err != nil {
		return err
	}
	defer flow.Close()
	if run.State != roster.RunDelivering {
		if err := r.untilDelivery(ctx, run, flow, live); err != nil {
			return err
		}
		if run.State.Ended() {
			return nil
		}
	}
	return r.deliver(ctx, run, flow, live)
}

// untilDelivery takes a run to where its change set is delivered, or to its end.
func (r *Runner) untilDelivery(ctx context.Context, run *roster.Run, flow *Flow, live *progress) error {
	if run.Approved {
		return r.takeUp(ctx, run, flow, live)
	}
	if flow.Sync != nil {
		if err := r.leftovers(ctx, *run, flow, live); err != nil {
			return err
		}
	}
	return r.prepareAndJudge(ctx, run, flow, live)
}

func (r *Runner) prepareAndJudge(ctx context.Context, run *roster.Run, flow *Flow, live *progress) error {
	started := r.Now()
	updated, err := r.Runs.UpdateRun(ctx, run.ID, func(stored *roster.Run) error {
		stored.State, stored.Started, stored.Script = roster.RunPreparing, &started, flow.Script
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	*run = updated
	live.set(roster.Counts{})
	prepared, err := r.prepare(ctx, *run, flow, live)
	if err != nil {
		return err
	}
	verdict, err := judge(ctx, prepared)
	if err != nil {
		return err
	}
	if err := r.judged(ctx, run, prepared, verdict); err != nil {
		return err
	}
	live.set(run.Counts)
	if !run.State.Ended() {
		return nil
	}
	r.ended(*run)
	if flow.Sync != nil && (run.State == roster.RunPlanned || run.State == roster.RunBlocked) {
		return nil // its change set waits to be approved
	}
	return flow.Discard()
}

// judged stores the verdict on a prepared run, in the one transaction behind
// which it is delivering.
func (r *Runner) judged(ctx context.Context, run *roster.Run, p *preparation, verdict judgement) error {
	with := p.beginning(verdict)
	updated, err := r.Runs.BeginDelivery(ctx, run.ID, with, func(stored *roster.Run) error {
		stored.State, stored.Fault = verdict.state, verdict.fault
		stored.Warnings = slices.Concat(p.misread(), p.warnings, verdict.warnings)
		stored.Counts, stored.Again = p.counts, p.again
		p.describe(stored)
		if stored.State.Ended() {
			ended := r.Now()
			stored.Ended, stored.Scope.Record = &ended, ""
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin to deliver: %w", err)
	}
	*run = updated
	return nil
}

func (r *Runner) deliver(ctx context.Context, run *roster.Run, flow *Flow, live *progress) error {
	if flow.Sync != nil {
		return r.deliverAndEnd(ctx, run, flow, live)
	}
	live.served(0)
	d, err := flow.Deliver(ctx, *run, live.served)
	run.Warnings = append(run.Warnings, d.Warnings...)
	if err != nil {
		return err
	}
	live.served(d.Served)
	if !r.end(run, roster.RunOK, live, nil, time.Time{}) {
		return nil
	}
	return flow.Discard()
}

// deliverAndEnd delivers a sync. When a quota of the target is used up the run
// ends with what it has done: the job's cursor stays where it was, so that
// another run finds the rest.
func (r *Runner) deliverAndEnd(ctx context.Context, run *roster.Run, flow *Flow, live *progress) error {
	since := r.Now()
	if run.Approved && run.Started != nil {
		since = *run.Started // what was decided about a plan is younger than what it has read
	}
	held, err := r.deliverSync(ctx, run, flow, live)
	if quota, ok := errors.AsType[*quotaError](err); ok {
		again := r.Now().Add(quota.after)
		run.Again, run.Cursors, run.Retried, run.Whole = &again, nil, nil, false
		counts := live.get()
		counts.Waiting += counts.Open()
		counts.Remaining = max(counts.ToDeactivate-counts.Deactivated, 0)
		live.set(counts)
		run.Warnings = append(run.Warnings, fmt.Sprintf("a quota of the target is used up; the job goes on at %s", again.UTC().Format(time.RFC3339)))
		err = nil
	}
	if err != nil {
		return err
	}
	// The stored run says what was read, and this also what was delivered.
	whole := run.Whole
	if !r.end(run, roster.RunOK, live, nil, since) {
		return nil
	}
	if whole {
		r.walked(context.WithoutCancel(ctx), *run, flow, held)
	}
	return flow.Discard()
}

// abandon ends a run that was not delivered to its end. What was served is known
// by the sessions: the run may have ended before it was told.
func (r *Runner) abandon(run *roster.Run, state roster.RunState, live *progress, fault *roster.Fault) {
	served := 0
	done := r.persist(run, "close its sessions", func(ctx context.Context) (err error) {
		served, err = r.Abandon(ctx, *run)
		return err
	})
	if !done {
		return
	}
	live.served(served)
	r.end(run, state, live, fault, time.Time{})
}

// end stores how a run ended and reports whether it could. What the target has
// told of the clients is in the stored run and stays there. Since is that of
// [roster.Delivery].
func (r *Runner) end(run *roster.Run, state roster.RunState, live *progress, fault *roster.Fault, since time.Time) bool {
	counts, ended := live.get(), r.Now()
	with := roster.Delivery{Since: since}
	if state == roster.RunOK && counts.Unserved == 0 {
		with.Cursors, with.Retried, with.ReplaceQuarantine = run.Cursors, run.Retried, run.Whole
	}
	return r.persist(run, "store its end", func(ctx context.Context) error {
		stored, err := r.Runs.BeginDelivery(ctx, run.ID, with, func(stored *roster.Run) error {
			told := stored.Counts
			stored.State, stored.Counts, stored.Fault, stored.Ended = state, counts, fault, &ended
			stored.Warnings, stored.Again, stored.Scope.Record = run.Warnings, run.Again, ""
			stored.Retried = nil
			if stored.Type != roster.JobSync {
				stored.Counts.TakeOutcome(told)
			}
			Settle(stored)
			return nil
		})
		if err != nil {
			return err
		}
		*run = stored
		r.ended(stored)
		return nil
	})
}

// persistPause is how long to wait before what ends a run is tried again.
const persistPause = 5 * time.Second

// persist does what ends a run, and tries on while the store cannot take it, as
// on a full disk. It is false when the daemon stops before that: the run then
// goes on after the restart. It works on a context of its own: the run's may be
// what ended it.
func (r *Runner) persist(run *roster.Run, doing string, do func(ctx context.Context) error) bool {
	ctx := context.WithoutCancel(r.ctx)
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		if err == nil {
			return true
		}
		if attempt == 1 {
			r.Logger.Error("run cannot be ended; it is tried again", "run", run.ID, "job", run.Job, "doing", doing, "err", err)
		}
		if r.Sleep(r.ctx, persistPause) != nil {
			return false
		}
	}
}

// ended says that a run has ended, and logs the one line that it leaves.
func (r *Runner) ended(run roster.Run) {
	if r.Ended != nil {
		r.Ended(run)
	}
	attrs := []any{
		"run", run.ID, "job", run.Job, "state", run.State, "read", run.Counts.Read, "frozen", run.Counts.Frozen,
		"skipped", run.Counts.Skipped, "quarantined", run.Counts.Quarantined, "served", run.Counts.Served,
	}
	if run.Type == roster.JobSync {
		attrs = []any{
			"run", run.ID, "job", run.Job, "state", run.State, "read", run.Counts.Read, "created", count(run.Counts.Created),
			"updated", count(run.Counts.Updated), "deactivated", run.Counts.Deactivated, "unchanged", run.Counts.Unchanged,
			"skipped", run.Counts.Skipped, "quarantined", run.Counts.Quarantined, "waiting", run.Counts.Waiting,
		}
	}
	if run.Fault != nil {
		attrs = append(attrs, "code", run.Fault.Code, "err", run.Fault.Message)
	}
	if run.State == roster.RunOK {
		r.Logger.Info("run ended", attrs...)
		return
	}
	r.Logger.Warn("run ended", attrs...)
}

func count(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// asFault turns the error that ended a run into what its reader needs.
func asFault(err error) *roster.Fault {
	if f, ok := errors.AsType[*roster.Fault](err); ok {
		return f
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &roster.Fault{
			Code: "state.disk_full", Message: "there is no room in state_dir: " + err.Error(),
			Hint: "make room and start the job again; the daemon goes on by itself",
		}
	}
	if errors.Is(err, syscall.EROFS) {
		return &roster.Fault{
			Code: "state.read_only", Message: "state_dir cannot be written: " + err.Error(),
			Hint: "mount it writable again and start the job again; the daemon goes on by itself",
		}
	}
	e, ok := errors.AsType[*sdk.Error](err)
	if !ok {
		return &roster.Fault{Code: "internal.error", Message: err.Error(), Hint: "look into the daemon's log around this run"}
	}
	hints := map[sdk.Code]string{
		sdk.CodeConfig:      "change the connection's settings, try them with `rosterd validate`, and start the job again",
		sdk.CodeAuth:        "renew the connection's credentials, restart rosterd, which reads them at its start, and start the job again",
		sdk.CodeQuota:       "wait until the quota is there again, then start the job",
		sdk.CodeUnavailable: "start the job again when the system can be reached",
		sdk.CodeChanged:     "start the job again when the source is complete and no longer written to",
		sdk.CodeData:        "the system's answer was not understood; the adapter's log tells more",
		sdk.CodeInternal:    "the adapter's log tells more; its author needs that",
	}
	return &roster.Fault{Code: "adapter." + string(e.Code), Message: err.Error(), Hint: hints[e.Code]}
}
