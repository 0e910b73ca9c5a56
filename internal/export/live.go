package export

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rosterd/rosterd/internal/callers"
	"github.com/rosterd/rosterd/internal/roster"
)

// Clients are the frozen clients of a run, in order. It is read concurrently.
type Clients interface {
	// Len is the number of clients.
	Len() int
	// AppendClients appends clients from (inclusive) to to (exclusive) to dst:
	// JSON objects with a comma between two of them, the same bytes every time.
	// It is not called for an empty range.
	AppendClients(dst []byte, from, to int) ([]byte, error)
	// IDs returns the external ids of clients from (inclusive) to to (exclusive).
	IDs(from, to int) ([]string, error)
}

// live is a session while it is being delivered.
type live struct {
	// id is the session's.
	id      string
	clients Clients
	options Options
	// limiter bounds how fast pages are given.
	limiter *rate.Limiter
	// changed has room for one signal: something changed since it was read.
	changed chan struct{}

	mu     sync.Mutex
	ledger ledger
	// stopped says that the delivery has ended before the session, so that a
	// page served here would not be known to the next.
	stopped bool
	// due says that an announcement is to be sent.
	due bool
	// heard is when the target was last heard, or when waiting for it began.
	heard time.Time
	// given counts for each client how often it was served, empty for pages
	// beyond the end.
	given []uint32
	empty int
}

func newLive(session roster.Session, clients Clients, options Options) *live {
	return &live{
		id:      session.ID,
		clients: clients,
		options: options,
		limiter: callers.NewLimiter(options.Limits.Business),
		changed: make(chan struct{}, 1),
		ledger:  ledger{store: options.Store, session: session},
		heard:   options.Now(),
		given:   make([]uint32, session.Clients()),
	}
}

// session returns the session as it is stored.
func (l *live) session() roster.Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ledger.session
}

// pageRange is the part of the session's own clients that a request means. A
// page beyond the end is empty.
func (l *live) pageRange(q query) roster.Range {
	n := len(l.given)
	from := min((q.page-1)*q.perPage, n)
	return roster.Range{From: from, To: min(from+q.perPage, n)}
}

// page renders what q asks for behind dst and stores that it is served. The
// check comes before the work and again with the record, because the session
// may end while the page is rendered.
func (l *live) page(ctx context.Context, dst []byte, q query) ([]byte, error) {
	page := l.pageRange(q)
	if err := l.admit(q, page); err != nil {
		return nil, err
	}
	if err := l.pace(ctx); err != nil {
		return nil, err
	}
	dst, err := l.render(dst, page)
	if err != nil {
		return nil, err
	}
	return dst, l.record(ctx, q, page)
}

// maxPace is how long a request that comes too fast is held back at most.
const maxPace = time.Second

// pace holds a request back that comes too fast.
func (l *live) pace(ctx context.Context) error {
	now := l.options.Now()
	turn := l.limiter.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > maxPace {
		turn.CancelAt(now)
		return errBusinessRate
	}
	if sleep(ctx, wait) != nil {
		return errBusinessRate
	}
	return nil
}

func (l *live) render(dst []byte, page roster.Range) ([]byte, error) {
	dst = append(dst, listHead...)
	if page.From < page.To {
		from := l.session().From
		var err error
		if dst, err = l.clients.AppendClients(dst, from+page.From, from+page.To); err != nil {
			return nil, err
		}
	}
	return append(dst, listTail...), nil
}

func (l *live) admit(q query, page roster.Range) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.check(q, page)
}

// check reports why a page may not be served, or nil. The caller holds l.mu.
func (l *live) check(q query, page roster.Range) error {
	if err := l.access(q); err != nil {
		return err
	}
	if page.From == page.To && l.empty >= l.options.Repeats {
		return errRepeats
	}
	for _, times := range l.given[page.From:page.To] {
		if int(times) >= l.options.Repeats {
			return errRepeats
		}
	}
	return nil
}

// flush makes what was served part of the stored session.
func (l *live) flush(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ledger.flush(ctx)
}

// stop flushes for the last time.
func (l *live) stop(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	return l.ledger.flush(ctx)
}

// access reports why the caller may not use the session, or nil. The caller
// holds l.mu.
func (l *live) access(q query) error {
	session := &l.ledger.session
	if session.Staff != "" && !callers.SameText(session.Staff, q.staff) {
		return errStaff
	}
	if !session.State.Serves() {
		return errState
	}
	return nil
}

// record stores that a page is served and counts it.
func (l *live) record(ctx context.Context, q query, page roster.Range) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.options.Now()
	if err := l.check(q, page); err != nil {
		return err
	}
	if l.stopped {
		return errResuming
	}
	if err := l.ledger.serve(ctx, entry{staff: q.staff, page: page, perPage: q.perPage}, now); err != nil {
		return err
	}
	l.signal()
	if !l.ledger.session.State.Serves() {
		return errState
	}
	if page.From == page.To {
		l.empty++
	}
	for i := range l.given[page.From:page.To] {
		l.given[page.From+i]++
	}
	l.heard = now
	return nil
}

// end takes page=-1. Before any page it changes nothing. It ends the session:
// closed when every client was served, else partial. Repeated soon after the
// end it changes nothing either.
func (l *live) end(ctx context.Context, q query) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.options.Now()
	session := l.ledger.session
	if session.State.Ended() {
		return repeatedEnd(session, q, l.options.SessionTimeout, now)
	}
	if err := l.access(q); err != nil {
		return err
	}
	if len(session.Served) == 0 && !session.LastServed {
		return nil
	}
	state, reason := roster.SessionClosed, ""
	if session.ServedCount() < session.Clients() {
		state, reason = roster.SessionPartial, "the target ended the import before it had asked for every client"
	}
	if err := l.ledger.end(ctx, state, reason, now); err != nil {
		return err
	}
	l.signal()
	return nil
}

// repeatedEnd reports why page=-1 may not be repeated for a session that is
// over, or nil.
func repeatedEnd(session roster.Session, q query, grace time.Duration, now time.Time) error {
	if !callers.SameText(session.Staff, q.staff) {
		return errStaff
	}
	if session.State == roster.SessionRefused || session.EndedAt == nil || now.Sub(*session.EndedAt) > grace {
		return errState
	}
	return nil
}

// signal tells the deliverer that something changed.
func (l *live) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
