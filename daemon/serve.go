package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"
	"golang.org/x/term"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/schedule"
	"github.com/rosterd/rosterd/internal/systemd"
)

func (c *cli) runCommand() *cobra.Command {
	var level string
	cmd := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: exactly(),
		Long: `Run the daemon in the foreground, as systemd does. SIGTERM and SIGINT end it
cleanly: runs stop where they are and go on at the next start.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := c.logger(level)
			if err != nil {
				return err
			}
			if err := hideMemory(); err != nil {
				return err
			}
			cfg, err := c.load(false)
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				log.Warn("configuration", "file", w.File, "line", w.Line, "code", w.Code, "finding", w.Message)
			}
			return serve(cmd.Context(), cfg, log, c.getenv, nil)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// logger writes JSON, or text to a terminal, to standard error.
func (c *cli) logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level is debug, info, warn or error, and not %q", level)
	}
	options := &slog.HandlerOptions{Level: l}
	if f, ok := c.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(c.stderr, options)), nil
	}
	return slog.New(c.toJournal(slog.NewJSONHandler(c.stderr, options), l)), nil
}

// serve runs the daemon until ctx ends or a part fails. ready, where it is not
// nil, is called when everything answers.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger, getenv func(string) string, ready func(*parts)) (err error) {
	manager := systemd.NewNotifier(getenv, os.Getpid())
	var l listeners
	defer func() { l.close() }()
	if l.public, err = passedListener(getenv); err != nil {
		return err
	}
	var p *parts
	if err := patiently(manager, log, func() error {
		return unlocked(ctx, sleep, func() (err error) { p, err = openParts(ctx, cfg, log, getenv); return err })
	}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.close())
		log.Info("rosterd has stopped")
	}()
	if err := p.dropOrphans(ctx); err != nil {
		return err
	}
	if l, err = listen(cfg, l.public); err != nil {
		return err
	}
	loop, err := p.loop(cfg)
	if err != nil {
		return err
	}
	if err := p.runner.Begin(ctx); err != nil {
		return err
	}
	p.checkAdapters()
	return p.answer(ctx, l, loop, manager, ready)
}

// answer serves both listeners until ctx ends or a part fails.
func (p *parts) answer(ctx context.Context, l listeners, loop *schedule.Loop, manager *systemd.Notifier, ready func(*parts)) error {
	api := admin.New(admin.Options{
		Runs: operations{p}, Jobs: operations{p}, Sessions: operations{p}, Quarantine: operations{p}, Syncs: operations{p}, RecordLog: operations{p}, Installation: operations{p},
		State: operations{p}, Privacy: operations{p}, Configuration: operations{p}, Health: operations{p}, Audit: p.account,
		Token: p.now().cfg.Listen.AdminToken, Logger: p.log, Now: time.Now,
	})
	public, operator := export.NewServer(p.probed(p.countAnswers(p.inbound.handler(p.sessions.Handler()))), p.log), api.Server()
	callers, operators := newEntrance(public, l.public, export.MaxConnections), newEntrance(operator, l.admin, 0)
	w := p.newWatchdog(manager, callers.door, operators.door)
	p.ready.prepare(p, callers.door, operators.door)
	defer p.ready.asking.Wait()

	p.tellManager(manager)
	p.warnRestored()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var wg sync.WaitGroup
	wg.Go(func() { fail(callers.serve()) })
	wg.Go(func() { fail(operators.serve()) })
	wg.Go(func() { fail(p.scheduling(ctx, loop)) })
	wg.Go(func() { p.reloadOnHangup(ctx) })
	wg.Go(func() { p.prune(ctx) })
	wg.Go(func() { p.inbound.waker.run(ctx) })
	wg.Go(func() { p.alert(ctx) })
	if manager != nil {
		tell(p.log, manager.Ready(p.statusText(ctx)))
		wg.Go(func() { w.run(ctx) })
	}
	p.log.Info("rosterd is ready", "version", version, "pid", os.Getpid(), "jobs", len(p.now().cfg.Jobs),
		"public", l.public.Addr().String(), "admin", l.admin.Addr().String())
	if ready != nil {
		ready(p)
	}
	<-ctx.Done()
	p.log.Info("rosterd is stopping")
	tell(p.log, manager.Stopping())
	// The listener closes before the sessions do: a target that is refused a
	// connection asks again, one that is answered 404 may give up.
	err := callers.drain(p.log)
	p.runner.Stop()
	err = errors.Join(err, operators.drain(p.log))
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// listeners are where the daemon answers.
type listeners struct{ public, admin net.Listener }

func (l listeners) close() {
	for _, each := range []net.Listener{l.public, l.admin} {
		if each != nil {
			each.Close()
		}
	}
}

// listen opens both listeners. passed is the public one where systemd opened it,
// and then counts instead of the configured address.
func listen(cfg *config.Config, passed net.Listener) (l listeners, err error) {
	l.public = passed
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var lc net.ListenConfig
	if l.public == nil {
		if l.public, err = lc.Listen(context.Background(), "tcp", cfg.Listen.Public); err != nil {
			return l, fmt.Errorf("listen.public: %w", err)
		}
	}
	l.public = netutil.LimitListener(l.public, export.MaxConnections)
	if t := cfg.Listen.TLS; t.Cert != "" {
		c := &certificate{files: t}
		if _, err := c.get(nil); err != nil {
			return l, fmt.Errorf("listen.public.tls: %w", err)
		}
		l.public = tls.NewListener(l.public, &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12})
	}
	if cfg.Listen.AdminSocket == "" {
		if l.admin, err = lc.Listen(context.Background(), "tcp", cfg.Listen.Admin); err != nil {
			return l, fmt.Errorf("listen.admin: %w", err)
		}
		return l, nil
	}
	l.admin, err = listenSocket(cfg.Listen.AdminSocket)
	return l, err
}

// socketMode lets the daemon's group operate it.
const socketMode = 0o660

// listenSocket listens on a Unix socket. The lock on the state directory is
// held, so a socket that is there was left by a daemon that was killed.
func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("listen.admin: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen.admin: %w", err)
		}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen.admin: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("listen.admin: %w", err), l.Close())
	}
	return l, nil
}
