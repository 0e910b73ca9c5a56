package admin_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestATokenThatIsNotTheTokenIsRefused(t *testing.T) {
	const token = "correct-horse-battery"
	api := newAPI(t, newFake(), token)
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer " + token[:len(token)-1], "Bearer " + token + "x", "Basic " + token, token, "Bearer Bearer " + token} {
		w := ask(t, api, http.MethodGet, "/v1/status", "Authorization", wrong)
		if p := problemOf(t, w); w.Code != http.StatusUnauthorized || p.Code != "request.token" || p.Hint == "" || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: status %d, %+v", wrong, w.Code, p)
		}
	}
	if w := ask(t, api, http.MethodGet, "/v1/status?token="+token); w.Code != http.StatusUnauthorized {
		t.Errorf("token in the URL: status %d", w.Code)
	}
	if w := ask(t, api, http.MethodGet, "/v1/status", "Authorization", "bearer "+token); w.Code != http.StatusOK {
		t.Errorf("right token: status %d", w.Code)
	}
	if w := ask(t, api, http.MethodGet, "/livez"); w.Code != http.StatusOK {
		t.Errorf("livez without a token: status %d", w.Code)
	}
}

func TestTheClientSendsItsTokenOverTCP(t *testing.T) {
	server := httptest.NewServer(newAPI(t, newFake(), "secret"))
	defer server.Close()
	addr := server.Listener.Addr().String()
	if err := dialErr(t, addr, "secret"); err != nil {
		t.Errorf("right token: %v", err)
	}
	problem, ok := errors.AsType[*admin.Problem](dialErr(t, addr, "guess"))
	if !ok || problem.Status != http.StatusUnauthorized {
		t.Errorf("wrong token: %v", problem)
	}
}

func dialErr(t *testing.T, addr, token string) error {
	t.Helper()
	_, err := dial(t, addr, token).Version(t.Context())
	return err
}

func TestAnotherSitesPageChangesNothing(t *testing.T) {
	f := newFake()
	api := newAPI(t, f, "")
	w := ask(t, api, http.MethodPost, "/v1/jobs/acme/launch/runs", "Sec-Fetch-Site", "cross-site")
	if p := problemOf(t, w); w.Code != http.StatusForbidden || p.Code != "request.cross_origin" || p.Hint == "" || f.started != 0 {
		t.Errorf("status %d, %+v, %d runs started", w.Code, p, f.started)
	}
}

func TestOnlyPostChangesAnything(t *testing.T) {
	f := newFake()
	api := newAPI(t, f, "")
	for _, operation := range admin.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		target := strings.NewReplacer("{account}", "acme", "{job}", "launch", "{id}", "r-live").Replace(path)
		wrong, allow := http.MethodGet, "POST"
		if method == http.MethodGet {
			wrong, allow = http.MethodPost, "GET, HEAD"
		}
		w := ask(t, api, wrong, target)
		if p := problemOf(t, w); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != allow || p.Code != "request.method" || p.Hint == "" {
			t.Errorf("%s %s: status %d, Allow %q", wrong, target, w.Code, w.Header().Get("Allow"))
		}
	}
	if f.started != 0 || f.runs["r-live"].State != roster.RunPreparing {
		t.Error("something was changed")
	}
	if w := ask(t, api, http.MethodHead, "/v1/runs/r-live/events"); w.Code != http.StatusOK {
		t.Errorf("HEAD of a stream: status %d", w.Code)
	}
}

func TestBodiesAreRefused(t *testing.T) {
	for body, want := range map[string]int{
		"": 202, " {} ": 202, `{"limit":1}`: 400, strings.Repeat(" ", 70<<10): 413,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/jobs/acme/launch/runs", strings.NewReader(body))
		w := httptest.NewRecorder()
		newAPI(t, newFake(), "").ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%.20q: status %d, want %d", body, w.Code, want)
		}
		if want != 202 && problemOf(t, w).Hint == "" {
			t.Errorf("%.20q: no hint", body)
		}
	}
}

