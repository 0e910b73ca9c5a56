package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/internal/systemd"
)

// parts are what a daemon is made of.
type parts struct {
	log *slog.Logger
	// current is the configuration at this moment.
	current atomic.Pointer[setup]
	getenv  func(string) string
	// reloading is held while a configuration is compared and taken over; unloaded
	// is what was wrong with the last one, and loops takes the schedule of a new one.
	reloading sync.Mutex
	unloaded  atomic.Pointer[admin.Finding]
	loops     chan *schedule.Loop
	manager   *systemd.Notifier
	probeKey  [32]byte
	restored  *store.Restored
	// key is the id of the master key.
	key      string
	store    *bolt.Store
	changes  *store.ChangeSets
	records  *recordlog.Log
	host     *adapters.Host
	pool     *mapping.Pool
	sessions *export.Sessions
	inbound  *inbound
	runner   *pipeline.Runner
	room     *schedule.Room
	// wake makes the schedule look at the jobs at once.
	wake    chan struct{}
	started time.Time
	// began is when nothing of an earlier life was running any more.
	began time.Time
	pulse pulse
	observing
	// account is where changes are written down.
	account *accountant
	// subscribed holds the refs of connections whose target tells outcomes.
	subscribed sync.Map
}

// openParts makes the parts ready in the order in which they need one another.
// Nothing runs yet but the lock on the state directory.
func openParts(ctx context.Context, cfg *config.Config, log *slog.Logger, getenv func(string) string) (_ *parts, err error) {
	p := &parts{log: log, getenv: getenv, started: time.Now()}
	p.current.Store(newSetup(cfg))
	p.loops = make(chan *schedule.Loop)
	p.observe()
	if _, err := rand.Read(p.probeKey[:]); err != nil {
		return p, err
	}
	p.room, p.wake = schedule.NewRoom(max(cfg.Concurrency, 1)), make(chan struct{}, 1)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	keys, err := keyring(cfg)
	if err != nil {
		return p, err
	}
	p.key = keyID(keys)
	if err := p.openState(ctx, cfg, keys); err != nil {
		return p, err
	}
	if p.host, err = adapters.NewHost(adapters.Options{
		Dir: cfg.Plugins.Dir, WorkDir: filepath.Dir(cfg.Path), RuntimeDir: runtimeDir(cfg, getenv), Logger: log, Now: time.Now,
		Lock: cfg.Plugins.Lock, Private: privatePaths(cfg, getenv), Connections: p.connectionsNow,
	}); err != nil {
		return p, err
	}
	// From here on nothing of an earlier life sends anything.
	p.began = time.Now()
	p.pool = mapping.NewPool(mapping.Options{Command: []string{"/proc/self/exe", mapWorkerName}, Logger: log})
	secrets, err := exportSecrets(cfg)
	if err != nil {
		return p, err
	}
	p.sessions = export.New(export.Options{
		PublicURL: cfg.PublicURL, Secrets: secrets, AnnounceWait: cfg.Export.AnnounceWait,
		SessionTimeout: cfg.Export.SessionTimeout, SessionGap: cfg.Export.SessionGap, Repeats: cfg.Export.Repeats,
		TrustedProxies: cfg.TrustedProxies, Store: p.store, Records: p.records, Logger: log, Now: time.Now,
		Outcomes: p.store, OutcomeWait: cfg.Export.OutcomeWait, Settle: pipeline.Settle,
		NewID: func() string { return newID(time.Now()) },
	})
	if p.inbound, err = p.openInbound(); err != nil {
		return p, err
	}
	p.runner = &pipeline.Runner{
		Runs: p.store, Quarantine: roomyQuarantine{p.store, cfg.StateDir}, Cursors: p.store, Jobs: p.now().jobs, Open: p.admitted(func(v view) opener { return v.openFlow }), Abandon: p.abandon,
		Now: time.Now, NewID: func() string { return newID(time.Now()) }, Sleep: sleep, Logger: log, Ended: p.runEnded,
		Records: p.records,
	}
	return p, nil
}

// openState opens what is kept in the state directory.
func (p *parts) openState(ctx context.Context, cfg *config.Config, keys *store.Keyring) (err error) {
	if p.store, err = bolt.OpenVerified(ctx, cfg.StateDir, keys, verifyState); err != nil {
		return err
	}
	if p.restored, err = store.LoadRestored(cfg.StateDir); err != nil {
		return err
	}
	if p.changes, err = store.NewChangeSets(cfg.StateDir, keys); err != nil {
		return err
	}
	if p.account, err = newAccountant(cfg.StateDir, p.store.Names()); err != nil {
		return err
	}
	if p.records, err = recordlog.Open(cfg.StateDir, keys, logRetention(cfg), p.log, time.Now); err != nil {
		return err
	}
	return p.eraseAgain(ctx)
}

