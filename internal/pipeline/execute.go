package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
	job, ok := r.Jobs[run.Job]
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
		if err := r.prepareAndJudge(ctx, run, flow, live); err != nil {
			return err
		}
		if run.State.Ended() {
			return nil
		}
	}
	return r.deliver(ctx, run, flow, live)
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
	verdict := judge(prepared)
	// An empty source says nothing of the records that were refused before.
	with := roster.Delivery{ReplaceQuarantine: !flow.Changes && prepared.counts.Read > 0}
	if flow.Changes && verdict.state == roster.RunOK {
		with.Cursors = prepared.cursors
	}
	updated, err = r.Runs.BeginDelivery(ctx, run.ID, with, func(stored *roster.Run) error {
		stored.State, stored.Fault, stored.Warnings = verdict.state, verdict.fault, append(prepared.misread(), verdict.warnings...)
		stored.Counts, stored.Fields = prepared.counts, prepared.freezer.fieldNames()
		if flow.Changes {
			stored.Cursors = prepared.cursors
		}
		if stored.State.Ended() {
			ended := r.Now()
			stored.Ended = &ended
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin to deliver: %w", err)
	}
	*run = updated
	live.set(run.Counts)
	if run.State.Ended() {
		r.ended(*run)
		return flow.Discard()
	}
	return nil
}

func (r *Runner) deliver(ctx context.Context, run *roster.Run, flow *Flow, live *progress) error {
	live.served(0)
	d, err := flow.Deliver(ctx, *run, live.served)
	run.Warnings = append(run.Warnings, d.Warnings...)
	if err != nil {
		return err
	}
	live.served(d.Served)
	if !r.end(run, roster.RunOK, live, nil) {
		return nil
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
	r.end(run, state, live, fault)
}

// end stores how a run ended and reports whether it could. What the target has
// told of the clients is in the stored run and stays there.
func (r *Runner) end(run *roster.Run, state roster.RunState, live *progress, fault *roster.Fault) bool {
	counts, ended := live.get(), r.Now()
	var with roster.Delivery
	if state == roster.RunOK && counts.Unserved == 0 {
		with.Cursors = run.Cursors
	}
	return r.persist(run, "store its end", func(ctx context.Context) error {
		stored, err := r.Runs.BeginDelivery(ctx, run.ID, with, func(stored *roster.Run) error {
			told := stored.Counts
			stored.State, stored.Counts, stored.Fault, stored.Ended = state, counts, fault, &ended
			stored.Warnings = run.Warnings
			stored.Counts.TakeOutcome(told)
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

// ended logs the one line that each run leaves.
func (r *Runner) ended(run roster.Run) {
	attrs := []any{
		"run", run.ID, "job", run.Job, "state", run.State, "read", run.Counts.Read, "frozen", run.Counts.Frozen,
		"skipped", run.Counts.Skipped, "quarantined", run.Counts.Quarantined, "served", run.Counts.Served,
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
		sdk.CodeAuth:        "renew the connection's credentials and start the job again",
		sdk.CodeUnavailable: "start the job again when the system can be reached",
		sdk.CodeChanged:     "start the job again when the source is complete and no longer written to",
		sdk.CodeData:        "the system's answer was not understood; the adapter's log tells more",
		sdk.CodeInternal:    "the adapter's log tells more; its author needs that",
	}
	return &roster.Fault{Code: "adapter." + string(e.Code), Message: err.Error(), Hint: hints[e.Code]}
}
