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

// look starts what is due and returns how long there is nothing to do.
func (w *waker) look(ctx context.Context, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait := time.Hour
	jobs := w.p.now().jobs
	for ref, a := range w.jobs {
		if _, ok := jobs[ref]; !ok {
			delete(w.jobs, ref) // a reload has removed it
			continue
		}
		if a.run != "" {
			w.learn(ctx, ref, a, now)
		}
		if !a.due.IsZero() && !a.due.After(now) {
			w.start(ctx, ref, a, now)
		}
		if !a.due.IsZero() {
			wait = min(wait, max(a.due.Sub(now), busyPause/4))
		}
		if a.run != "" {
			wait = min(wait, busyPause)
		}
	}
	return wait
}

// learn finds out how the last run ended: one that failed is started again while
// something waits.
func (w *waker) learn(ctx context.Context, ref string, a *awake, now time.Time) {
	run, err := w.p.store.Run(ctx, a.run)
	if err == nil && !run.State.Ended() {
		return
	}
	a.run = ""
	if err != nil || run.State != roster.RunFailed {
		a.failures = 0
		return
	}
	if n, err := w.p.store.InboundWaiting(ctx, w.p.now().jobs[ref].From); err == nil && n == 0 {
		return
	}
	after := min(leastRetry<<min(a.failures, 10), mostRetry)
	a.failures++
	a.due = now.Add(after)
	w.p.log.Info("what was pushed waits for another run", "job", ref, "run", run.ID, "after_s", int64(after.Seconds()))
}

func (w *waker) start(ctx context.Context, ref string, a *awake, now time.Time) {
	if _, err := w.p.store.Pause(ctx, ref); !errors.Is(err, roster.ErrNotFound) {
		a.due = now.Add(pausedPause)
		return
	}
	run, err := w.p.runner.Order(ctx, pipeline.Order{Job: ref, Trigger: triggerInbound})
	switch {
	case err == nil:
		a.run, a.due = run.ID, time.Time{}
	case errors.Is(err, roster.ErrRunning):
		a.due = now.Add(busyPause)
	case errors.Is(err, roster.ErrStopping):
		a.due = time.Time{}
	default:
		a.due = now.Add(leastRetry)
		w.p.log.Error("run not started for what was pushed", "job", ref, "err", err)
	}
}
