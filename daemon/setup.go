package main

import (
	"time"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// setup is a configuration with what follows from it. It is not changed: a reload
// puts another one in its place.
type setup struct {
	cfg  *config.Config
	jobs map[string]roster.Job
	// read is when the configuration was read.
	read time.Time
}

func newSetup(cfg *config.Config) *setup {
	s := &setup{cfg: cfg, jobs: map[string]roster.Job{}, read: time.Now()}
	for _, job := range cfg.Jobs {
		s.jobs[job.Ref] = job
	}
	return s
}

// view are the parts with one setup. A run holds the view with which it was opened.
type view struct {
	*parts
	*setup
}

// now is the view of this moment.
func (p *parts) now() view { return view{p, p.current.Load()} }

// connectionsNow are the connections of an adapter at this moment.
func (p *parts) connectionsNow(info sdk.Info) []roster.Connection {
	return connectionsOf(p.current.Load().cfg)(info)
}
