package club

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Platform is a simulated club-management system. It serves its API as an
// [http.Handler]. Every method may be called concurrently.
type Platform struct {
	opts    Options
	mux     *http.ServeMux
	schemas map[Kind]schema
	// has are the calls that exist, as "member.create".
	has map[string]bool
	// prefix makes ids differ from those of platforms with another seed.
	prefix string
	// ctx ends when Close is called; hanging answers and the waits of late
	// requests end with it.
	ctx    context.Context
	cancel context.CancelFunc
	// work counts the servers, the requests and what takes effect late.
	work sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	servers []*http.Server
	tables  map[Kind]*table
	nextID  int
	keys    map[string]keyed
	plan    Plan
	lags    lags
	drawing drawing
	windows [3]window
	ledger  ledger
	counts  counts
	// waiting is the number of late requests and look-alikes that are due; quiet
	// is closed and replaced when it comes to 0.
	waiting int
	quiet   chan struct{}
}

// lags are the two bounds of [Options] that may be changed.
type lags struct{ exec, index time.Duration }

// New makes a platform. It serves as a handler or through [Platform.Start]; call
// [Platform.Close] in the end. Options that [Options.Validate] refuses have no
// effect where they are wrong.
func New(o Options) *Platform {
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Platform{
		opts: o, ctx: ctx, cancel: cancel,
		schemas: make(map[Kind]schema), has: make(map[string]bool), prefix: idPrefix(o.Seed),
		tables: make(map[Kind]*table), keys: make(map[string]keyed),
		plan: o.Faults.clone(), lags: lags{o.ExecLag, o.IndexLag}, drawing: newDrawing(o.Seed),
		ledger: make(ledger), counts: newCounts(), quiet: make(chan struct{}),
	}
	for _, k := range Kinds() {
		p.schemas[k] = schemaOf(k, o.Class)
		p.tables[k] = newTable()
		for _, call := range calls() {
			p.has[callName(k, call)] = offers(o.Class, k, call) && (call != CallConvert || !o.SameRecord) &&
				!slices.Contains(o.Without, string(call)) && !slices.Contains(o.Without, callName(k, call))
		}
	}
	for _, r := range o.Records {
		if r.By == "" {
			r.By = "seed"
		}
		p.put(r.clone(), time.Time{})
	}
	p.mux = p.routes()
	return p
}

func callName(k Kind, call Call) string { return string(k) + "." + string(call) }

// Calls lists the calls that the platform has, as "member.create".
func (p *Platform) Calls() []string {
	var all []string
	for name, there := range p.has {
		if there {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// Start serves the API on l until Close. It returns at once.
func (p *Platform) Start(l net.Listener) { p.serve(l, p) }

// StartControl serves [Platform.Control] on l until Close. It returns at once.
func (p *Platform) StartControl(l net.Listener) { p.serve(l, p.Control()) }

func (p *Platform) serve(l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.opts.Logger.Handler(), slog.LevelDebug),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = l.Close() // nothing was served on it
		return
	}
	p.servers = append(p.servers, server)
	p.work.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.opts.Logger.Error("the simulated club platform stopped serving", "address", l.Addr().String(), "error", err)
		}
	})
}

// Close stops serving, lets take effect at once what would have done so late,
// and returns when nothing runs any more. Records and counts can be read
// afterwards.
func (p *Platform) Close() error {
	p.mu.Lock()
	p.closed = true
	servers := p.servers
	p.mu.Unlock()
	p.cancel()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	p.work.Wait()
	return errors.Join(errs...)
}

// Wait waits until nothing is due that takes effect late. It returns the
// context's error when that ends first.
func (p *Platform) Wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		waiting, quiet := p.waiting, p.quiet
		p.mu.Unlock()
		if waiting == 0 {
			return nil
		}
		select {
		case <-quiet:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// SetFaults sets what goes wrong from here on. A plan that is not valid changes
// nothing.
func (p *Platform) SetFaults(plan Plan) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan.clone()
	return nil
}

// SetLags sets the two lags of [Options] for the requests from here on.
func (p *Platform) SetLags(exec, index time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lags = lags{max(exec, 0), max(index, 0)}
}

// ServeHTTP serves the API.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.enter() {
		reset(w)
		return
	}
	defer p.work.Done()
	if !p.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="club"`)
		p.write(w, answer{err: &apiError{Status: http.StatusUnauthorized, Code: "unauthorized", Message: "The token is not valid"}})
		return
	}
	if wait := p.limited(); wait > 0 {
		w.Header().Set("Retry-After", inSeconds(wait))
		p.write(w, answer{err: &apiError{Status: http.StatusTooManyRequests, Code: "rate_limit", Message: "Too many requests"}})
		return
	}
	p.mux.ServeHTTP(w, r)
}

// enter counts a request that is being handled; not ok when the platform is
// closed.
func (p *Platform) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	return true
}

func (p *Platform) authorized(r *http.Request) bool {
	if p.opts.Token == "" && p.opts.Username == "" {
		return true
	}
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	if name, password, ok := r.BasicAuth(); ok {
		return p.opts.Username != "" && same(name, p.opts.Username) && same(password, p.opts.Password)
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && p.opts.Token != "" && same(token, p.opts.Token)
}

// window counts the calls of one second, minute or day.
type window struct {
	begin time.Time
	calls int
}

// limited counts a call, and returns how long to wait where it is one too many.
func (p *Platform) limited() time.Duration {
	l := p.opts.Limit
	if l == (Limit{}) {
		return 0
	}
	now := p.opts.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	most := [3]int{l.PerSecond, l.PerMinute, l.PerDay}
	for i, length := range [3]time.Duration{time.Second, time.Minute, 24 * time.Hour} {
		w := &p.windows[i]
		if begin := now.Truncate(length); !begin.Equal(w.begin) {
			*w = window{begin: begin}
		}
		if most[i] > 0 && w.calls >= most[i] {
			p.counts.Limited++
			return w.begin.Add(length).Sub(now)
		}
	}
	for i := range p.windows {
		p.windows[i].calls++
	}
	return 0
}

// now is the time with the resolution of the platform.
func (p *Platform) now() time.Time { return p.opts.Now().UTC().Truncate(time.Millisecond) }
