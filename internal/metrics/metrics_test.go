package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rosterd/rosterd/internal/metrics"
	"github.com/rosterd/rosterd/internal/roster"
)

var at = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// picture has something of everything.
func picture() metrics.Picture {
	return metrics.Picture{
		Jobs: []metrics.Job{{
			Ref: "acme/leads", LastSuccess: at, LastDelivered: at.Add(time.Hour), LastDuration: 90 * time.Second, LastState: "partial",
			Lag: 5 * time.Minute, Stale: true, Again: at.Add(2 * time.Hour), Quarantine: map[string]int{"map.rejected": 3},
			Parked: 2, Unknown: 1, OldestParked: at, OldestUnknown: at,
		}},
		Adapters: []metrics.Adapter{{Name: "rest", Running: true, Restarts: 4, Requests: map[string]int{"ok": 7, "quota": 1}}},
		Inbound:  map[string]int{"acme/crm": 12}, Sessions: map[string]int{"open": 1}, StoreBytes: 1 << 20, DiskFree: 1 << 30, DiskSize: 1 << 40,
	}
}

func newMetrics(p metrics.Picture, err error) *metrics.Metrics {
	return metrics.New(metrics.Options{
		Version: "1.2.3", Revision: "abc", Go: "go1.26",
		Picture: func(context.Context) (metrics.Picture, error) { return p, err },
		Logger:  slog.New(slog.DiscardHandler),
	})
}