func TestListsHoldNoPersonalDataAndNoSecret(t *testing.T) {
	api := newAPI(t, newFake(), "")
	for _, operation := range admin.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		if method != http.MethodGet || strings.HasSuffix(path, "/events") {
			continue
		}
		for _, id := range []string{"q-1", "r-ended", "s-open"} {
			body := ask(t, api, method, strings.ReplaceAll(path, "{id}", id)).Body.String()
			encoded := base64.StdEncoding.EncodeToString([]byte(`{"name":"` + personalName))[:16]
			if shown := strings.Contains(body, encoded) || strings.Contains(body, personalName); shown != (path == "/v1/quarantine/{id}" && id == "q-1") {
				t.Errorf("%s: personal data shown: %v", path, shown)
			}
			if shown := strings.Contains(body, exportSecret); shown != (path == "/v1/connections") {
				t.Errorf("%s: export secret shown: %v", path, shown)
			}
		}
	}
}

func TestAFaultInsideIsLoggedAndNotTold(t *testing.T) {
	var log strings.Builder
	f := newFake()
	f.fault = errors.New(internalDetail)
	api := admin.New(admin.Options{
		Runs: f, Sessions: f, Quarantine: f, Syncs: f, Installation: f, Audit: f,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
	})
	for _, target := range []string{"/v1/status", "/v1/version", "/v1/runs", "/v1/sessions", "/v1/quarantine", "/v1/quarantine/groups", "/v1/connections", "/v1/adapters"} {
		w := ask(t, api, http.MethodGet, target)
		p := problemOf(t, w)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), internalDetail) || p.Code != "internal" || p.Hint == "" {
			t.Errorf("%s: status %d, %s", target, w.Code, w.Body)
		}
		if !strings.Contains(log.String(), internalDetail) || !strings.Contains(log.String(), p.Request) || p.Request != w.Header().Get("X-Request-Id") {
			t.Errorf("%s: request %s is not in the log:\n%s", target, p.Request, log.String())
		}
	}
}

func TestAFaultOfTheDomainIsToldInItsOwnWords(t *testing.T) {
	f := newFake()
	f.fault = &roster.Fault{Code: "mapping.syntax", Message: "gym.lua:3: unexpected symbol", Hint: "correct the script"}
	w := ask(t, newAPI(t, f, ""), http.MethodPost, "/v1/jobs/acme/launch/runs")
	if p := problemOf(t, w); w.Code != http.StatusUnprocessableEntity || p.Code != "mapping.syntax" || p.Hint != "correct the script" {
		t.Errorf("status %d, %+v", w.Code, p)
	}
}

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	var log strings.Builder
	f := newFake()
	f.onPoll = func(int, *roster.Run) { panic(personalName) }
	api := admin.New(admin.Options{
		Runs: f, Sessions: f, Quarantine: f, Syncs: f, Installation: f, Audit: f,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
	})
	w := ask(t, api, http.MethodGet, "/v1/runs/r-live")
	if p := problemOf(t, w); w.Code != http.StatusInternalServerError || p.Code != "internal" {
		t.Errorf("status %d, %+v", w.Code, p)
	}
	if !strings.Contains(log.String(), "panicked") || strings.Contains(log.String(), personalName) {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestChangesAreLoggedWithTheirRequest(t *testing.T) {
	var log strings.Builder
	f := newFake()
	api := admin.New(admin.Options{
		Runs: f, Sessions: f, Quarantine: f, Syncs: f, Installation: f, Audit: f,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
	})
	ask(t, api, http.MethodGet, "/v1/runs")
	if log.String() != "" {
		t.Errorf("a look was logged: %s", log.String())
	}
	w := ask(t, api, http.MethodPost, "/v1/jobs/acme/launch/runs")
	for _, want := range []string{"level=INFO", "path=/v1/jobs/acme/launch/runs", "status=202", w.Header().Get("X-Request-Id")} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log.String())
		}
	}
}
