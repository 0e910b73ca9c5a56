package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/sandbox"
)

// app is a Client Import app written for these tests: it serves a list.
type app struct {
	*httptest.Server
	clients []map[string]any

	mu    sync.Mutex
	asked []string
	// before, if set, answers in the app's stead when it returns true.
	before func(w http.ResponseWriter, n int, page string) bool
	events []string
	hook   func(w http.ResponseWriter, n int) bool
}

func newApp(t *testing.T, clients ...map[string]any) *app {
	t.Helper()
	a := &app{clients: clients}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.URL.Path == "/c/secret/hook" {
		body, _ := io.ReadAll(r.Body)
		a.events = append(a.events, string(body))
		if a.hook != nil {
			a.hook(w, len(a.events))
		}
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/c/secret/app/clients/export" {
		http.NotFound(w, r)
		return
	}
	query := r.URL.Query()
	a.asked = append(a.asked, r.URL.RawQuery)
	if a.before != nil && a.before(w, len(a.asked), query.Get("page")) {
		return
	}
	page, _ := strconv.Atoi(query.Get("page"))
	perPage, _ := strconv.Atoi(query.Get("per_page"))
	slice := []map[string]any{}
	if page > 0 {
		from := min((page-1)*perPage, len(a.clients))
		slice = append(slice, a.clients[from:min(from+perPage, len(a.clients))]...)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"clients": slice}})
}

func (a *app) pages() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, q := range a.asked {
		for part := range strings.SplitSeq(q, "&") {
			if n, ok := strings.CutPrefix(part, "page="); ok {
				out = append(out, n)
			}
		}
	}
	return out
}

func people(n int) []map[string]any {
	var out []map[string]any
	for i := 1; i <= n; i++ {
		out = append(out, map[string]any{
			"first_name": fmt.Sprintf("First%d", i), "email": fmt.Sprintf("p%d@example.com", i), "external_id": i,
		})
	}
	return out
}

// platform is a simulated inTandem over HTTP.
type platform struct {
	*sandbox.InTandem
	url string
}

func newPlatform(t *testing.T, a *app, change func(*sandbox.Options)) platform {
	t.Helper()
	o := sandbox.Options{
		Token: "secret", AppCodeName: "acmeimport", AppName: "Acme Import", BusinessUID: "b1", StaffUID: "s1",
		PerPage: 2, Seed: 1,
		Now:  func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Pull: sandbox.PullOptions{RetryDelay: time.Millisecond, RetryFor: 5 * time.Second},
	}
	if a != nil {
		o.APIURI = a.URL + "/c/secret"
	}
	if change != nil {
		change(&o)
	}
	s := sandbox.NewInTandem(o)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return platform{s, server.URL}
}

const announcement = `{"fields_mapping":{"first_name":"First Name","email":"Email"},` +
	`"import_params":{"should_override":false,"upload_type":"single","send_notifications_when_done":true}}`

func (p platform) call(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(raw))
}

func (p platform) announce(t *testing.T, body string) (int, string) {
	t.Helper()
	return p.call(t, http.MethodPost, "/business/clients/v1/apps/acmeimport/import", body)
}

// run announces an import and waits until it has ended.
func (p platform) run(t *testing.T, body string) sandbox.Import {
	t.Helper()
	n := len(p.Imports())
	if status, answer := p.announce(t, body); status != http.StatusCreated {
		t.Fatalf("announce: %d %s", status, answer)
	}
	imports, err := p.Wait(t.Context(), n+1)
	if err != nil {
		t.Fatal(err)
	}
	return imports[n]
}

func ids(clients []sandbox.Client) []string {
	var out []string
	for _, c := range clients {
		out = append(out, c.ExternalID)
	}
	slices.Sort(out)
	return out
}
