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
	opt Options
	// life is the lock that every process of the host holds.
	life    *os.File
	starter *starter
	ctx     context.Context
	cancel  context.CancelFunc
	// work are the goroutines that start and watch processes.
	work sync.WaitGroup
	// confined says that the kernel has Landlock.
	confined bool

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
	// Pin is what the program's line in a file of pins is; empty with Err.
	Pin Pin
	// Err says why the program is not usable.
	Err error
}

// NewHost prepares the runtime directory, once nothing of an earlier host on it
// runs any more. No adapter is started before it is asked for.
func NewHost(opt Options) (*Host, error) {
	opt = opt.withDefaults()
	dir, err := prepareRuntimeDir(opt.RuntimeDir)
	if err != nil {
		return nil, err
	}
	opt.RuntimeDir = dir
	life, err := holdLife(dir)
	if err != nil {
		return nil, err
	}
	if err := wipe(dir); err != nil {
		return nil, errors.Join(err, life.Close())
	}
	for _, path := range append([]*string{&opt.Dir, &opt.WorkDir}, pointers(opt.Private)...) {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, errors.Join(fmt.Errorf("directory of adapters: %w", err), life.Close())
		}
	}
	h := &Host{opt: opt, life: life, starter: newStarter(), confined: landlockVersion() > 0, seats: map[string]*seat{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.warn()
	return h, nil
}

func pointers(list []string) []*string {
	out := make([]*string, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// warn says once what adapters are not kept from.
func (h *Host) warn() {
	if !h.confined {
		h.opt.Logger.Warn("this kernel has no Landlock: adapters can read whatever the user of rosterd can;" +
			" use Linux 5.13 or later and have landlock among its security modules")
	}
	if h.opt.Lock == "" {
		return // The configuration's own findings tell that.
	}
	if _, err := os.Stat(h.opt.Lock); errors.Is(err, os.ErrNotExist) {
		h.opt.Logger.Warn("adapters are started without being compared with their pins: run `rosterd adapter lock`", "lock", h.opt.Lock)
	}
}

// List describes every program in the directory, by name. A program that is
// not usable is listed with its error. What was started only for that is
// stopped again.
func (h *Host) List(ctx context.Context) ([]Installed, error) {
	names, err := h.names()
	if err != nil {
		return nil, err
	}
	list := make([]Installed, 0, len(names))
	for _, name := range names {
		in := Installed{Name: name, Path: filepath.Join(h.opt.Dir, name)}
		var l learned
		l, in.Err = h.learn(ctx, name)
		in.Info, in.Pin = l.info, l.pin
		h.release(name)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("list adapters: %w", ctx.Err())
		}
		list = append(list, in)
	}
	return list, nil
}

// Describe returns an adapter's description of itself, starting it where it is
// not known.
func (h *Host) Describe(ctx context.Context, name string) (sdk.Info, error) {
	l, err := h.learn(ctx, name)
	return l.info, err
}

// Pin returns an adapter's name, version and checksum, as `rosterd adapter lock`
// would write them.
func (h *Host) Pin(ctx context.Context, name string) (Pin, error) {
	l, err := h.learn(ctx, name)
	return l.pin, err
}

// Open opens a connection, starting its adapter where that does not run. The
// error is an [*sdk.Error].
func (h *Host) Open(ctx context.Context, conn roster.Connection) (*Conn, error) {
	return h.open(ctx, &Conn{host: h, conn: conn, lock: make(chan struct{}, 1)})
}

// OpenReadOnly is [Host.Open] for a plan: the adapter is told that nothing may
// be written, and what would write is refused without calling it.
func (h *Host) OpenReadOnly(ctx context.Context, conn roster.Connection) (*Conn, error) {
	return h.open(ctx, &Conn{host: h, conn: conn, readOnly: true, lock: make(chan struct{}, 1)})
}

func (h *Host) open(ctx context.Context, c *Conn) (*Conn, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	defer s.inst.leave()
	c.abilities = s.remote.Abilities()
	h.count(c.conn.Adapter, 1)
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
	if err := h.life.Close(); err != nil {
		return fmt.Errorf("release the runtime directory of adapters: %w", err)
	}
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
		return "", fmt.Errorf("%w: %q: the directory %s does not exist", ErrNotInstalled, name, h.opt.Dir)
	case err != nil:
		return "", fmt.Errorf("%w: %q: %w", ErrNotInstalled, name, err)
	case len(names) == 0:
		return "", fmt.Errorf("%w: %q: the directory %s holds no adapter",
			ErrNotInstalled, name, h.opt.Dir)
	}
	return "", fmt.Errorf("%w: %q is not in %s, which holds %s",
		ErrNotInstalled, name, h.opt.Dir, strings.Join(names, ", "))
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0
}
