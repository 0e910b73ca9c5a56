package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/metrics"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/systemd"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// observing is what watches over the other parts.
type observing struct {
	metrics *metrics.Metrics
	last    lastRuns
	// look makes the alerts look at once.
	look chan struct{}
	// realert has another watch tell people, with the receivers of this moment.
	realert chan struct{}
	// ready are the questions of /readyz.
	ready readiness
}

// observe makes what watches over the parts.
func (p *parts) observe() {
	v := programVersion()
	p.look, p.realert = make(chan struct{}, 1), make(chan struct{}, 1)
	p.metrics = metrics.New(metrics.Options{Version: v.Version, Revision: v.Commit, Go: v.Go, Picture: p.picture, Logger: p.log})
	p.metrics.ConfigRead(p.started, true)
}

// runEnded takes notice of a run that has ended.
func (p *parts) runEnded(run roster.Run) {
	p.last.ended(run)
	p.metrics.RunEnded(run)
	select {
	case p.look <- struct{}{}:
	default: // they are about to look
	}
}

// countAnswers counts the answers of the public listener.
func (p *parts) countAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusOf{ResponseWriter: w}
		next.ServeHTTP(s, r)
		if s.status == 0 {
			s.status = http.StatusOK
		}
		p.metrics.Exported(s.status)
	})
}

// statusOf remembers the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (s *statusOf) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (s *statusOf) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// readyTime bounds how long /readyz waits for the parts.
const readyTime = 5 * time.Second

// readiness asks the parts whether the daemon takes on work. The zero readiness
// asks nobody.
type readiness struct {
	mu     sync.Mutex
	checks []readyCheck
	asking sync.WaitGroup
}

// readyCheck asks one part; the answer is what is wrong, "" for nothing.
type readyCheck struct {
	name     string
	optional bool
	*question[string]
}

// prepare makes the questions.
func (r *readiness) prepare(p *parts, public, operator *door) {
	ask := func(name string, optional bool, what func(ctx context.Context) string) {
		r.checks = append(r.checks, readyCheck{name, optional, &question[string]{what: name, ask: what}})
	}
	ask("store", false, p.storeTakes)
	ask("schedule", false, func(context.Context) string {
		if age := p.pulse.age(); age >= longestTurn {
			return fmt.Sprintf("it has not turned for %s", age.Truncate(time.Second))
		}
		return ""
	})
	for name, d := range map[string]*door{"public_listener": public, "admin_listener": operator} {
		ask(name, false, func(ctx context.Context) string {
			if !d.accepts(ctx) {
				return "it lets no caller in"
			}
			return ""
		})
	}
	ask("disk", false, func(context.Context) string {
		if err := store.CheckRoom(p.now().cfg.StateDir); err != nil {
			return asFault(err).Message
		}
		return ""
	})
	ask("adapters", true, func(context.Context) string { return p.unusableAdapters() })
	slices.SortStableFunc(r.checks, func(a, b readyCheck) int { return strings.Compare(a.name, b.name) })
}

// storeTakes makes a write transaction that has nothing to write. That there is
// no room is the disk's affair.
func (p *parts) storeTakes(ctx context.Context) string {
	const nobody = "readyz" // No run has this id.
	_, err := p.store.UpdateRun(ctx, nobody, func(*roster.Run) error { return nil })
	if err == nil || errors.Is(err, roster.ErrNotFound) || errors.Is(err, syscall.ENOSPC) {
		return ""
	}
	return asFault(err).Message
}

// unusableAdapters names the configured adapters that cannot be used.
func (p *parts) unusableAdapters() string {
	parked := map[string]bool{}
	for _, h := range p.host.Health() {
		parked[h.Name] = h.Parked
	}
	var bad []string
	for _, name := range p.usedAdapters() {
		if parked[name] {
			bad = append(bad, name+" is parked")
		} else if err := p.host.Check(name); err != nil {
			bad = append(bad, name+" cannot be started")
		}
	}
	return strings.Join(bad, ", ")
}

// usedAdapters are the adapters that connections name, in order.
func (p *parts) usedAdapters() []string {
	used := map[string]bool{}
	for _, account := range p.now().cfg.Accounts {
		for _, c := range account.Connections {
			used[c.Adapter] = true
		}
	}
	delete(used, roster.AdapterInbound) // it is no program
	return slices.Sorted(maps.Keys(used))
}

// Ready looks at the parts of the daemon. A part that is silent is not asked a
// second time before it has answered.
func (o operations) Ready(ctx context.Context) []admin.PartCheck {
	r := &o.p.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for _, c := range r.checks {
		c.put(ctx, &r.asking)
	}
	var out []admin.PartCheck
	for _, c := range r.checks {
		detail, in := c.await(ctx)
		if !in {
			detail = "it does not answer"
		}
		out = append(out, admin.PartCheck{Name: c.name, OK: detail == "", Optional: c.optional, Detail: detail})
	}
	return out
}

// Metrics answers scrapes.
func (o operations) Metrics() http.Handler { return o.p.metrics }

// timedMapper tells how long an import's script takes for a page.
type timedMapper struct {
	mapper
	metrics *metrics.Metrics
}

// Map maps a page.
func (m timedMapper) Map(ctx context.Context, page *sdk.Page) (*roster.Mapped, error) {
	defer m.tell(time.Now())
	return m.mapper.Map(ctx, page)
}

func (m timedMapper) tell(began time.Time) { m.metrics.Mapped(time.Since(began)) }

// timedRows tells how long a sync's script takes for the records of a page.
type timedRows struct {
	syncScript
	metrics *metrics.Metrics
}

// MapRows maps some records of a page.
func (m timedRows) MapRows(ctx context.Context, page *sdk.Page, rows []int) (*roster.Mapped, error) {
	began := time.Now()
	defer func() { m.metrics.Mapped(time.Since(began)) }()
	return m.syncScript.MapRows(ctx, page, rows)
}

// toJournal writes into the journal with fields where standard error leads there.
func (c *cli) toJournal(otherwise slog.Handler, level slog.Level) slog.Handler {
	f, ok := c.stderr.(*os.File)
	if !ok || !systemd.IsJournal(c.getenv, f) {
		return otherwise
	}
	journal, err := systemd.NewJournal(systemd.JournalSocket, level, otherwise)
	if err != nil {
		return otherwise
	}
	return journal
}
