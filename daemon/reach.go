package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/backup"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// daemon returns a client of the running daemon.
func (c *cli) daemon() (*admin.Client, error) {
	cfg, err := c.peek(true)
	if err != nil {
		return dialEarlier(context.Background(), err)
	}
	return dial(cfg)
}

// dialEarlier returns a client of a daemon that runs with an earlier configuration than
// the faulty one, or the error of that.
func dialEarlier(ctx context.Context, faulty error) (*admin.Client, error) {
	faults, ok := errors.AsType[*config.Faults](faulty)
	if !ok {
		return nil, faulty
	}
	client, err := dial(&config.Config{Listen: faults.Listen})
	if err != nil || client.Live(ctx) != nil {
		return nil, faulty
	}
	return client, nil
}

func dial(cfg *config.Config) (*admin.Client, error) {
	address := cfg.Listen.Admin
	if cfg.Listen.AdminSocket != "" {
		address = "unix:" + cfg.Listen.AdminSocket
	}
	return admin.Dial(address, cfg.Listen.AdminToken)
}

// reader returns a client for reading: of the running daemon, or, where none
// runs, of an API on the stored state that lives until done is called. Both go
// the same way, so that a command prints the same.
func (c *cli) reader(ctx context.Context) (client *admin.Client, done func(), err error) {
	cfg, err := c.peek(true)
	if err != nil {
		client, err = dialEarlier(ctx, err)
		return client, func() {}, err
	}
	client, err = dial(cfg)
	if err != nil {
		return nil, nil, err
	}
	err = client.Live(ctx)
	if !errors.Is(err, admin.ErrUnreachable) {
		return client, func() {}, err
	}
	return c.offline(ctx, cfg, err)
}

// offline serves the stored state on a socket of its own.
func (c *cli) offline(ctx context.Context, cfg *config.Config, unreachable error) (*admin.Client, func(), error) {
	// A folder alone is none: the package makes one, and to open it would begin a
	// state there, whoever calls.
	if _, err := os.Stat(filepath.Join(cfg.StateDir, backup.Database)); errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w, and none has run yet: there is no state in %s to read", unreachable, cfg.StateDir)
	} else if err != nil {
		return nil, nil, fmt.Errorf("%w, and the state cannot be read: %w", unreachable, err)
	}
	var p *parts
	err := unlocked(ctx, sleep, func() (err error) {
		p, err = openParts(ctx, cfg, slog.New(slog.DiscardHandler), c.getenv)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "rosterd-")
	if err != nil {
		return nil, nil, errors.Join(err, p.close())
	}
	path := filepath.Join(dir, "s")
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, nil, errors.Join(err, p.close(), os.RemoveAll(dir))
	}
	o := atRest{operations{p}}
	server := admin.New(admin.Options{
		Runs: o, Jobs: o, Sessions: o, Quarantine: o, Syncs: o, RecordLog: o, Installation: o, State: o, Privacy: o, Configuration: o, Health: o, Audit: p.account, Logger: p.log, Now: time.Now,
	}).Server()
	served := make(chan error, 1)
	go func() { served <- serveHTTP(server, l) }()
	done := func() {
		err := errors.Join(server.Close(), <-served, p.close(), os.RemoveAll(dir))
		if err != nil {
			fmt.Fprintf(c.stderr, "rosterd: close the state: %v\n", err)
		}
	}
	client, err := admin.Dial("unix:"+path, roster.Secret{})
	if err != nil {
		done()
		return nil, nil, err
	}
	return client, done, nil
}

// A command that reads the stored state holds it for some milliseconds: another one,
// or a daemon that starts, waits for it that often and that long.
const (
	lockTries = 20
	lockPause = 100 * time.Millisecond
)

// unlocked opens the state, and tries again while somebody else has it.
func unlocked(ctx context.Context, sleep func(context.Context, time.Duration) error, open func() error) error {
	for tries := 1; ; tries++ {
		err := open()
		if !errors.Is(err, store.ErrLocked) || tries == lockTries || sleep(ctx, lockPause) != nil {
			return err
		}
	}
}

// atRest refuses what only a running daemon can do.
type atRest struct{ operations }

// Run returns a run as it is stored.
func (o atRest) Run(ctx context.Context, id string) (roster.Run, error) {
	return o.p.store.Run(ctx, id)
}

// Status tells how the jobs stand; the process that reads is no daemon.
func (o atRest) Status(ctx context.Context) (admin.Status, error) {
	s, err := o.operations.Status(ctx)
	s.PID, s.Started = 0, time.Time{}
	for i := range s.Jobs {
		if s.Jobs[i].LastDelivered == nil {
			s.Jobs[i].Freshness = "" // due times would count from the start of the command
		}
	}
	return s, err
}

// StartRun is refused.
func (atRest) StartRun(context.Context, admin.RunOrder) (roster.Run, error) {
	return roster.Run{}, errNoDaemon("starting a run")
}

// CancelRun is refused.
func (atRest) CancelRun(context.Context, string) error { return errNoDaemon("cancelling a run") }

// RetrySession is refused.
func (atRest) RetrySession(context.Context, string) error { return errNoDaemon("retrying a session") }

// CloseSession is refused.
func (atRest) CloseSession(context.Context, string) error { return errNoDaemon("closing a session") }

// unasked says why nothing outside was asked.
const unasked = "no daemon runs"

// Changes shows what a run would change, without the target's present values.
func (o atRest) Changes(ctx context.Context, id string, from, limit int) (admin.ChangePage, error) {
	_, page, err := o.storedChanges(ctx, id, from, limit)
	page.Unseen = unasked
	return page, err
}

// Explain tells what is stored of a record.
func (o atRest) Explain(ctx context.Context, job, asked string) (admin.Explanation, error) {
	e, err := o.explainStored(ctx, job, asked)
	if err != nil || e.Known || !isEmail(asked) {
		return e, err
	}
	s := o.search(job, asked)
	if err := s.stored(ctx); err != nil {
		return e, err
	}
	s.note("neither system, since no daemon runs")
	return o.explainFound(ctx, e, s, o.explainStored)
}

// explainStored is Explain for an id.
func (o atRest) explainStored(ctx context.Context, ref, record string) (admin.Explanation, error) {
	e, err := o.storedExplanation(ctx, ref, record)
	if err != nil {
		return e, err
	}
	e.Unknown = unasked
	return e, o.conclude(ctx, o.p.now().jobs[ref], &e)
}

// ApproveRun is refused.
func (atRest) ApproveRun(context.Context, string) (roster.Run, error) {
	return roster.Run{}, errNoDaemon("applying a run")
}

// SetLink is refused.
func (atRest) SetLink(context.Context, admin.LinkSet, string, string, string) error {
	return errNoDaemon("changing a link")
}

// RemoveLink is refused.
func (atRest) RemoveLink(context.Context, admin.LinkSet, string, string) error {
	return errNoDaemon("changing a link")
}

// SettleParked is refused.
func (atRest) SettleParked(context.Context, string, roster.ParkedVerdict, string, string) error {
	return errNoDaemon("settling a create")
}

// DropQuarantined is refused.
func (atRest) DropQuarantined(context.Context, []string, roster.QuarantineFilter) (int, error) {
	return 0, errNoDaemon("dropping records")
}
