package export_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const secret = "kX3-canary-secret-9Qw"

// memory is a store that outlives the sessions above it, as a database does.
type memory struct {
	mu       sync.Mutex
	sessions []string
	updates  int
	broken   error
	ids      map[string][]string
	clients  map[string][]roster.Outcome
	runs     map[string]roster.Run
	// failed are the quarantined records of clients that failed.
	failed map[string]roster.Quarantined
}

func newMemory() *memory {
	return &memory{
		ids: map[string][]string{}, clients: map[string][]roster.Outcome{}, failed: map[string]roster.Quarantined{},
		runs: map[string]roster.Run{"run-1": {ID: "run-1", Job: "acme/launch", State: roster.RunDelivering}},
	}
}

// quarantined names the clients in the quarantine, sorted.
func (m *memory) quarantined() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.failed) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(m.failed)), " ")
}

// NoteServed changes the session at once, which is more than is promised.
func (m *memory) NoteServed(_ context.Context, id string, clients roster.Range) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	return m.change(id, func(session *roster.Session) {
		session.Served = roster.AddRange(session.Served, clients)
	})
}

func (m *memory) change(id string, change func(*roster.Session)) error {
	for i, session := range m.all() {
		if session.ID == id {
			change(&session)
			m.sessions[i] = encode(session)
			return nil
		}
	}
	return roster.ErrNotFound
}

func (m *memory) IndexClients(_ context.Context, session string, ids []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids[session] = ids
	return m.broken
}

func (m *memory) FindClients(_ context.Context, session string, ids []string) ([]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.ids[session]
	if !ok {
		return nil, roster.ErrNotFound
	}
	places := make([]int, len(ids))
	for i, id := range ids {
		places[i] = slices.Index(known, id)
	}
	return places, m.broken
}

func (m *memory) ForgetClients(_ context.Context, session string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ids, session)
	return m.broken
}

func (m *memory) Outcomes(_ context.Context, session string) ([]roster.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clients[session], m.broken
}

func (m *memory) RecordOutcome(_ context.Context, id string, change func(*roster.OutcomeRecord) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, session := range m.all() {
		if session.ID != id {
			continue
		}
		record := roster.OutcomeRecord{Session: session, Run: m.runs[session.Run], Clients: make([]roster.Outcome, session.Clients())}
		copy(record.Clients, m.clients[id])
		if err := errors.Join(change(&record), m.broken); err != nil {
			return err
		}
		m.clients[id], m.runs[session.Run] = record.Clients, record.Run
		for _, q := range record.Refused {
			m.failed[q.Record] = q
		}
		for _, q := range record.Settled {
			delete(m.failed, q.Record)
		}
		return m.change(id, func(stored *roster.Session) { *stored = record.Session })
	}
	return roster.ErrNotFound
}

func (m *memory) CreateSession(_ context.Context, session roster.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, have := range m.all() {
		if have.ID == session.ID || have.Business == session.Business && !have.State.Ended() {
			return fmt.Errorf("session %s: %w", have.ID, roster.ErrExists)
		}
	}
	m.sessions = append(m.sessions, encode(session))
	return m.broken
}

func (m *memory) UpdateSession(_ context.Context, id string, change func(*roster.Session) error) (roster.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updates++
	for i, session := range m.all() {
		if session.ID != id {
			continue
		}
		if err := change(&session); err != nil {
			return roster.Session{}, err
		}
		if m.broken != nil {
			return roster.Session{}, m.broken
		}
		m.sessions[i] = encode(session)
		return session, nil
	}
	return roster.Session{}, roster.ErrNotFound
}

func (m *memory) Sessions(_ context.Context, f roster.SessionFilter) ([]roster.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []roster.Session
	for _, session := range slices.Backward(m.all()) {
		if (f.Run == "" || f.Run == session.Run) && (f.Business == "" || f.Business == session.Business) &&
			(!f.Open || !session.State.Ended()) && (!f.Awaiting || m.ids[session.ID] != nil) && (f.Limit == 0 || len(out) < f.Limit) {
			out = append(out, session)
		}
	}
	return out, m.broken
}

func (m *memory) setBroken(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.updates
}

func (m *memory) all() []roster.Session {
	out := make([]roster.Session, len(m.sessions))
	for i, raw := range m.sessions {
		if err := json.Unmarshal([]byte(raw), &out[i]); err != nil {
			panic(err)
		}
	}
	return out
}

