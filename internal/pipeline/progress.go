package pipeline

import (
	"sync"

	"github.com/rosterd/rosterd/internal/roster"
)

// progress is what a run under way has counted so far, for those who watch.
type progress struct {
	mu     sync.Mutex
	counts roster.Counts
	// waiting says what the run waits for; empty while it does not.
	waiting string
}

// waits notes what the run waits for, empty for nothing.
func (p *progress) waits(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = what
}

func (p *progress) set(c roster.Counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = c
}

// served notes how many clients of an import were served.
func (p *progress) served(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Served, p.counts.Unserved, p.counts.Unknown = n, p.counts.Frozen-n, n
}

func (p *progress) get() roster.Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

func (p *progress) waitsFor() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}