// close releases the parts in the reverse order.
func (p *parts) close() error {
	var errs []error
	if p.pool != nil {
		errs = append(errs, p.pool.Close())
	}
	if p.host != nil {
		errs = append(errs, p.host.Close())
	}
	if p.account != nil {
		errs = append(errs, p.account.close())
	}
	if p.records != nil {
		errs = append(errs, p.records.Close())
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	return errors.Join(errs...)
}

// abandon ends the sessions of a run that will not be delivered to its end, and
// returns how many clients they have served: an open session would keep its
// business from the next import.
func (p *parts) abandon(ctx context.Context, run roster.Run) (served int, err error) {
	sessions, err := p.store.Sessions(ctx, roster.SessionFilter{Run: run.ID})
	if err != nil {
		return 0, err
	}
	for _, session := range sessions {
		served += session.ServedCount()
		if session.State.Ended() {
			continue
		}
		if err := p.sessions.Close(ctx, session.ID, "its run ended before it"); err != nil && !errors.Is(err, roster.ErrConflict) {
			return 0, err
		}
	}
	// A change set that cannot be removed, as on a disk that is read-only, does
	// not keep the run from ending: the next start removes it.
	if err := p.changes.Remove(run.ID); err != nil {
		p.log.Warn("change set not removed; the next start removes it", "run", run.ID, "job", run.Job, "err", err)
	}
	return served, nil
}

// dropOrphans removes the change sets of runs that are over: a crash between
// the end of a run and the removal leaves one. Those that a person may still apply
// are kept.
func (p *parts) dropOrphans(ctx context.Context) error {
	runs, err := p.changes.List()
	if err != nil {
		return err
	}
	for _, id := range runs {
		run, err := p.store.Run(ctx, id)
		if err == nil && !run.State.Ended() {
			continue
		}
		if err != nil && !errors.Is(err, roster.ErrNotFound) {
			return err
		}
		keep := false
		if err == nil {
			if keep, err = p.keepsPlan(ctx, run); err != nil {
				return err
			}
		}
		if keep {
			continue
		}
		if err := p.changes.Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// keyring takes the configured master key, or the one in the state directory.
func keyring(cfg *config.Config) (*store.Keyring, error) {
	if key := cfg.MasterKey.Reveal(); key != "" {
		if err := store.SettleRotation(cfg.StateDir); err != nil {
			return nil, err
		}
		return store.NewKeyring([]byte(key))
	}
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, store.Explain(fmt.Errorf("make the state directory: %w", err))
	}
	return store.LoadKeyring(cfg.StateDir)
}

// runtimeDir is where adapters keep their sockets: short enough for a socket's
// path when systemd names it.
func runtimeDir(cfg *config.Config, getenv func(string) string) string {
	if dir := getenv("RUNTIME_DIRECTORY"); dir != "" {
		first, _, _ := strings.Cut(dir, ":")
		return filepath.Join(first, "adapters")
	}
	return filepath.Join(cfg.StateDir, "run")
}

// exportSecrets takes the configured secrets, or one that is made and kept in
// the state directory. Of what reads the state without the secrets there are none.
func exportSecrets(cfg *config.Config) ([]roster.Secret, error) {
	if len(cfg.Export.Secrets) > 0 || cfg.Export.Unread {
		return cfg.Export.Secrets, nil
	}
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, store.Explain(fmt.Errorf("make the state directory: %w", err))
	}
	stored, err := keptSecret(cfg)
	if err != nil {
		return nil, err
	}
	if stored.Reveal() != "" {
		return []roster.Secret{stored}, nil
	}
	secret := rand.Text() + rand.Text()
	if err := keepSecret(secretPath(cfg), secret); err != nil {
		return nil, store.Explain(fmt.Errorf("keep the export secret: %w", err))
	}
	return []roster.Secret{roster.NewSecret(secret)}, nil
}

func secretPath(cfg *config.Config) string { return filepath.Join(cfg.StateDir, "export.secret") }

// keptSecret is the secret in the state directory; the zero Secret where none is
// kept.
func keptSecret(cfg *config.Config) (roster.Secret, error) {
	stored, err := os.ReadFile(secretPath(cfg))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return roster.Secret{}, fmt.Errorf("read the export secret: %w", err)
	}
	return roster.NewSecret(strings.TrimSpace(string(stored))), nil
}

// keepSecret writes a secret that is there, whole, also after a power cut: the
// target was given an address with it.
func keepSecret(path, secret string) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return store.SyncDir(filepath.Dir(path))
}

// newID makes an id that sorts by time, to the millionth of a second, and can be read
// aloud.
func newID(now time.Time) string {
	return now.UTC().Format("20060102-150405") + "-" + fractionText(now.Nanosecond()) + strings.ToLower(rand.Text()[:4])
}

// fractionText writes the nanoseconds of a second so that the text sorts as they do.
func fractionText(nanoseconds int) string {
	const digits = "234567abcdefghijklmnopqrstuvwxyz"
	ticks := int64(nanoseconds) << 20 / int64(time.Second)
	text := make([]byte, 4)
	for i := range text {
		text[i] = digits[ticks>>(15-5*i)&31]
	}
	return string(text)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// roomyQuarantine keeps refused records from taking the disk's last room, which
// the database needs to go on: a million records in a wrong encoding are all
// refused.
type roomyQuarantine struct {
	*bolt.Store
	dir string
}

// AddQuarantine stores refused records while there is room for more than them.
func (q roomyQuarantine) AddQuarantine(ctx context.Context, records []roster.Quarantined) (replaced int, err error) {
	if err := store.CheckRoom(q.dir); err != nil {
		return 0, err
	}
	return q.Store.AddQuarantine(ctx, records)
}
