package connector

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/rosterd/rosterd/internal/callers"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Store keeps what was pushed. A save that was acknowledged survives a crash.
type Store interface {
	// SaveInbound stores a record behind all others. It fails with
	// [roster.ErrFull] when most records wait, and with [roster.ErrErased] for a
	// person who was erased.
	SaveInbound(ctx context.Context, conn string, record roster.Inbound, most int) (roster.Inbound, error)
	// InboundLatest returns what waits of a record, or [roster.ErrNotFound].
	InboundLatest(ctx context.Context, conn string, kind sdk.Kind, id string) (roster.Inbound, error)
}

// Options are what [New] needs. Only Endpoints, Store, Key and Now have no default.
type Options struct {
	Endpoints []*Endpoint
	Store     Store
	// Live reads a record that was delivered from where it went, by the names of
	// that system's fields, or fails with [roster.ErrNotFound]. Without it
	// only what waits is known.
	Live func(ctx context.Context, conn string, kinds []sdk.Kind, id string) (Found, error)
	// Saved is called when a record of a connection is stored. It must be quick.
	Saved func(conn string)
	// Counter counts what comes; nothing does by default.
	Counter Counter
	// Key derives the ids in answers, which are the same as long as it is.
	Key []byte
	// MaxWaiting bounds the records that wait at one connection; 100,000 by
	// default.
	MaxWaiting int
	Limits     Limits
	// TrustedProxies are the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Logger receives neither secrets nor personal data; none by default.
	Logger *slog.Logger
	Now    func() time.Time
	// NewID makes the UUID of an error; a random one by default.
	NewID func() string
}

// Limits bound how fast the interface may be used, in requests a second. Twice as
// many may come at once.
type Limits struct {
	// Address bounds the refused requests of one IPv4 address or one IPv6 network
	// of 64 bits; 20 by default.
	Address int
	// Provider bounds the requests at one connection; 100 by default.
	Provider int
}

// Found is a record of another system.
type Found struct {
	Kind   sdk.Kind
	Fields map[string]string
}

// liveTime bounds how long a fetch waits for another system, liveCalls how many
// fetches do so at one time.
const (
	liveTime  = 10 * time.Second
	liveCalls = 8
)

// Connector answers senders. Its methods may be called concurrently.
type Connector struct {
	o         Options
	log       *slog.Logger
	all       callers.Secrets
	endpoints map[sender]*Endpoint
	nobody    *Endpoint
	addresses *callers.Limits
	// warnings bounds the log lines that strangers can cause.
	warnings *rate.Limiter
	live     chan struct{}
}

// sender is who a connection belongs to.
type sender struct{ provider, client string }

// New makes the interface of an installation. It fails when two endpoints have
// the same provider and client.
func New(o Options) (*Connector, error) {
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 100_000
	}
	if o.Limits.Address <= 0 {
		o.Limits.Address = 20
	}
	if o.Limits.Provider <= 0 {
		o.Limits.Provider = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Counter == nil {
		o.Counter = uncounted{}
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	c := &Connector{
		o: o, log: o.Logger, endpoints: map[sender]*Endpoint{}, live: make(chan struct{}, liveCalls),
		addresses: callers.NewLimits(o.Limits.Address), warnings: rate.NewLimiter(rate.Every(10*time.Second), 10),
		nobody: &Endpoint{secrets: make(callers.Secrets, 2), clubs: map[string]string{"": ""}},
	}
	for _, e := range o.Endpoints {
		as := sender{e.Provider, e.Client}
		if other, ok := c.endpoints[as]; ok {
			return nil, fmt.Errorf("connections %s and %s have the same provider and client_id: a request could mean either", other.Ref, e.Ref)
		}
		e.limiter = callers.NewLimiter(o.Limits.Provider)
		c.endpoints[as] = e
		c.all = append(c.all, e.secrets...)
	}
	return c, nil
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // it never fails
	return uuid(b)
}

// answerID is the id of a record in answers: the same for ever, and of no use as
// an address.
func (c *Connector) answerID(e *Endpoint, kind sdk.Kind, id string) string {
	mac := hmac.New(sha256.New, c.o.Key)
	for _, part := range []string{e.Provider, e.Client, roster.InboundGroup(kind), id} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write([]byte(part))
	}
	var b [16]byte
	copy(b[:], mac.Sum(nil))
	return uuid(b)
}

// Handler serves the interface, and leaves every other path to next.
func (c *Connector) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, ok := resourceOf(r.URL.Path)
		if !ok || len(c.endpoints) == 0 || r.Method != http.MethodGet && r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		c.serve(w, r, what)
	})
}
