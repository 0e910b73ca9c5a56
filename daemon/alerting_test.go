package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

const hookKey = "a-secret-of-at-least-24-bytes"

// hook takes the webhooks of a daemon.
type hook struct {
	*httptest.Server
	mu sync.Mutex
	// got are the alerts as "subject facet state summary", forged counts requests
	// whose signature is wrong.
	got    []string
	forged int
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(h.take))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) take(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(hookKey))
	io.WriteString(mac, r.Header.Get("webhook-id")+"."+r.Header.Get("webhook-timestamp")+".") //nolint:errcheck // a hash
	mac.Write(body)
	var sent struct {
		Type string
		Data struct {
			Alerts []struct{ Subject, Facet, State, Summary string }
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if json.Unmarshal(body, &sent) != nil || r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		h.forged++
		return
	}
	if sent.Type == "rosterd.test" {
		h.got = append(h.got, "test")
	}
	for _, a := range sent.Data.Alerts {
		h.got = append(h.got, strings.Join([]string{a.Subject, a.Facet, a.State, a.Summary}, " "))
	}
}

// await waits for one more alert that begins so.
func (h *hook) await(t *testing.T, s *site, want string) {
	t.Helper()
	ok := poll(func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, got := range h.got {
			if strings.HasPrefix(got, want) {
				h.got = append(h.got[:i], h.got[i+1:]...)
				return true
			}
		}
		return false
	})
	if !ok {
		t.Fatalf("%q is not told, but %q\n%s", want, h.got, s.tail())
	}
}

func TestAFailureAndItsEndAreToldOnceAndMeasured(t *testing.T) {
	t.Parallel()
	s, h := newSite(t), newHook(t)
	s.platform(t, sandbox.Options{}, nil)
	text, err := os.ReadFile(s.path("rosterd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "hook.secret", hookKey)
	s.write(t, "rosterd.yaml", string(text)+"alerts:\n  receivers:\n    chat: {webhook: {url: \""+h.URL+"/\", secret: {file: hook.secret}}}\n")
	s.members(t, [][]string{{"M1", "Ann", "Lee", "ann@example.com", "active"}})
	members, err := os.ReadFile(s.path("members.csv"))
	if err != nil {
		t.Fatal(err)
	}
	d := s.start(t)
	s.ready(t)
	checks, err := s.client.Ready(t.Context())
	if err != nil || len(checks) != 6 {
		t.Fatalf("%+v, error %v", checks, err)
	}
	for _, c := range checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if tests, err := s.client.TestAlerts(t.Context(), "chat"); err != nil || len(tests) != 1 || !tests[0].OK {
		t.Errorf("%+v, error %v", tests, err)
	}
	h.await(t, s, "test")

	if err := os.Remove(s.path("members.csv")); err != nil {
		t.Fatal(err)
	}
	s.runs(t, roster.RunFailed)
	h.await(t, s, "acme/launch run failed its last run failed (")
	s.runs(t, roster.RunFailed)
	d.stop(t)
	d = s.start(t)
	s.ready(t)
	s.write(t, "members.csv", string(members))
	s.runs(t, roster.RunOK)
	h.await(t, s, "acme/launch run ok its last run is ok")
	h.mu.Lock()
	if len(h.got) > 0 || h.forged > 0 {
		t.Errorf("told besides: %q, %d forged", h.got, h.forged)
	}
	h.mu.Unlock()
	s.measured(t)
	d.stop(t)
	s.quiet(t)
}

// runs starts the job and wants it to end so.
func (s *site) runs(t *testing.T, want roster.RunState) {
	t.Helper()
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.ended(t, run.ID); got.State != want {
		t.Fatalf("the run is %s, want %s: %v", got.State, want, got.Fault)
	}
}

// measured looks at the metrics of a daemon that has run the job once, well.
func (s *site) measured(t *testing.T) {
	t.Helper()
	text, err := s.client.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`rosterd_runs_total{job="acme/launch",state="ok",type="import"} 1`,
		`rosterd_run_last_state{job="acme/launch",state="ok"} 1`,
		`rosterd_run_last_success_timestamp_seconds{job="acme/launch"} `,
		`rosterd_records_total{job="acme/launch",outcome="`,
		`rosterd_schedule_lag_seconds{job="acme/launch"} 0`,
		`rosterd_adapter_requests_total{adapter="csv",code_class="ok"} `,
		`rosterd_adapter_running{adapter="csv"} 1`,
		`rosterd_map_duration_seconds_count 1`,
		`rosterd_export_requests_total{result="2xx"} `,
		`rosterd_alert_messages_total{receiver="chat",result="sent"} 1`,
		`rosterd_config_last_reload_success 1`,
		`rosterd_sessions{state="open"} 0`,
		`rosterd_scrape_success 1`,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, person := range []string{"Ann", "ann@example.com", "M1"} {
		if strings.Contains(text, person) {
			t.Errorf("the metrics hold %q", person)
		}
	}
}
