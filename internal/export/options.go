package export

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rosterd/rosterd/internal/callers"
	"github.com/rosterd/rosterd/internal/roster"
)

// MaxClients bounds the clients of one session (the vendor's guide, "Notes and
// limitations").
const MaxClients = 50_000

// Store keeps sessions. A change that was acknowledged survives a crash.
type Store interface {
	// CreateSession stores a session. It fails with [roster.ErrExists] while
	// the business has a session that is not over.
	CreateSession(ctx context.Context, session roster.Session) error
	// UpdateSession changes a stored session in one transaction and returns
	// it. It fails with [roster.ErrNotFound] where there is none.
	UpdateSession(ctx context.Context, id string, change func(*roster.Session) error) (roster.Session, error)
	// NoteServed remembers that clients of a session were served, in a way that
	// outlives this process but perhaps not the machine, and quickly. A later
	// process finds them in the session.
	NoteServed(ctx context.Context, id string, clients roster.Range) error
	// Sessions returns the sessions that the filter selects, the latest first.
	Sessions(ctx context.Context, filter roster.SessionFilter) ([]roster.Session, error)
}

// Options are what [New] needs. Only Store, Outcomes, Secrets and Now have no
// default.
type Options struct {
	// PublicURL is where the target reaches this daemon, without a slash at
	// its end.
	PublicURL string
	// Secrets are the valid secrets of the path, the one to print first. More
	// than one are valid while a secret is being changed. Empty ones are
	// ignored.
	Secrets []roster.Secret
	// AnnounceWait is how long an announcement without a clear answer waits
	// for a first request, which proves it; 2 minutes by default.
	AnnounceWait time.Duration
	// SessionTimeout is how long a session may be silent before it ends, and
	// how long after its end a repeated page=-1 is still answered; 30 minutes
	// by default.
	SessionTimeout time.Duration
	// SessionGap is the time between the end of one session of a business and
	// the announcement of the next; 10 seconds by default.
	SessionGap time.Duration
	// MaxClients bounds the clients of one session; the protocol's own bound,
	// [MaxClients], by default and at most.
	MaxClients int
	// Repeats is how often the same client may be served; 20 by default. It is
	// counted from the start of the daemon.
	Repeats int
	// Limits bound how fast the protocol may be used.
	Limits Limits
	// TrustedProxies are the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// OutcomeWait is how long after the end of a session the target may tell
	// what became of its clients; 24 hours by default.
	OutcomeWait time.Duration
	Store       Store
	// Outcomes is usually the same value as Store.
	Outcomes Outcomes
	// Records, where it is not nil, is told what became of each client.
	Records RecordLog
	// Settle makes the state of a run that has ended from its counts, when the
	// target has told what became of clients. It must be quick; it may be nil.
	Settle func(*roster.Run)
	// Logger receives neither secrets nor personal data; none by default.
	Logger *slog.Logger
	// Now is the clock. Timers run by the real one.
	Now func() time.Time
	// NewID makes the id of a session; random text by default.
	NewID func() string
}

// RecordLog is told what became of records, when that is stored.
type RecordLog interface {
	// Log takes a batch. It returns soon, and keeps nothing of the batch's memory.
	Log(batch roster.LogBatch)
}

// Limits bound how fast the protocol may be used, in requests a second. Twice
// as many may come at once.
type Limits struct {
	// Address bounds the refused requests of one IPv4 address or one IPv6
	// network of 64 bits; 50 by default. An address that is over it is refused
	// unheard. Requests that are answered do not count: a target may pull fast.
	Address int
	// Business bounds the pages of one session; 500 by default. Pages that come
	// faster are held back for up to a second, and only then refused: a target
	// that waits for each answer is never refused for its speed.
	Business int
}

// Sessions keeps the import sessions of an installation and serves their
// pages. Its methods may be called concurrently.
type Sessions struct {
	options   Options
	log       *slog.Logger
	now       func() time.Time
	store     Store
	outcomes  Outcomes
	secrets   callers.Secrets
	addresses *callers.Limits
	turns     turns
	buffers   buffers
	stats     stats
	// hooks has room for the webhooks that are handled at one time.
	hooks chan struct{}
	// warnings bounds the log lines that callers can cause.
	warnings *rate.Limiter

	mu sync.RWMutex
	// live holds the sessions being delivered, by business.
	live map[string]*live
	// attached is closed, and replaced, when a session is added to live.
	attached chan struct{}
	// held counts the requests that wait for that.
	held int
}

// New makes the sessions of an installation. It reads nothing from the store:
// a session goes on when Deliver is called again for its run.
func New(options Options) *Sessions {
	options = options.withDefaults()
	return &Sessions{
		options:   options,
		log:       options.Logger,
		now:       options.Now,
		store:     options.Store,
		outcomes:  options.Outcomes,
		hooks:     make(chan struct{}, maxHooks),
		secrets:   callers.NewSecrets(options.Secrets),
		addresses: callers.NewLimits(options.Limits.Address),
		turns:     turns{queues: map[string][]chan struct{}{}},
		live:      map[string]*live{},
		attached:  make(chan struct{}),
		warnings:  rate.NewLimiter(rate.Every(10*time.Second), 10),
	}
}

// APIURI is the api_uri of an installation with a public address and a secret.
func APIURI(publicURL string, secret roster.Secret) roster.Secret {
	return roster.NewSecret(strings.TrimSuffix(publicURL, "/") + pathPrefix + secret.Reveal())
}

// APIURI returns the api_uri to register with the target. It holds the secret.
func (s *Sessions) APIURI() roster.Secret {
	for _, secret := range s.options.Secrets {
		if secret.Reveal() != "" {
			return APIURI(s.options.PublicURL, secret)
		}
	}
	return roster.Secret{}
}

// Handler serves the protocol. It answers every path, what is not the
// protocol's with the one 404.
func (s *Sessions) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (o Options) withDefaults() Options {
	orDuration(&o.AnnounceWait, 2*time.Minute)
	orDuration(&o.SessionTimeout, 30*time.Minute)
	orDuration(&o.SessionGap, 10*time.Second)
	orDuration(&o.OutcomeWait, 24*time.Hour)
	orInt(&o.MaxClients, MaxClients)
	o.MaxClients = min(o.MaxClients, MaxClients)
	orInt(&o.Repeats, 20)
	orInt(&o.Limits.Address, 50)
	orInt(&o.Limits.Business, 500)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Settle == nil {
		o.Settle = func(*roster.Run) {}
	}
	if o.NewID == nil {
		o.NewID = rand.Text
	}
	return o
}

func orDuration(value *time.Duration, otherwise time.Duration) {
	if *value <= 0 {
		*value = otherwise
	}
}

func orInt(value *int, otherwise int) {
	if *value <= 0 {
		*value = otherwise
	}
}
