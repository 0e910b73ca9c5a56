package admin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/admin"
)

func TestADaemonThatIsNotReadySaysWhichPartIsNot(t *testing.T) {
	f := newFake()
	f.fault = errors.New(internalDetail)
	w := ask(t, newAPI(t, f, ""), http.MethodGet, "/readyz?verbose")
	p := problemOf(t, w)
	if w.Code != http.StatusServiceUnavailable || p.Code != "daemon.not_ready" || p.Detail != "not ready: store" || len(p.Checks) != 2 ||
		w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %+v", w.Code, p)
	}
	if w := ask(t, newAPI(t, f, ""), http.MethodGet, "/readyz"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "checks") {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
	readSpec(t).validate(t, "GET /readyz", w.Result(), w.Body.Bytes())
}

func TestOnlyWhetherTheDaemonIsReadyIsToldWithoutAToken(t *testing.T) {
	api := newAPI(t, newFake(), "correct-horse-battery")
	for target, want := range map[string]int{
		"/readyz": http.StatusOK, "/readyz?verbose": http.StatusUnauthorized, "/metrics": http.StatusUnauthorized,
	} {
		if w := ask(t, api, http.MethodGet, target); w.Code != want {
			t.Errorf("%s: status %d, want %d", target, w.Code, want)
		}
	}
}

func TestTheClientAsksForHealth(t *testing.T) {
	f := newFake()
	client := serve(t, newAPI(t, f, ""))
	checks, err := client.Ready(t.Context())
	if err != nil || len(checks) != 2 || checks[0].Name != "store" {
		t.Errorf("%+v, error %v", checks, err)
	}
	text, err := client.Metrics(t.Context())
	if err != nil || text != "rosterd_sessions 1\n" {
		t.Errorf("%q, error %v", text, err)
	}
	tests, err := client.TestAlerts(t.Context(), "ops")
	if err != nil || len(tests) != 1 || tests[0].Fault == nil {
		t.Errorf("%+v, error %v", tests, err)
	}
	f.fault = errors.New(internalDetail)
	_, err = client.Ready(t.Context())
	if p, ok := errors.AsType[*admin.Problem](err); !ok || len(p.Checks) != 2 {
		t.Errorf("got %v", err)
	}
}
