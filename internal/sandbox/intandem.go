package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// InTandem simulates the vendor's platform for one business with one Client
// Import app. Every method may be called concurrently.
type InTandem struct {
	opts   Options
	client *http.Client
	// ctx ends when Close is called; imports and hanging answers end with it.
	ctx    context.Context
	cancel context.CancelFunc
	// work counts the goroutines of imports and of the server.
	work sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	random  *rand.Rand
	apiURI  string
	answer  ImportAnswer
	server  *http.Server
	imports []*Import
	// changed is closed and replaced whenever an import ends.
	changed chan struct{}
	people  people
	hooks   []subscription
}

// NewInTandem makes a simulated inTandem. It serves through [InTandem.Handler]
// or [InTandem.Start]; call [InTandem.Close] in the end.
func NewInTandem(o Options) *InTandem {
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	s := &InTandem{
		opts: o, ctx: ctx, cancel: cancel,
		random: rand.New(rand.NewPCG(o.Seed, 0x696e74616e64656d)),
		apiURI: o.APIURI, answer: o.Answer,
		changed: make(chan struct{}),
	}
	transport := o.Transport
	if transport == nil {
		// A reused connection that breaks makes net/http repeat a GET without a
		// word; with one connection a request the counts are exact.
		transport = &http.Transport{DisableKeepAlives: true}
	}
	s.client = &http.Client{
		Transport:     transport,
		Timeout:       o.Pull.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.people = newPeople(o.Existing, s.newID)
	return s
}

// Start serves on ln until Close. It returns at once.
func (s *InTandem) Start(ln net.Listener) {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	s.mu.Lock()
	s.server = server
	s.mu.Unlock()
	s.work.Go(func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Logger.Error("the simulated inTandem stopped serving", "address", ln.Addr().String(), "error", err)
		}
	})
}

// Close ends every import where it stands, stops serving and waits until
// nothing runs any more.
func (s *InTandem) Close() error {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	server := s.server
	s.mu.Unlock()
	var err error
	if server != nil {
		err = server.Close()
	}
	s.work.Wait()
	s.client.CloseIdleConnections()
	return err
}

// SetAPIURI sets the app's address for the imports that begin from here on.
func (s *InTandem) SetAPIURI(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiURI = uri
}

// SetAnswer sets how announcements are answered from here on.
func (s *InTandem) SetAnswer(a ImportAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

// Clients returns the business's clients, sorted by external id and then by
// uid. Clients without an external id come first.
func (s *InTandem) Clients() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.people.list()
}

// Imports returns the imports in the order in which they began.
func (s *InTandem) Imports() []Import {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Import, 0, len(s.imports))
	for _, im := range s.imports {
		out = append(out, im.clone())
	}
	return out
}

// Wait waits until at least n imports have ended and returns all of them. It
// returns the context's error when that ends first.
func (s *InTandem) Wait(ctx context.Context, n int) ([]Import, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		imports := s.Imports()
		ended := 0
		for _, im := range imports {
			if im.Ended {
				ended++
			}
		}
		if ended >= n {
			return imports, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return imports, fmt.Errorf("wait for %d imports, %d ended: %w", n, ended, ctx.Err())
		}
	}
}

// newID is called with the lock held, or before the value is shared.
func (s *InTandem) newID() string {
	if s.opts.NewID != nil {
		return s.opts.NewID()
	}
	a, b := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

// sortClients orders by external id, then uid.
func sortClients(clients []Client) {
	slices.SortFunc(clients, func(a, b Client) int {
		if c := strings.Compare(a.ExternalID, b.ExternalID); c != 0 {
			return c
		}
		return strings.Compare(a.UID, b.UID)
	})
}
