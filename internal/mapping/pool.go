package mapping

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Pool makes mappings and owns their worker processes. It serves concurrent
// calls.
type Pool struct {
	opts     Options
	launcher *launcher
	// progress makes the shared memory of a worker.
	progress func() (*os.File, []byte, error)
	// maxStops bounds the stopped records of one mapping.
	maxStops int

	mu     sync.Mutex
	loaded map[*Mapping]struct{}
	closed bool
}

// NewPool returns a pool. It starts no process before [Pool.Load].
func NewPool(opts Options) *Pool {
	program := ""
	if len(opts.Command) > 0 {
		program = opts.Command[0]
	}
	return &Pool{
		opts: opts.withDefaults(), launcher: newLauncher(program), progress: newProgress, maxStops: maxStops,
		loaded: map[*Mapping]struct{}{},
	}
}

// Load starts a worker with a script and returns the mapping of one job. Every
// mapping has workers of its own, so no job meets the state of another; further
// workers are started when pages come side by side. A fault of the script is a
// [ScriptError].
func (p *Pool) Load(ctx context.Context, script Script, c Context, target roster.MapTarget) (*Mapping, error) {
	if err := checkSource(script); err != nil {
		return nil, err
	}
	if target.Digests != nil && target.Matters != nil {
		return nil, fmt.Errorf("load %s: a target with matters has no digests: %w", script.Name, roster.ErrInvalid)
	}
	m := &Mapping{
		pool: p, closed: make(chan struct{}),
		idle: make(chan *process, p.opts.Workers), spare: make(chan struct{}, p.opts.Workers),
		request: loadRequest{Script: script, Context: c, Target: target, MemoryLimit: p.opts.MemoryLimit},
	}
	for range p.opts.Workers - 1 {
		m.spare <- struct{}{}
	}
	if err := p.adopt(m); err != nil {
		return nil, err
	}
	first, err := m.startWorker(ctx)
	m.giveBack(first)
	if ended, ok := errors.AsType[*endedError](err); ok && ended.why == endStopped {
		err = fmt.Errorf("load %s: %w", script.Name, stopCause(ctx))
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (p *Pool) adopt(m *Mapping) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.loaded[m] = struct{}{}
	return nil
}

// Close closes every mapping that is still open, kills their workers and waits
// for them. A call in progress fails with [ErrClosed].
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	open := make([]*Mapping, 0, len(p.loaded))
	for m := range p.loaded {
		open = append(open, m)
	}
	p.mu.Unlock()
	var err error
	for _, m := range open {
		err = errors.Join(err, m.Close())
	}
	p.launcher.close()
	return err
}

// Mapping is a loaded script with the workers that run it. It serves
// concurrent calls; each page goes to a free worker.
type Mapping struct {
	pool    *Pool
	request loadRequest
	// idle holds the workers that wait for a page, spare one token for each
	// worker that may be started. Both together have room for all of them.
	idle   chan *process
	spare  chan struct{}
	once   sync.Once
	closed chan struct{}
	err    error

	mu    sync.Mutex
	stops int
}

// Map maps every record of a page, in order. A record that the script fails on,
// takes too long for or needs too much memory for is rejected alone; the page's
// other records are mapped as if it were not there. The page must have passed
// [sdk.Page.Validate].
//
// Map fails when ctx ends, with [ErrClosed] when the mapping is closed, with a
// [ScriptError] when the script was stopped too often to go on, and when no
// worker can be started.
func (m *Mapping) Map(ctx context.Context, page *sdk.Page) (*roster.Mapped, error) {
	return m.mapPage(ctx, page, nil)
}

// MapRows is [Mapping.Map] for some records of a page: those at rows, which
// ascend. The result has one record for each, whose Row is its index in the page;
// what it says of the page it says of these records. Rows that the page does not
// have, or in another order, are [roster.ErrInvalid].
func (m *Mapping) MapRows(ctx context.Context, page *sdk.Page, rows []int) (*roster.Mapped, error) {
	for i, row := range rows {
		if row < 0 || row >= page.Rows || i > 0 && row <= rows[i-1] {
			return nil, fmt.Errorf("map rows of a page: row %d of %d: %w", row, page.Rows, roster.ErrInvalid)
		}
	}
	switch len(rows) {
	case page.Rows:
		return m.mapPage(ctx, page, nil)
	case 0:
		return &roster.Mapped{Records: []roster.MappedRecord{}}, nil
	}
	return m.mapPage(ctx, pick(page, rows), rows)
}

func (m *Mapping) mapPage(ctx context.Context, page *sdk.Page, rows []int) (*roster.Mapped, error) {
	worker, err := m.borrow(ctx)
	if err != nil {
		return nil, err
	}
	call := &pageCall{mapping: m, page: page, rows: rows, worker: worker, crashes: map[int]int{}}
	mapped, err := call.run(ctx)
	m.giveBack(call.worker)
	return mapped, err
}

// borrow returns an idle worker, or nil for the leave to start one. A worker
// that runs is preferred, so that a job with one page at a time needs only one.
func (m *Mapping) borrow(ctx context.Context) (*process, error) {
	select {
	case <-m.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case worker := <-m.idle:
		return worker, nil
	default:
	}
	select {
	case worker := <-m.idle:
		return worker, nil
	case <-m.spare:
		return nil, nil //nolint:nilnil // No worker and no error is the leave to start one.
	case <-m.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *Mapping) giveBack(worker *process) {
	if worker == nil {
		m.spare <- struct{}{}
		return
	}
	m.idle <- worker
}

// Close kills the mapping's workers and waits for them and for calls in
// progress, which fail with [ErrClosed].
func (m *Mapping) Close() error {
	m.once.Do(func() {
		close(m.closed)
		for range cap(m.idle) {
			select {
			case worker := <-m.idle:
				m.err = errors.Join(m.err, worker.end())
			case <-m.spare:
			}
		}
		m.pool.mu.Lock()
		delete(m.pool.loaded, m)
		m.pool.mu.Unlock()
	})
	return m.err
}
