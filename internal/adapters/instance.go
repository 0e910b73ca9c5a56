package adapters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// passedOn are the variables of the daemon's environment that an adapter gets.
// Everything else stays: the environment holds secrets.
func passedOn() []string { return []string{"TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"} }

// tempDir is the adapter's own folder below that of its socket.
const tempDir = "tmp"

// instance is one running process of an adapter, ready for calls.
type instance struct {
	info   sdk.Info
	client *wire.Client
	proc   *process
	// hangUp asks the process to end and closes the connection to it. It has
	// no bound while the process lives.
	hangUp func()
	// stopping says that the end of the process is wanted.
	stopping atomic.Bool
	started  time.Time
	access   *access

	mu sync.Mutex
	// retired says that no call begins any more; calls are under way, and idle
	// is closed when the last one of a retired process has ended.
	retired bool
	calls   int
	idle    chan struct{}
}

// launch starts the program of an adapter and makes sure that it is what its
// file name says.
func (h *Host) launch(s *seat) (*instance, error) {
	name := s.name
	path, err := h.find(name)
	if err != nil {
		return nil, err
	}
	program, err := openProgram(name, path, h.opt.Lock)
	if err != nil {
		return nil, err
	}
	defer func() { _ = program.close() }() // It was only read.
	access := h.accessOf(s, program.is)
	var proc *process
	client := plugin.NewClient(h.clientConfig(program, access, &proc))
	if _, err := client.Start(); err != nil {
		if proc != nil {
			proc.waitExit(h.opt.StopTimeout)
		}
		return nil, startError(name, err)
	}
	// A process that stops answering here would be waited for without bound;
	// killing it ends the waiting.
	giveUp := time.AfterFunc(h.opt.StartTimeout, proc.kill)
	defer giveUp.Stop()
	inst := &instance{proc: proc, started: h.opt.Now(), access: access, idle: make(chan struct{})}
	protocol, err := client.Client()
	if err == nil {
		inst.hangUp = sync.OnceFunc(func() { _ = protocol.Close() })
		err = h.introduce(inst, protocol, name)
	}
	if err != nil {
		inst.stop(0, h.opt.StopTimeout)
		return nil, startError(name, err)
	}
	return inst, nil
}

// introduce makes the first real call: a program may name any address in its
// handshake, so that only an answer proves it to be there.
func (h *Host) introduce(inst *instance, protocol plugin.ClientProtocol, name string) error {
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return fmt.Errorf("join %s: %w", name, err)
	}
	client, ok := raw.(*wire.Client)
	if !ok {
		return fmt.Errorf("join %s: unexpected plugin %T", name, raw)
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.opt.StartTimeout)
	defer cancel()
	info, err := client.Describe(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if info.Name != name {
		return fmt.Errorf("%w: the file %s holds the adapter %q; name the file as the adapter",
			ErrStart, filepath.Join(h.opt.Dir, name), info.Name)
	}
	inst.info, inst.client = info, client
	return nil
}

func startError(name string, err error) error {
	if errors.Is(err, ErrStart) || errors.Is(err, ErrProtocol) || errors.Is(err, ErrPin) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrStart, name, err)
}

// clientConfig is how go-plugin starts and reaches one process. Its SecureConfig
// is not used: that reads the program by its path and starts it by its path,
// between which the file can be replaced.
func (h *Host) clientConfig(program *program, access *access, proc **process) *plugin.ClientConfig {
	name := program.name
	logger := h.opt.Logger.With("adapter", name)
	lines := &lineLog{logger: logger, now: h.opt.Now}
	return &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Versions(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     h.opt.StartTimeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: h.opt.RuntimeDir},
		GRPCDialOptions:  wire.DialOptions(),
		SyncStdout:       lines,
		SyncStderr:       lines,
		Logger:           hclog.NewNullLogger(),
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
			temp := filepath.Join(dir, tempDir)
			if err := os.Mkdir(temp, 0o700); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrStart, name, err)
			}
			keeper := append(slices.Clone(h.opt.Keeper), name)
			cmd := exec.Command(keeper[0], keeper[1:]...) //nolint:noctx // The process outlives every call; stop ends it.
			cmd.Env, cmd.Dir = append(environment(), spec.Env...), h.opt.WorkDir
			cmd.Env = append(cmd.Env, "TMPDIR="+temp)
			*proc = &process{
				name: name, cmd: cmd, program: program, orders: access.orders(program.path, dir),
				dir: dir, life: h.life, starter: h.starter, logger: logger, lines: lines,
				quit: h.ctx.Done(), limit: h.opt.StopTimeout, exited: make(chan struct{}),
			}
			return *proc, nil
		},
	}
}

func environment() []string {
	var env []string
	for _, key := range passedOn() {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

// stop ends the process: it is asked and given the time polite, then its group
// is killed. The call returns soon after, also where the process cannot be
// killed.
func (i *instance) stop(polite, limit time.Duration) {
	i.stopping.Store(true)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if i.hangUp != nil {
			i.hangUp()
		}
	}()
	if polite == 0 || !i.proc.waitExit(polite) {
		i.proc.kill()
	}
	if !i.proc.waitExit(limit) {
		i.proc.logger.Error("an adapter is still there after it was killed", "pid", i.proc.ID())
		return
	}
	<-asked
}

// enter begins a call and reports whether the process still takes any.
func (i *instance) enter() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.retired || !i.proc.alive() {
		return false
	}
	i.calls++
	return true
}

// leave ends a call.
func (i *instance) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls--
	if i.retired && i.calls == 0 {
		close(i.idle)
	}
}

// retire lets no further call begin.
func (i *instance) retire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.retired {
		return
	}
	i.retired = true
	if i.calls == 0 {
		close(i.idle)
	}
}
