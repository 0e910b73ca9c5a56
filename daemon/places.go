package main

import (
	"context"
	"sync"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
)

// opener makes a job ready for a run.
type opener func(ctx context.Context, run roster.Run, job roster.Job) (*pipeline.Flow, error)

// admitted lets a run wait for its place before it is opened. The run keeps the
// place until its flow is closed. An import gives it back when its change set
// stands: from then on the target pulls at its own pace, and a session that waits
// for a person would hold up the others.
//
// The configuration of the moment at which a run asks for its place is the run's
// until its end, whatever is loaded meanwhile.
func (p *parts) admitted(open func(view) opener) opener {
	return func(ctx context.Context, run roster.Run, job roster.Job) (*pipeline.Flow, error) {
		now := p.now()
		if same, ok := now.jobs[run.Job]; ok {
			job = same
		}
		open := open(now)
		if job.Type == roster.JobImport && run.State == roster.RunDelivering {
			return open(ctx, run, job)
		}
		leave, err := p.room.Enter(ctx, now.visitor(run, job))
		if err != nil {
			return nil, err
		}
		opened := false
		defer func() {
			if !opened {
				leave()
			}
		}()
		flow, err := open(ctx, run, job)
		if err != nil {
			return nil, err
		}
		opened = true
		closeFlow, deliver := flow.Close, flow.Deliver
		flow.Close = sync.OnceFunc(func() {
			defer leave()
			closeFlow()
		})
		if job.Type == roster.JobImport {
			flow.Deliver = func(ctx context.Context, run roster.Run, progress func(int)) (pipeline.Delivery, error) {
				leave()
				return deliver(ctx, run, progress)
			}
		}
		return flow, nil
	}
}

// visitor says what a run takes a place of: both of its connections, and for a
// sync the links that it shares with the job of the other direction.
func (p view) visitor(run roster.Run, job roster.Job) schedule.Visitor {
	v := schedule.Visitor{Run: run.ID, Account: job.Account, Asked: run.Asked}
	for _, ref := range []string{job.From, job.To} {
		if c, ok := p.connection(ref); ok {
			v.Needs = append(v.Needs, schedule.Need{Name: ref, Limit: max(c.Concurrency, 1)})
		}
	}
	if job.Type == roster.JobSync {
		for _, kind := range job.Kinds {
			set := roster.Route{From: job.From, To: job.To, Kind: kind}.LinkSet()
			v.Needs = append(v.Needs, schedule.Need{Name: "the " + string(kind) + " links of " + set, Limit: 1})
		}
	}
	return v
}

// live returns a run with the counts that it has reached, and with what it waits
// for.
func (p *parts) live(ctx context.Context, id string) (roster.Run, error) {
	run, err := p.runner.Live(ctx, id)
	if err != nil || run.State.Ended() {
		return run, err
	}
	if waits := p.room.Waits(id); waits != "" {
		run.Waits = waits
	}
	return run, err
}
