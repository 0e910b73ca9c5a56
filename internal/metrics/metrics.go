package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rosterd/rosterd/internal/roster"
)

// Options are what [New] needs.
type Options struct {
	// Version, Revision and Go say what is running.
	Version, Revision, Go string
	// Picture tells how the daemon stands. It is asked at each scrape, with a
	// context that ends with it.
	Picture func(ctx context.Context) (Picture, error)
	// Logger gets a line when the picture cannot be made.
	Logger *slog.Logger
}

// Metrics are the daemon's metrics. They serve concurrent calls.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	runs, records, export, alerts *prometheus.CounterVec
	inbound                       inboundCounters
	duration                      *prometheus.HistogramVec
	mapping                       prometheus.Histogram
	configOK, configAt            prometheus.Gauge
}

// New makes metrics in a registry of their own.
func New(o Options) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		runs:     newCounter(nameRuns), records: newCounter(nameRecords), export: newCounter(nameExport), alerts: newCounter(nameAlerts),
		inbound: newInboundCounters(),
		// From a second to some nine hours.
		duration: prometheus.NewHistogramVec(histogramOpts(nameDuration, prometheus.ExponentialBuckets(1, 2.5, 12)), family(nameDuration).Labels),
		// From a millisecond to some sixteen seconds.
		mapping:  prometheus.NewHistogram(histogramOpts(nameMap, prometheus.ExponentialBuckets(0.001, 2, 15))),
		configOK: newGauge(nameConfigOK), configAt: newGauge(nameConfigAt),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: nameBuild, Help: family(nameBuild).Help}, family(nameBuild).Labels)
	build.WithLabelValues(o.Version, o.Revision, o.Go).Set(1)
	m.registry.MustRegister(
		m.runs, m.records, m.export, m.alerts, m.inbound.saves, m.inbound.fetches, m.inbound.refused, m.inbound.unknown, m.duration, m.mapping, m.configOK, m.configAt, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&scrape{picture: o.Picture, log: o.Logger, descs: describe()},
	)
	// A result that has not happened is 0 and not absent, so that its first time
	// is an increase.
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx"} {
		m.export.WithLabelValues(class)
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, DisableCompression: true, MaxRequestsInFlight: 4,
	})
	return m
}

func newCounter(name string) *prometheus.CounterVec {
	f := family(name)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, f.Labels)
}

func newGauge(name string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: family(name).Help})
}

func histogramOpts(name string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: family(name).Help, Buckets: buckets}
}

// ServeHTTP answers a scrape in the text format of Prometheus.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// RunEnded counts a run that is over, as it was stored.
func (m *Metrics) RunEnded(run roster.Run) {
	m.runs.WithLabelValues(run.Job, string(run.Type), string(run.State)).Inc()
	if run.Started != nil && run.Ended != nil {
		m.duration.WithLabelValues(string(run.Type)).Observe(run.Ended.Sub(*run.Started).Seconds())
	}
	for outcome, n := range outcomes(run) {
		if n > 0 {
			m.records.WithLabelValues(run.Job, outcome).Add(float64(n))
		}
	}
}

// outcomes says what became of the records of a run. But for deactivated, which
// counts records of the target, they add up to what was read.
func outcomes(run roster.Run) map[string]int {
	c := run.Counts
	told := func(n *int) int {
		if n == nil {
			return 0
		}
		return *n
	}
	out := map[string]int{
		"skipped": c.Skipped, "quarantined": c.Quarantined, "created": told(c.Created), "updated": told(c.Updated),
	}
	if run.Type == roster.JobSync {
		out["unchanged"], out["waiting"], out["deactivated"] = c.Unchanged, c.Waiting, c.Deactivated
		return out
	}
	out["unserved"], out["unknown"], out["kept"], out["failed"] = c.Unserved, c.Unknown, told(c.Kept), told(c.Failed)
	return out
}

// Mapped counts a page that a script has mapped.
func (m *Metrics) Mapped(took time.Duration) { m.mapping.Observe(took.Seconds()) }

// Exported counts an answer on the public address by its status.
func (m *Metrics) Exported(status int) {
	if status < 200 || status > 599 {
		status = http.StatusInternalServerError
	}
	m.export.WithLabelValues(strconv.Itoa(status/100) + "xx").Inc()
}

// AlertResult is what came of a message to a receiver of alerts.
type AlertResult string

// The results.
const (
	AlertSent    AlertResult = "sent"
	AlertFailed  AlertResult = "failed"
	AlertGivenUp AlertResult = "given_up"
)

// Alerted counts a message to a receiver of alerts.
func (m *Metrics) Alerted(receiver string, result AlertResult) {
	m.alerts.WithLabelValues(receiver, string(result)).Inc()
}

// ConfigRead says that a configuration was read: taken or refused.
func (m *Metrics) ConfigRead(at time.Time, taken bool) {
	if !taken {
		m.configOK.Set(0)
		return
	}
	m.configOK.Set(1)
	m.configAt.Set(seconds(at))
}

// seconds is a time as Prometheus has it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
