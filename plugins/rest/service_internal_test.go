package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const testToken = "tok3n-that-nobody-may-see"

// service is a small club system that keeps what it is sent.
type service struct {
	mu      sync.Mutex
	records map[string][]map[string]any
	seen    []string
	// deny, when set, answers a request in place of the service.
	deny func(w http.ResponseWriter, r *http.Request) bool
	hang chan struct{}
	// lose takes creates and breaks the connection.
	lose bool
	url  string
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{records: map[string][]map[string]any{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// fill adds n records of a kind, in two clubs.
func (s *service) fill(kind string, n int) *service {
	for i := range n {
		s.records[kind] = append(s.records[kind], map[string]any{
			"id": fmt.Sprintf("%s-%d", kind, i), "club_id": strconv.Itoa(1 + i%2), "first_name": fmt.Sprint("Ann ", i),
			"email": fmt.Sprintf("ann%d@example.com", i), "updated_at": fmt.Sprintf("2026-01-01T%02d:00:00Z", i%24),
			"visits": json.Number("12345678901234567890"), "tags": []any{"a"}, "gone": nil,
		})
	}
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		// A request that hung does nothing: when it goes on, who asked is gone.
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
	if s.deny != nil && s.deny(w, r) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		say(w, 401, map[string]any{"error": map[string]any{"code": "unauthorized"}})
		return
	}
	steps := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	kind := steps[1]
	switch {
	case len(steps) == 2 && r.Method == http.MethodGet:
		s.list(w, r, kind)
	case len(steps) == 2:
		s.create(w, r, kind)
	default:
		s.one(w, r, kind, steps[2])
	}
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *service) list(w http.ResponseWriter, r *http.Request, kind string) {
	q := r.URL.Query()
	var found []map[string]any
	for _, rec := range s.records[kind] {
		match := true
		for _, name := range []string{"club_id", "external_ref", "email", "name"} {
			if want := q.Get(name); want != "" && !strings.EqualFold(fmt.Sprint(rec[name]), want) {
				match = false
			}
		}
		at, _ := rec["updated_at"].(string)
		if match && at >= q.Get("updated_since") {
			found = append(found, rec)
		}
	}
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size == 0 {
		page, size = 1, 1000
	}
	from := min(len(found), (page-1)*size)
	to := min(len(found), from+size)
	answer := map[string]any{"items": append([]map[string]any{}, found[from:to]...), "next": nil}
	if to < len(found) {
		answer["next"] = page + 1
	}
	say(w, 200, answer)
}

func (s *service) create(w http.ResponseWriter, r *http.Request, kind string) {
	var rec map[string]any
	if json.NewDecoder(r.Body).Decode(&rec) != nil {
		say(w, 400, nil)
		return
	}
	if name := rec["first_name"]; name == nil && kind == "prospects" {
		say(w, http.StatusUnprocessableEntity, map[string]any{"error": map[string]any{"code": "invalid"}})
		return
	}
	rec["id"] = fmt.Sprintf("new-%d", len(s.records[kind]))
	s.records[kind] = append(s.records[kind], rec)
	if s.lose {
		panic(http.ErrAbortHandler)
	}
	say(w, 201, rec)
}

func (s *service) one(w http.ResponseWriter, r *http.Request, kind, id string) {
	i := slices.IndexFunc(s.records[kind], func(rec map[string]any) bool { return rec["id"] == id })
	if i < 0 {
		say(w, 404, map[string]any{"error": map[string]any{"code": "not_found"}})
		return
	}
	switch r.Method {
	case http.MethodDelete:
		s.records[kind] = slices.Delete(s.records[kind], i, i+1)
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPatch:
		var change map[string]any
		_ = json.NewDecoder(r.Body).Decode(&change)
		maps.Copy(s.records[kind][i], change)
	case http.MethodPost:
		switch path.Base(r.URL.Path) {
		case "convert":
			s.convert(w, r, s.records[kind][i])
			return
		case "transfer":
			var to map[string]any
			_ = json.NewDecoder(r.Body).Decode(&to)
			s.records[kind][i]["club_id"] = to["club_id"]
		default:
			s.records[kind][i]["status"] = "inactive"
		}
	}
	say(w, 200, s.records[kind][i])
}

// convert makes a member of a prospect.
func (s *service) convert(w http.ResponseWriter, r *http.Request, prospect map[string]any) {
	member := maps.Clone(prospect)
	var change map[string]any
	_ = json.NewDecoder(r.Body).Decode(&change)
	maps.Copy(member, change)
	member["id"] = fmt.Sprint("m-of-", prospect["id"])
	s.records["members"] = append(s.records["members"], member)
	prospect["status"] = "inactive"
	say(w, http.StatusCreated, member)
}

// requests returns what the service was asked, and forgets it.
func (s *service) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *service) losing(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = on
}

func (s *service) denying(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deny = f
}

// written writes a file of a test.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.rest.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func settingsOf(t *testing.T, config, url string, more map[string]any) json.RawMessage {
	t.Helper()
	all := map[string]any{"config": config, "base_url": url, "token": testToken}
	for k, v := range more {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// opened opens a connection; clubs are optional.
func opened(t *testing.T, settings json.RawMessage, clubs ...string) *connection {
	t.Helper()
	c := sdk.Connection{Name: "acme/clubsys", ClientID: "acme", Settings: settings, Clubs: map[string]string{}}
	for _, id := range clubs {
		c.Clubs["club"+id] = id
	}
	v, err := adapter().Opener.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := v.(*connection)
	if !ok {
		t.Fatalf("opened %T", v)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// at opens a connection that is described by a text, at an address.
func at(t *testing.T, url, text string) *connection {
	t.Helper()
	return opened(t, settingsOf(t, written(t, text), url, nil))
}

// contextOfOneTry ends before a read would be tried a second time.
func contextOfOneTry(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), 200*time.Millisecond)
}
