package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/metrics"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// lastRuns remembers of each job the runs that tell how it stands, so that nobody
// has to look for them among all of the past. Its zero value knows nothing.
type lastRuns struct {
	mu   sync.Mutex
	jobs map[string]lastOf
	// ends counts the runs that have ended.
	ends int
}

// lastOf are the latest runs of a job.
type lastOf struct {
	// judged is the id of the latest that ended ok, partial, failed or blocked.
	judged string
	// success is the end of the latest that ended ok. delivered is that of the
	// latest that ended ok or partial, and asked when that was asked for.
	success, delivered, asked time.Time
}

// judgedStates are the ends of runs that say something of a job.
func judgedStates() []roster.RunState {
	return []roster.RunState{roster.RunOK, roster.RunPartial, roster.RunFailed, roster.RunBlocked}
}

// of returns the latest runs of a job.
func (l *lastRuns) of(ctx context.Context, from runLister, job string) (lastOf, error) {
	for {
		last, known, ends := l.known(job)
		if known {
			return last, nil
		}
		last, err := findLast(ctx, from, job)
		if err != nil || l.learn(job, last, ends) {
			return last, err
		}
	}
}

func (l *lastRuns) known(job string) (last lastOf, known bool, ends int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known = l.jobs[job]
	return last, known, l.ends
}

// learn takes over what was found, unless a run has ended meanwhile.
func (l *lastRuns) learn(job string, last lastOf, ends int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ends != ends {
		return false
	}
	if l.jobs == nil {
		l.jobs = map[string]lastOf{}
	}
	l.jobs[job] = last
	return true
}

// findLast looks for the latest runs among all of a job.
func findLast(ctx context.Context, from runLister, job string) (last lastOf, err error) {
	for _, states := range [][]roster.RunState{judgedStates(), {roster.RunOK, roster.RunPartial}, {roster.RunOK}} {
		runs, err := from.Runs(ctx, roster.RunFilter{Job: job, State: states, Limit: 1})
		if err != nil {
			return last, err
		}
		for _, run := range runs {
			last.take(run)
		}
	}
	return last, nil
}

// runLister lists runs, the latest first.
type runLister interface {
	Runs(ctx context.Context, filter roster.RunFilter) ([]roster.Run, error)
}

// ended takes over a run that has ended. What is not known is looked for when it
// is asked for.
func (l *lastRuns) ended(run roster.Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends++
	if last, ok := l.jobs[run.Job]; ok {
		last.take(run)
		l.jobs[run.Job] = last
	}
}

// forget lets the runs of a job be looked for again: what a target has told later
// has changed how one ended.
func (l *lastRuns) forget(job string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, job)
}