// busy has counted something of everything.
func busy(p metrics.Picture) *metrics.Metrics {
	m := newMetrics(p, nil)
	ended, one := at.Add(time.Minute), 1
	m.RunEnded(roster.Run{
		Job: "acme/leads", Type: roster.JobSync, State: roster.RunPartial, Started: &at, Ended: &ended,
		Counts: roster.Counts{Read: 10, Created: &one, Updated: &one, Unchanged: 5, Skipped: 1, Quarantined: 1, Waiting: 1, Deactivated: 2},
	})
	m.Mapped(20 * time.Millisecond)
	m.Exported(http.StatusOK)
	m.Alerted("ops", metrics.AlertSent)
	m.ConfigRead(at, true)
	m.InboundOpened("acme/crm", []string{"member", "staff"}, []string{"database", "rate"})
	m.InboundSaved("acme/crm", "member", 2)
	m.InboundFetched("acme/crm")
	m.InboundRefused("acme/crm", "database")
	m.InboundRefused("", "access")
	return m
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("status %d, %s\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Body.String()
}

func TestNamesHelpAndUnitsAreAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	problems, err := testutil.GatherAndLint(busy(picture()).Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestEveryFamilyIsToldAndNoOther(t *testing.T) {
	t.Parallel()
	gathered, err := busy(picture()).Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for _, f := range metrics.Families() {
		want[f.Name] = f.Type + " " + f.Help
	}
	for _, f := range gathered {
		if strings.HasPrefix(f.GetName(), "rosterd_") {
			got[f.GetName()] = strings.ToLower(f.GetType().String()) + " " + f.GetHelp()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("families (-) and what is told (+) differ:\n%s", diff)
	}
	if !slices.IsSortedFunc(metrics.Families(), func(a, b metrics.Family) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the families are not in the order of their names")
	}
}

func TestAPictureIsToldAsItIs(t *testing.T) {
	t.Parallel()
	text := scrape(t, busy(picture()))
	for _, want := range []string{
		`rosterd_build_info{go_version="go1.26",revision="abc",version="1.2.3"} 1`,
		`rosterd_run_last_success_timestamp_seconds{job="acme/leads"} 1.7723574e+09`,
		`rosterd_run_last_state{job="acme/leads",state="partial"} 1`,
		`rosterd_run_last_state{job="acme/leads",state="ok"} 0`,
		`rosterd_schedule_lag_seconds{job="acme/leads"} 300`,
		`rosterd_quarantine_records{code="map.rejected",job="acme/leads"} 3`,
		`rosterd_records_total{job="acme/leads",outcome="unchanged"} 5`,
		`rosterd_records_total{job="acme/leads",outcome="deactivated"} 2`,
		`rosterd_runs_total{job="acme/leads",state="partial",type="sync"} 1`,
		`rosterd_adapter_requests_total{adapter="rest",code_class="quota"} 1`,
		`rosterd_adapter_restarts_total{adapter="rest"} 4`,
		`rosterd_export_requests_total{result="2xx"} 1`,
		`rosterd_export_requests_total{result="5xx"} 0`,
		`rosterd_sessions{state="open"} 1`,
		`rosterd_inbound_saves_total{connection="acme/crm",kind="member"} 1`,
		`rosterd_inbound_saves_total{connection="acme/crm",kind="staff"} 0`,
		`rosterd_inbound_fetches_total{connection="acme/crm"} 1`,
		`rosterd_inbound_unknown_values_total{connection="acme/crm"} 2`,
		`rosterd_inbound_refused_total{connection="acme/crm",reason="database"} 1`,
		`rosterd_inbound_refused_total{connection="acme/crm",reason="rate"} 0`,
		`rosterd_inbound_refused_total{connection="",reason="access"} 1`,
		`rosterd_inbound_waiting_records{connection="acme/crm"} 12`,
		`rosterd_map_duration_seconds_count 1`,
		`rosterd_scrape_success 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(text, "rosterd_run_last_success_timestamp_seconds{job=\"\"}") {
		t.Error("a time that is none is told")
	}
}

func TestWhatBecameOfAnImportsRecordsAddsUpToWhatWasRead(t *testing.T) {
	t.Parallel()
	m := newMetrics(metrics.Picture{}, nil)
	n := 2
	m.RunEnded(roster.Run{Job: "acme/launch", Type: roster.JobImport, State: roster.RunPartial, Counts: roster.Counts{
		Read: 13, Skipped: 1, Quarantined: 1, Frozen: 11, Served: 10, Unserved: 1, Created: &n, Updated: &n, Kept: &n, Failed: &n, Unknown: 2,
	}})
	sum := 0
	for line := range strings.Lines(scrape(t, m)) {
		var n int
		if _, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(line, "rosterd_records_total{") {
			if _, err := fmt.Sscan(value, &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum != 13 {
		t.Errorf("%d records are told of, 13 were read", sum)
	}
}

func TestAPictureThatCannotBeMadeIsSaid(t *testing.T) {
	t.Parallel()
	text := scrape(t, newMetrics(metrics.Picture{}, errors.New("the disk is gone")))
	if !strings.Contains(text, "rosterd_scrape_success 0\n") || !strings.Contains(text, "go_goroutines ") || strings.Contains(text, "disk is gone") {
		t.Error(text)
	}
}

func TestCausesAreBoundedInNumber(t *testing.T) {
	t.Parallel()
	p := picture()
	p.Jobs[0].Quarantine = map[string]int{}
	for i := range 500 {
		p.Jobs[0].Quarantine[fmt.Sprintf("made.up_%03d", i)] = 1 + i%7
	}
	lines, total := 0, 0
	for line := range strings.Lines(scrape(t, newMetrics(p, nil))) {
		if _, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(line, "rosterd_quarantine_records{") {
			var n int
			if _, err := fmt.Sscan(value, &n); err != nil {
				t.Fatal(err)
			}
			lines, total = lines+1, total+n
		}
	}
	want := 0
	for n := range maps.Values(p.Jobs[0].Quarantine) {
		want += n
	}
	if lines != 21 || total != want {
		t.Errorf("%d causes with %d records, want 21 with %d", lines, total, want)
	}
}

func TestAConfigurationThatIsRefusedIsTold(t *testing.T) {
	t.Parallel()
	m := busy(picture())
	m.ConfigRead(at.Add(time.Hour), false)
	text := scrape(t, m)
	if !strings.Contains(text, "rosterd_config_last_reload_success 0\n") || !strings.Contains(text, "rosterd_config_last_reload_timestamp_seconds 1.7723574e+09\n") {
		t.Error(text)
	}
}

func BenchmarkScrapeOfAThousandJobs(b *testing.B) {
	p := metrics.Picture{}
	for i := range 1000 {
		job := picture().Jobs[0]
		job.Ref = fmt.Sprintf("account%d/leads", i)
		p.Jobs = append(p.Jobs, job)
	}
	m := newMetrics(p, nil)
	for b.Loop() {
		m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", http.NoBody))
	}
}
