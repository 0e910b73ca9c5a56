package admin

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// Runs starts, shows and ends runs.
type Runs interface {
	// StartRun accepts a run of a job and returns it as it is stored. A running
	// job is [roster.RunningError], an unknown one [roster.ErrNotFound].
	StartRun(ctx context.Context, order RunOrder) (roster.Run, error)
	// Run returns a run, with live counts while it is not over. It is asked
	// several times a second for each watcher.
	Run(ctx context.Context, id string) (roster.Run, error)
	// Runs returns runs, the latest first.
	Runs(ctx context.Context, filter roster.RunFilter) ([]roster.Run, error)
	// CancelRun asks a run to end; it may wait for the end for as long as ctx
	// allows. A run that is over is [roster.ErrConflict].
	CancelRun(ctx context.Context, id string) error
}

// Sessions shows import sessions and settles those that wait for a person.
type Sessions interface {
	// Sessions returns sessions, the latest first.
	Sessions(ctx context.Context, filter roster.SessionFilter) ([]roster.Session, error)
	// Session returns one session with what came of its pages.
	Session(ctx context.Context, id string) (roster.SessionReport, error)
	// RetrySession announces a parked session once more; any other state is
	// [roster.ErrConflict].
	RetrySession(ctx context.Context, id string) error
	// CloseSession ends a session; one that is over is [roster.ErrConflict].
	CloseSession(ctx context.Context, id string) error
}

// Quarantine shows refused records.
type Quarantine interface {
	// Quarantined returns records in the order of their ids.
	Quarantined(ctx context.Context, filter roster.QuarantineFilter) ([]roster.Quarantined, error)
	// QuarantineGroups counts records by cause, the most frequent first. Only
	// Job and Run of the filter are set.
	QuarantineGroups(ctx context.Context, filter roster.QuarantineFilter) ([]roster.QuarantineGroup, error)
	// QuarantinedRecord returns one record with its payload.
	QuarantinedRecord(ctx context.Context, id string) (roster.Quarantined, error)
}

// Installation shows the daemon and the systems it is configured for.
type Installation interface {
	Status(ctx context.Context) (Status, error)
	Version(ctx context.Context) (Version, error)
	Connections(ctx context.Context) ([]ConnectionInfo, error)
	Adapters(ctx context.Context) ([]AdapterInfo, error)
}

// Options are what an [API] is made of. All interfaces are needed.
type Options struct {
	Runs         Runs
	Jobs         Jobs
	Sessions     Sessions
	Quarantine   Quarantine
	Syncs        Syncs
	RecordLog    RecordLog
	Installation Installation
	State        State
	Privacy      Privacy
	// Configuration changes what the daemon runs with.
	Configuration Configuration
	Health        Health
	Audit         Audit
	// Token is what callers over TCP present; empty for a Unix socket, whose
	// file permissions say who may call.
	Token roster.Secret
	// Logger gets a line for each change and each fault.
	Logger *slog.Logger
	// Now is the clock for the durations in the log.
	Now func() time.Time
}

// API answers the operator's requests. It serves concurrent requests.
type API struct {
	o        Options
	handler  http.Handler
	watchers chan struct{}
	stopping chan struct{}
	stop     sync.Once
}

// maxWatchers bounds the event streams that are open at one time.
const maxWatchers = 64

// New makes the API.
func New(o Options) *API {
	a := &API{o: o, watchers: make(chan struct{}, maxWatchers), stopping: make(chan struct{})}
	a.handler = a.guard(a.router())
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Stop ends the event streams with an error event that says why. The daemon
// calls it before it waits for the requests under way; [API.Server] does so by
// itself.
func (a *API) Stop() { a.stop.Do(func() { close(a.stopping) }) }

// The limits of a request. An event stream moves its deadlines on.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	answerTimeout  = 45 * time.Second
	cancelTimeout  = 5 * time.Second
	writeTimeout   = answerTimeout + 15*time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	maxBodyBytes   = 64 << 10
)

// Server returns a server for the API with every timeout set. Its Shutdown
// ends the event streams.
func (a *API) Server() *http.Server {
	s := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       withConn,
		ErrorLog:          slog.NewLogLogger(a.o.Logger.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(a.Stop)
	return s
}
