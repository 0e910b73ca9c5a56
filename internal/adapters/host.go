package adapters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Host runs the adapter programs of one directory. It serves concurrent calls.
type Host struct {
	opt     Options
	starter *starter
	ctx     context.Context
	cancel  context.CancelFunc
	// work are the goroutines that start and watch processes.
	work sync.WaitGroup

	mu     sync.Mutex
	closed bool
	seats  map[string]*seat
}

// Installed is one program in the directory of adapters.
type Installed struct {
	Name string
	Path string
	// Info is the adapter's description of itself; empty with Err.
	Info sdk.Info
	// Err says why the program is not usable.
	Err error
}

// NewHost prepares the runtime directory. No adapter is started before it is
// asked for.
func NewHost(opt Options) (*Host, error) {
	opt = opt.withDefaults()
	dir, err := prepareRuntimeDir(opt.RuntimeDir)
	if err != nil {
		return nil, err
	}
	opt.RuntimeDir = dir
	if opt.Dir, err = filepath.Abs(opt.Dir); err != nil {
		return nil, fmt.Errorf("directory of adapters: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Host{opt: opt, starter: newStarter(), ctx: ctx, cancel: cancel, seats: map[string]*seat{}}, nil
}

// List describes every program in the directory, by name. A program that is
// not usable is listed with its error.
func (h *Host) List(ctx context.Context) ([]Installed, error) {
	names, err := h.names()
	if err != nil {
		return nil, err
	}
	list := make([]Installed, 0, len(names))
	for _, name := range names {
		in := Installed{Name: name, Path: filepath.Join(h.opt.Dir, name)}
		in.Info, in.Err = h.Describe(ctx, name)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("list adapters: %w", ctx.Err())
		}
		list = append(list, in)
	}
	return list, nil
}

// Describe returns an adapter's description of itself, starting it where it
// does not run.
func (h *Host) Describe(ctx context.Context, name string) (sdk.Info, error) {
	inst, err := h.running(ctx, name)
	if err != nil {
		return sdk.Info{}, err
	}
	return inst.info, nil
}

// Open opens a connection, starting its adapter where that does not run. The
// error is an [*sdk.Error].
func (h *Host) Open(ctx context.Context, conn roster.Connection) (*Conn, error) {
	c := &Conn{host: h, conn: conn, lock: make(chan struct{}, 1)}
	s, err := c.session(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	c.abilities = s.remote.Abilities()
	return c, nil
}

// Close stops every adapter: politely at first, then not. It returns in a few
// seconds whatever the adapters do.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	seats := h.seats
	h.mu.Unlock()
	h.cancel()
	var stops sync.WaitGroup
	for _, s := range seats {
		stops.Go(func() { h.vacate(s) })
	}
	stops.Wait()
	h.work.Wait()
	h.starter.close()
	return nil
}

// programName is what an adapter may be called: also a file name without ways
// out of the directory.
var programName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// names lists the programs in the directory.
func (h *Host) names() ([]string, error) {
	entries, err := os.ReadDir(h.opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("list adapters: %w", err)
	}
	var names []string
	for _, e := range entries {
		if programName.MatchString(e.Name()) && executable(filepath.Join(h.opt.Dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// find returns the path of an adapter's program.
func (h *Host) find(name string) (string, error) {
	path := filepath.Join(h.opt.Dir, name)
	if programName.MatchString(name) && executable(path) {
		return path, nil
	}
	names, err := h.names()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("%w: %q: the directory %s does not exist; correct plugins.dir", ErrNotInstalled, name, h.opt.Dir)
	case err != nil:
		return "", fmt.Errorf("%w: %q: %w", ErrNotInstalled, name, err)
	case len(names) == 0:
		return "", fmt.Errorf("%w: %q: the directory %s holds no adapter; install it there or correct plugins.dir",
			ErrNotInstalled, name, h.opt.Dir)
	}
	return "", fmt.Errorf("%w: %q is not in %s, which holds %s; install it there or correct the connection's adapter",
		ErrNotInstalled, name, h.opt.Dir, strings.Join(names, ", "))
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0
}
