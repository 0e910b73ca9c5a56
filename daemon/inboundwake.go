package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
)

// triggerInbound is the trigger of a run that something pushed has started.
const triggerInbound = "inbound"

const (
	// gatherTime is how long after a save its run begins, so that saves that come
	// together share one.
	gatherTime = 2 * time.Second
	// busyPause is when a job that has a run is tried again, pausedPause one that a
	// person has paused.
	busyPause, pausedPause = time.Second, 10 * time.Second
	// A run that failed is started again after leastRetry, then twice that, and so
	// on up to mostRetry.
	leastRetry, mostRetry = time.Minute, time.Hour
)

// waker starts the jobs whose source was pushed to. What is pushed while a job
// runs gets one more run behind it.
type waker struct {
	p    *parts
	kick chan struct{}

	// mu guards jobs, and is not held while anything is waited for. Only look
	// removes a job.
	mu   sync.Mutex
	jobs map[string]*awake
}

// awake is a job that something waits for.
type awake struct {
	// due is when it is started; zero for not at all.
	due time.Time
	// run is the run that was started last, until it is known how it ended.
	run      string
	failures int
}

func newWaker(p *parts) *waker {
	return &waker{p: p, kick: make(chan struct{}, 1), jobs: map[string]*awake{}}
}

// saved notes that something was pushed to a connection.
func (w *waker) saved(conn string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, job := range w.p.now().cfg.Jobs {
		if job.From != conn {
			continue
		}
		a := w.jobs[job.Ref]
		if a == nil {
			a = &awake{}
			w.jobs[job.Ref] = a
		}
		// A target that does not answer is not asked for each save anew.
		if a.due.IsZero() {
			a.due = time.Now().Add(gatherTime)
		}
	}
	select {
	case w.kick <- struct{}{}:
	default: // it is about to look
	}
}

// run starts jobs until ctx ends, beginning with those for which something waits.
func (w *waker) run(ctx context.Context) {
	for ref := range w.p.inbound.current.Load().endpoints {
		if err := w.p.dropRead(ctx, ref); err != nil {
			w.p.log.Error("what was read is not removed", "connection", ref, "err", err)
		}
	}
	w.remind(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.kick:
		}
		timer.Reset(w.look(ctx, time.Now()))
	}
}

// remind notes what waits at each connection, as when the daemon starts or a reload
// has brought jobs that read it.
func (w *waker) remind(ctx context.Context) {
	for ref := range w.p.inbound.current.Load().endpoints {
		if n, err := w.p.store.InboundWaiting(ctx, ref); err == nil && n > 0 {
			w.saved(ref)
		}
	}
}

// look starts what is due and returns how long there is nothing to do. Nothing is
// held while the store and the runner are asked, which may take their time: a save
// is noted meanwhile.
func (w *waker) look(ctx context.Context, now time.Time) time.Duration {
	jobs := w.p.now().jobs
	for ref, run := range w.started(jobs) {
		w.learn(ctx, jobs[ref], run, now)
	}
	for _, ref := range w.take(now) {
		run, again := w.start(ctx, ref, now)
		w.note(ref, run, again)
	}
	return w.rest(now)
}

// started returns the runs of which it is not known yet how they end, by job. A job
// that a reload has removed is forgotten.
func (w *waker) started(jobs map[string]roster.Job) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := map[string]string{}
	for ref, a := range w.jobs {
		if _, ok := jobs[ref]; !ok {
			delete(w.jobs, ref)
		} else if a.run != "" {
			runs[ref] = a.run
		}
	}
	return runs
}

// take returns the jobs that are due. From here on a save asks for another run
// behind the one that is to be started: nobody knows what that will read.
func (w *waker) take(now time.Time) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []string
	for ref, a := range w.jobs {
		if !a.due.IsZero() && !a.due.After(now) {
			due, a.due = append(due, ref), time.Time{}
		}
	}
	return due
}

// note takes over what came of a start: the run, or when it is tried again.
func (w *waker) note(ref, run string, again time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.jobs[ref]
	if run != "" {
		a.run = run
	}
	if !again.IsZero() {
		a.due = again
	}
}

// rest is how long there is nothing to do.
func (w *waker) rest(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait := time.Hour
	for _, a := range w.jobs {
		if !a.due.IsZero() {
			wait = min(wait, max(a.due.Sub(now), busyPause/4))
		}
		if a.run != "" {
			wait = min(wait, busyPause)
		}
	}
	return wait
}

// learn finds out how the last run of a job ended: one that failed is started again
// while something waits.
func (w *waker) learn(ctx context.Context, job roster.Job, id string, now time.Time) {
	run, err := w.p.store.Run(ctx, id)
	if err == nil && !run.State.Ended() {
		return
	}
	failed := err == nil && run.State == roster.RunFailed
	waits := false
	if failed {
		n, err := w.p.store.InboundWaiting(ctx, job.From)
		waits = err != nil || n > 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.jobs[job.Ref]
	a.run = ""
	switch {
	case !failed:
		a.failures = 0
	case waits:
		after := min(leastRetry<<min(a.failures, 10), mostRetry)
		a.failures++
		a.due = now.Add(after)
		w.p.log.Info("what was pushed waits for another run", "job", job.Ref, "run", run.ID, "after_s", int64(after.Seconds()))
	}
}

// start starts a job. It returns the run, or when it is tried again.
func (w *waker) start(ctx context.Context, ref string, now time.Time) (id string, again time.Time) {
	if _, err := w.p.store.Pause(ctx, ref); !errors.Is(err, roster.ErrNotFound) {
		return "", now.Add(pausedPause)
	}
	run, err := w.p.runner.Order(ctx, pipeline.Order{Job: ref, Trigger: triggerInbound})
	switch {
	case err == nil:
		return run.ID, time.Time{}
	case errors.Is(err, roster.ErrRunning):
		return "", now.Add(busyPause)
	case errors.Is(err, roster.ErrStopping):
		return "", time.Time{}
	default:
		w.p.log.Error("run not started for what was pushed", "job", ref, "err", err)
		return "", now.Add(leastRetry)
	}
}
