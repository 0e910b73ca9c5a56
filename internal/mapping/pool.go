package mapping

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Pool makes mappings.
type Pool struct{ opts Options }

// NewPool returns a pool. It starts no process before [Pool.Load].
func NewPool(opts Options) *Pool { return &Pool{opts: opts.withDefaults()} }

// Load checks a script and makes it ready.
func (p *Pool) Load(_ context.Context, _ Script, _ Context, _ roster.MapTarget) (*Mapping, error) {
	return nil, errors.ErrUnsupported
}

// Close ends every worker of the pool.
func (p *Pool) Close() error { return nil }

// Mapping is a loaded script.
type Mapping struct{}

// Map maps a page.
func (m *Mapping) Map(_ context.Context, _ *sdk.Page) (*roster.Mapped, error) {
	return nil, errors.ErrUnsupported
}

// Close ends the mapping's workers.
func (m *Mapping) Close() error { return nil }

// Worker is the main loop of a worker process.
func Worker(_ io.Reader, _ io.Writer, _ *os.File) error { return errors.ErrUnsupported }