func encode(session roster.Session) string {
	raw, err := json.Marshal(session)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// people are frozen clients.
type people []string

func newPeople(n int) people {
	out := make(people, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"first_name":"Ann%d","external_id":"%d"}`, i+1, i+1)
	}
	return out
}

func (p people) Len() int { return len(p) }

func (p people) AppendClients(dst []byte, from, to int) ([]byte, error) {
	return append(dst, strings.Join(p[from:to], ",")...), nil
}

func (p people) IDs(from, to int) ([]string, error) {
	var ids []string
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprint(i+1))
	}
	return ids, nil
}

// starter answers announcements and counts them.
type starter struct {
	mu       sync.Mutex
	sent     []sdk.StartImportRequest
	response sdk.StartImportResponse
	err      error
	// meanwhile runs while the announcement is on its way.
	meanwhile func()
}

func (s *starter) StartImport(_ context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	s.mu.Lock()
	s.sent = append(s.sent, req)
	meanwhile := s.meanwhile
	s.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.response, s.err
}

// answer makes the outcome of the announcements to come.
func (s *starter) answer(outcome sdk.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.response = sdk.StartImportResponse{Outcome: outcome, Detail: "The application is not installed for the business"}
	if outcome == sdk.OutcomeOK {
		s.response = sdk.StartImportResponse{Outcome: outcome, SessionID: "r1"}
	}
}

func (s *starter) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// world is one installation: its store, the target's answers, and the sessions
// of the present process.
type world struct {
	t        testing.TB
	store    *memory
	starter  *starter
	options  export.Options
	sessions *export.Sessions
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, store: newMemory(), starter: &starter{response: sdk.StartImportResponse{Outcome: sdk.OutcomeOK, SessionID: "r1"}}}
	ids := 0
	w.options = export.Options{
		PublicURL: "https://sync.example.com",
		Secrets:   []roster.Secret{roster.NewSecret(secret)},
		Store:     w.store,
		Outcomes:  w.store,
		Settle:    pipeline.Settle,
		Logger:    slog.New(slog.DiscardHandler),
		Now:       time.Now,
		NewID:     func() string { ids++; return fmt.Sprintf("session-%d", ids) },
	}
	w.start()
	return w
}

// start begins a process's life on the store as it is.
func (w *world) start() { w.sessions = export.New(w.options) }

func (w *world) imp(run string, clients export.Clients) export.Import {
	return export.Import{
		Run: run, Job: "acme/launch", Clients: clients, Starter: w.starter, Upload: "single",
		Identity: sdk.ImportIdentity{BusinessUID: "b1", StaffUID: "s1"},
		Fields:   []sdk.ImportField{{Key: "first_name", Label: "First name"}},
	}
}

// delivery is a Deliver in the background.
type delivery struct {
	cancel context.CancelFunc
	done   chan struct{}
	result export.Result
	err    error
}

func (w *world) deliver(imp export.Import) *delivery {
	ctx, cancel := context.WithCancel(w.t.Context())
	d := &delivery{cancel: cancel, done: make(chan struct{})}
	sessions := w.sessions
	go func() {
		defer close(d.done)
		d.result, d.err = sessions.Deliver(ctx, imp)
	}()
	w.t.Cleanup(d.stop)
	return d
}

func (d *delivery) stop() {
	d.cancel()
	<-d.done
}

func (d *delivery) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// ask sends a request for a page to the handler.
func (w *world) ask(query string) *httptest.ResponseRecorder {
	return w.request("/c/" + secret + "/app/clients/export?" + query)
}

// page asks for a page as the target does.
func (w *world) page(page, perPage int) *httptest.ResponseRecorder {
	return w.ask(fmt.Sprintf("business_uid=b1&staff_uid=s1&page=%d&per_page=%d", page, perPage))
}

func (w *world) request(target string) *httptest.ResponseRecorder {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.sessions.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, target, http.NoBody))
	return recorder
}

// mustServe fails the test unless the page is answered with 200.
func (w *world) mustServe(page, perPage int) {
	w.t.Helper()
	if got := w.page(page, perPage); got.Code != http.StatusOK {
		w.t.Fatalf("page %d of %d: status %d, want 200", page, perPage, got.Code)
	}
}

// session is the latest stored session.
func (w *world) session() roster.Session {
	w.t.Helper()
	all, err := w.store.Sessions(w.t.Context(), roster.SessionFilter{Limit: 1})
	if err != nil || len(all) == 0 {
		w.t.Fatalf("latest session: %v, %v", all, err)
	}
	return all[0]
}
