package export

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/callers"
	"github.com/rosterd/rosterd/internal/roster"
)

// The paths of the protocol: /c/{secret}/app/clients/export and, for what the
// target tells, /c/{secret}/hook.
const (
	pathPrefix = "/c/"
	exportPath = "app/clients/export"
)

// The two ends of an answer.
const (
	listHead = `{"data":{"clients":[`
	listTail = `]}}`
)

// hookAnswer says to the target that its event is stored.
const hookAnswer = `{"status":"OK"}`

// errResuming: the store has a session for the caller, but its run has not gone
// on yet, as in the first moments of the daemon.
var errResuming = errors.New("the session's run is not being delivered yet")

// serveHTTP answers one request. The answer is made in memory and nothing is
// held while it is written, so that a slow reader costs one buffer.
func (s *Sessions) serveHTTP(w http.ResponseWriter, r *http.Request) {
	buffer := s.buffers.take()
	defer s.buffers.give(buffer)
	body, err := s.answer(r, (*buffer)[:0])
	if err != nil {
		s.fail(w, err)
		return
	}
	*buffer = body
	s.stats.answered.Add(1)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	guardHeaders(header)
	_, _ = w.Write(body) // what was served is stored; a lost answer is asked for again
}

// fail answers a request that gets no clients: with the one 404, or with 503
// where the caller may have them and the daemon cannot give them.
func (s *Sessions) fail(w http.ResponseWriter, err error) {
	if refused, ok := errors.AsType[refusedError](err); ok {
		s.stats.refused[refused].Add(1)
		refuse(w)
		return
	}
	s.stats.failed.Add(1)
	if !errors.Is(err, errResuming) {
		s.log.Error("cannot answer the target", "error", err)
	}
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Content-Length", "0")
	guardHeaders(w.Header())
	w.WriteHeader(http.StatusServiceUnavailable)
}

// answer checks a request and appends its answer to dst.
func (s *Sessions) answer(r *http.Request, dst []byte) ([]byte, error) {
	addr := callers.Limited(callers.Address(r, s.options.TrustedProxies))
	if s.addresses.Exhausted(addr, s.now()) {
		return nil, errAddressRate
	}
	dst, err := s.route(r, dst)
	if _, refused := errors.AsType[refusedError](err); refused {
		s.addresses.Charge(addr, s.now())
	}
	return dst, err
}

// route finds out what a request asks for. The checks that need no session are
// all made before the first of them is judged, so that a wrong request takes
// the same time whatever is wrong with it.
func (s *Sessions) route(r *http.Request, dst []byte) ([]byte, error) {
	secret, path := splitPath(r.URL.Path)
	known := s.secrets.Has(secret)
	q, wellFormed := parseQuery(r.URL.RawQuery)
	switch {
	case !known:
		return nil, errSecret
	case path == hookPath:
		return s.answerHook(r, dst)
	case path != exportPath:
		return nil, errPath
	case r.Method != http.MethodGet:
		return nil, errMethod
	case !wellFormed:
		return nil, s.suspicious(errQuery, query{})
	}
	s.stats.unknown.Add(int64(q.unknown))
	dst, err := s.export(r.Context(), dst, q)
	if refused, ok := errors.AsType[refusedError](err); ok {
		return nil, s.suspicious(refused, q)
	}
	return dst, err
}

// answerHook takes what the target tells and answers it with an empty list.
func (s *Sessions) answerHook(r *http.Request, dst []byte) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, errMethod
	}
	if err := s.hook(r); err != nil {
		if refused, ok := errors.AsType[refusedError](err); ok {
			return nil, s.suspicious(refused, query{})
		}
		return nil, err
	}
	return append(dst, hookAnswer...), nil
}

// export answers a well-formed request of a caller who knows the secret.
func (s *Sessions) export(ctx context.Context, dst []byte, q query) ([]byte, error) {
	l, err := s.serving(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case l == nil:
	case q.page != endPage:
		return l.page(ctx, dst, q)
	default:
		if err := l.end(ctx, q); err != nil {
			return nil, err
		}
	}
	return append(append(dst, listHead...), listTail...), nil
}

// serving returns the session that is being delivered to a business, or nil for
// a repeated page=-1, which needs none. It waits for a session that is stored
// and whose run is about to go on, as in the first moments of the daemon: a
// target may take an answer of 503 for the end.
func (s *Sessions) serving(ctx context.Context, q query) (*live, error) {
	if l := s.find(q.business); l != nil {
		return l, nil
	}
	err := s.withoutLive(ctx, q)
	if !errors.Is(err, errResuming) || !s.hold() {
		return nil, err
	}
	defer s.release()
	ctx, cancel := context.WithTimeout(ctx, maxHold)
	defer cancel()
	for {
		s.mu.RLock()
		l, attached := s.live[q.business], s.attached
		s.mu.RUnlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-attached:
		case <-ctx.Done():
			return nil, err
		}
	}
}

const (
	// maxHold is how long a request waits for its session's run to go on.
	maxHold = 10 * time.Second
	// maxHeld is how many requests wait at one time.
	maxHeld = 64
)

func (s *Sessions) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held >= maxHeld {
		return false
	}
	s.held++
	return true
}

func (s *Sessions) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
}

// withoutLive judges a request for a business of which no session is being
// delivered: page=-1 may be repeated after the end, and a session whose run has
// not gone on yet asks for patience.
func (s *Sessions) withoutLive(ctx context.Context, q query) error {
	sessions, err := s.store.Sessions(ctx, roster.SessionFilter{Business: q.business, Limit: 1})
	if err != nil {
		return fmt.Errorf("find the session of business %s: %w", q.business, err)
	}
	switch {
	case len(sessions) == 0:
		return errBusiness
	case sessions[0].State.Ended() && q.page == endPage:
		return repeatedEnd(sessions[0], q, s.options.SessionTimeout, s.now())
	case !sessions[0].State.Serves():
		return errState
	case sessions[0].Staff != "" && !callers.SameText(sessions[0].Staff, q.staff):
		return errStaff
	}
	return errResuming
}

// suspicious tells the operator about a caller who knows the secret and is
// refused all the same. The log is not the caller's to fill: the counts in
// Stats go on where it stops.
func (s *Sessions) suspicious(reason refusedError, q query) error {
	if s.warnings.AllowN(s.now(), 1) {
		s.log.Warn("refused a request that has a valid secret",
			"reason", reason.Error(), "business", q.business, "page", q.page, "per_page", q.perPage)
	}
	return reason
}

func (s *Sessions) find(business string) *live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.live[business]
}

// splitPath takes /c/{secret}/{path} apart; both are empty for another path.
func splitPath(path string) (secret, rest string) {
	tail, ok := strings.CutPrefix(path, pathPrefix)
	if !ok {
		return "", ""
	}
	secret, rest, _ = strings.Cut(tail, "/")
	return secret, rest
}

// maxPooledBytes is the largest buffer that is kept for another answer.
const maxPooledBytes = 1 << 20

// buffers keeps buffers for answers.
type buffers struct{ pool sync.Pool }

func (b *buffers) take() *[]byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return buffer
	}
	return new([]byte)
}

func (b *buffers) give(buffer *[]byte) {
	if cap(*buffer) <= maxPooledBytes {
		b.pool.Put(buffer)
	}
}
