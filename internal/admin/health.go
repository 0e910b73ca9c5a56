package admin

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// Health tells monitoring how the daemon fares.
type Health interface {
	// Ready looks at the parts of the daemon, in the time that ctx allows.
	Ready(ctx context.Context) []PartCheck
	// Metrics answers a scrape in the text format of Prometheus.
	Metrics() http.Handler
	// TestAlerts sends a test message to a receiver of alerts, or to all where
	// receiver is empty, and says what came of each. An unknown receiver, or none
	// at all, is [roster.ErrNotFound].
	TestAlerts(ctx context.Context, receiver string) ([]AlertTest, error)
}

// PartCheck is what was found out about one part of the daemon.
type PartCheck struct {
	// Name is the part: store, schedule, public_listener, admin_listener, disk or
	// adapters.
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Optional says that the daemon is ready without it.
	Optional bool `json:"optional,omitempty"`
	// Detail says what is wrong.
	Detail string `json:"detail,omitempty"`
}

// AlertTest is what came of a test message to a receiver of alerts.
type AlertTest struct {
	Receiver string `json:"receiver"`
	// Type is email or webhook.
	Type string `json:"type"`
	OK   bool   `json:"ok"`
	// Fault says why it was not taken; nil when it was.
	Fault *roster.Fault `json:"fault,omitempty"`
}

type (
	readyBody struct {
		Status string      `json:"status"`
		Checks []PartCheck `json:"checks,omitempty"`
	}
	alertTestsBody struct {
		Receivers []AlertTest `json:"receivers"`
	}
)

const codeNotReady = "daemon.not_ready"

// ready answers whether the daemon takes on work. With verbose the checks are
// in the answer, also in that which says no.
func (a *API) ready(w http.ResponseWriter, r *http.Request, q *query) error {
	verbose := q.flag("verbose")
	if err := q.err(); err != nil {
		return err
	}
	checks := a.o.Health.Ready(r.Context())
	var failed []string
	for _, c := range checks {
		if !c.OK && !c.Optional {
			failed = append(failed, c.Name)
		}
	}
	if !verbose {
		checks = nil
	}
	if len(failed) > 0 {
		return &Problem{Code: codeNotReady, Detail: "not ready: " + strings.Join(failed, ", "), Checks: checks}
	}
	return reply(w, http.StatusOK, readyBody{Status: "ok", Checks: checks})
}

// flag reads a parameter that may stand without a value.
func (q *query) flag(name string) bool {
	if !q.values.Has(name) {
		return false
	}
	return q.values.Get(name) == "" || q.bool(name)
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request, _ *query) error {
	a.o.Health.Metrics().ServeHTTP(w, r)
	return nil
}

func (a *API) testAlerts(w http.ResponseWriter, r *http.Request, q *query) error {
	receiver := q.text("receiver", "the name of a receiver", validKey)
	if err := q.err(); err != nil {
		return err
	}
	tests, err := a.o.Health.TestAlerts(r.Context(), receiver)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, alertTestsBody{list(tests)})
}

// Ready looks whether the daemon takes on work, and returns the checks. A daemon
// that does not is a [Problem] with the checks in it.
func (c *Client) Ready(ctx context.Context) ([]PartCheck, error) {
	var body readyBody
	err := c.call(ctx, http.MethodGet, "/readyz", url.Values{"verbose": {"true"}}, &body)
	return body.Checks, err
}

// TestAlerts sends a test message to a receiver of alerts, or to all where
// receiver is empty.
func (c *Client) TestAlerts(ctx context.Context, receiver string) ([]AlertTest, error) {
	q := url.Values{}
	set(q, "receiver", receiver)
	var body alertTestsBody
	err := c.call(ctx, http.MethodPost, "/v1/alerts/test", q, &body)
	return body.Receivers, err
}

// Metrics returns the metrics of the daemon in the text format of Prometheus.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := c.open(ctx, http.MethodGet, "/metrics", nil, "text/plain")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return "", c.unreachable(ctx, err)
	}
	return string(text), nil
}