func (l *lastOf) take(run roster.Run) {
	if run.Ended == nil {
		return
	}
	switch run.State {
	case roster.RunOK:
		l.success = later(l.success, *run.Ended)
		fallthrough
	case roster.RunPartial:
		l.delivered, l.asked = later(l.delivered, *run.Ended), later(l.asked, run.Asked)
		fallthrough
	case roster.RunFailed, roster.RunBlocked:
		if l.judged == "" || run.ID > l.judged {
			l.judged = run.ID
		}
	default:
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// jobPicture is how a job stands, with the last run that came to a verdict.
type jobPicture struct {
	metrics.Job
	job  roster.Job
	last *roster.Run
	// waiting are the sessions that wait for a person.
	waiting int
}

// jobPictures looks at every job.
func (p *parts) jobPictures(ctx context.Context) ([]jobPicture, error) {
	now := time.Now()
	all, err := p.store.Parked(ctx, roster.ParkedFilter{})
	if err != nil {
		return nil, err
	}
	parked := map[string][]roster.Parked{}
	for _, one := range all {
		parked[one.Job] = append(parked[one.Job], one)
	}
	jobsNow := p.now().cfg.Jobs
	out := make([]jobPicture, 0, len(jobsNow))
	for _, job := range jobsNow {
		pic, err := p.jobPicture(ctx, job, now)
		if err != nil {
			return nil, err
		}
		pic.Parked = len(parked[job.Ref])
		for _, one := range parked[job.Ref] {
			pic.OldestParked = earlier(pic.OldestParked, one.Armed)
		}
		out = append(out, pic)
	}
	return out, nil
}

// jobPicture looks at a job, but for what is parked of it.
func (p *parts) jobPicture(ctx context.Context, job roster.Job, now time.Time) (jobPicture, error) {
	pic := jobPicture{Job: metrics.Job{Ref: job.Ref}, job: job}
	last, err := p.last.of(ctx, p.store, job.Ref)
	if err != nil {
		return pic, err
	}
	pic.LastSuccess, pic.LastDelivered = last.success, last.delivered
	if last.judged != "" {
		if err := p.lookAtLast(ctx, &pic, last); err != nil {
			return pic, err
		}
	}
	if pic.Paused, err = (timings{p.store}).Paused(job.Ref); err != nil {
		return pic, err
	}
	if !pic.Paused {
		pic.Lag, pic.Stale, err = lagOf(job, p.duesFrom(last), now)
	}
	if err != nil {
		return pic, err
	}
	return pic, p.countUnknown(ctx, &pic)
}

// lookAtLast looks how the last run stands by this time.
func (p *parts) lookAtLast(ctx context.Context, pic *jobPicture, last lastOf) error {
	run, err := p.store.Run(ctx, last.judged)
	if errors.Is(err, roster.ErrNotFound) {
		p.last.forget(pic.Ref)
		return nil
	}
	if err != nil {
		return err
	}
	pic.takeLast(run)
	if run.State != roster.RunOK && run.Ended != nil && run.Ended.Equal(last.success) {
		p.last.forget(pic.Ref)
	}
	return nil
}

// takeLast tells of the last run. One that a person has approved goes on.
func (pic *jobPicture) takeLast(run roster.Run) {
	if !run.State.Ended() {
		return
	}
	pic.last, pic.LastState = &run, string(run.State)
	if run.Started != nil && run.Ended != nil {
		pic.LastDuration = run.Ended.Sub(*run.Started)
	}
	if run.Again != nil {
		pic.Again = *run.Again
	}
}

// countUnknown counts the creates of a job that are not proven.
func (p *parts) countUnknown(ctx context.Context, pic *jobPicture) error {
	if pic.job.Type != roster.JobSync {
		return nil
	}
	for _, kind := range pic.job.Kinds {
		open, err := p.store.OpenIntents(ctx, roster.Route{From: pic.job.From, To: pic.job.To, Kind: kind})
		if err != nil {
			return err
		}
		pic.Unknown += len(open)
		for _, one := range open {
			pic.OldestUnknown = earlier(pic.OldestUnknown, one.Armed)
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// staleGrace is how long after its second missed due time a job is stale: runs
// take some time.
const staleGrace = 15 * time.Minute

// lagOf returns for how long a due time of a job is not met by a run that
// delivered, and whether that is so for more than one. From is when the last was
// asked for that did.
func lagOf(job roster.Job, from, now time.Time) (lag time.Duration, stale bool, err error) {
	t, err := timed(job)
	if err != nil {
		return 0, false, fmt.Errorf("how late %s is: %w", job.Ref, err)
	}
	slots := t.Upcoming(from, 2)
	if len(slots) == 0 || slots[0].At.After(now) {
		return 0, false, nil
	}
	lag = now.Sub(slots[0].At)
	return lag, len(slots) == 2 && now.Sub(slots[1].At) > staleGrace, nil
}

// duesFrom is from when the due times of a job count that have to be met: when the
// last run was asked for that delivered, or the start of this process.
func (p *parts) duesFrom(last lastOf) time.Time {
	if last.asked.IsZero() {
		return p.began
	}
	return last.asked
}

// picture is how the daemon stands, for metrics.
func (p *parts) picture(ctx context.Context) (metrics.Picture, error) {
	var pic metrics.Picture
	jobs, err := p.jobPictures(ctx)
	if err != nil {
		return pic, err
	}
	for _, one := range jobs {
		groups, err := p.store.QuarantineGroups(ctx, roster.QuarantineFilter{Job: one.Ref})
		if err != nil {
			return pic, err
		}
		one.Quarantine = map[string]int{}
		for _, g := range groups {
			one.Quarantine[g.Code] += g.Count
		}
		pic.Jobs = append(pic.Jobs, one.Job)
	}
	for _, h := range p.host.Health() {
		pic.Adapters = append(pic.Adapters, metrics.Adapter{Name: h.Name, Running: h.Running, Parked: h.Parked, Restarts: h.Ends, Requests: h.Calls})
	}
	pic.Inbound = map[string]int{}
	for ref := range pushedTo(p.now().cfg) {
		if pic.Inbound[ref], err = p.store.InboundWaiting(ctx, ref); err != nil {
			return pic, err
		}
	}
	sessions, err := p.store.Sessions(ctx, roster.SessionFilter{Open: true})
	if err != nil {
		return pic, err
	}
	pic.Sessions = map[string]int{
		string(roster.SessionAnnouncing): 0, string(roster.SessionOpen): 0, string(roster.SessionParked): 0,
	}
	for _, s := range sessions {
		pic.Sessions[string(s.State)]++
	}
	if pic.StoreBytes, err = p.store.Size(); err != nil {
		return pic, err
	}
	pic.DiskFree, pic.DiskSize, err = store.Disk(p.now().cfg.StateDir)
	return pic, err
}
