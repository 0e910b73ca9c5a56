package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// Live asks whether the daemon answers.
func (c *Client) Live(ctx context.Context) error {
	var body liveBody
	return c.call(ctx, http.MethodGet, "/livez", nil, &body)
}

// Version says what the daemon is.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	err := c.call(ctx, http.MethodGet, "/v1/version", nil, &v)
	return v, err
}

// Status shows the daemon at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// StartRun starts account/job and returns the accepted run.
func (c *Client) StartRun(ctx context.Context, job string) (roster.Run, error) {
	return c.OrderRun(ctx, RunOrder{Job: job})
}

// PauseJob keeps account/job from being started by its schedule, and returns how
// it stands.
func (c *Client) PauseJob(ctx context.Context, job, reason string) (JobStatus, error) {
	return c.changeJob(ctx, job, "pause", url.Values{"reason": {reason}})
}

// ResumeJob lets account/job be started by its schedule, and returns how it
// stands.
func (c *Client) ResumeJob(ctx context.Context, job string) (JobStatus, error) {
	return c.changeJob(ctx, job, "resume", nil)
}

func (c *Client) changeJob(ctx context.Context, job, change string, q url.Values) (JobStatus, error) {
	account, key, _ := strings.Cut(job, "/")
	var s JobStatus
	err := c.call(ctx, http.MethodPost, "/v1/jobs/"+segment(account)+"/"+segment(key)+"/"+change, q, &s)
	return s, err
}

// Runs lists runs, the latest first. A limit of 0 leaves it to the daemon.
func (c *Client) Runs(ctx context.Context, f roster.RunFilter) ([]roster.Run, error) {
	q := url.Values{}
	set(q, "job", f.Job)
	for _, s := range f.State {
		q.Add("state", string(s))
	}
	setLimit(q, f.Limit)
	var body runsBody
	err := c.call(ctx, http.MethodGet, "/v1/runs", q, &body)
	return body.Runs, err
}

// Run shows one run.
func (c *Client) Run(ctx context.Context, id string) (roster.Run, error) {
	var run roster.Run
	err := c.call(ctx, http.MethodGet, "/v1/runs/"+segment(id), nil, &run)
	return run, err
}

// CancelRun asks a run to end and returns it as it stands.
func (c *Client) CancelRun(ctx context.Context, id string) (roster.Run, error) {
	var run roster.Run
	err := c.call(ctx, http.MethodPost, "/v1/runs/"+segment(id)+"/cancel", nil, &run)
	return run, err
}

// Sessions lists import sessions, the latest first. A limit of 0 leaves it to
// the daemon.
func (c *Client) Sessions(ctx context.Context, f roster.SessionFilter) ([]roster.Session, error) {
	q := url.Values{}
	set(q, "run", f.Run)
	set(q, "business", f.Business)
	if f.Open {
		q.Set("open", "true")
	}
	setLimit(q, f.Limit)
	var body sessionsBody
	err := c.call(ctx, http.MethodGet, "/v1/sessions", q, &body)
	return body.Sessions, err
}

// Session shows one import session and what came of each page of it.
func (c *Client) Session(ctx context.Context, id string) (roster.SessionReport, error) {
	var s roster.SessionReport
	err := c.call(ctx, http.MethodGet, "/v1/sessions/"+segment(id), nil, &s)
	return s, err
}

// RetrySession announces a parked session once more.
func (c *Client) RetrySession(ctx context.Context, id string) (roster.Session, error) {
	var s roster.Session
	err := c.call(ctx, http.MethodPost, "/v1/sessions/"+segment(id)+"/retry", nil, &s)
	return s, err
}

// CloseSession ends a session that is not over.
func (c *Client) CloseSession(ctx context.Context, id string) (roster.Session, error) {
	var s roster.Session
	err := c.call(ctx, http.MethodPost, "/v1/sessions/"+segment(id)+"/close", nil, &s)
	return s, err
}

// Quarantine lists refused records without their payload. A limit of 0 leaves
// it to the daemon; Next of the answer is After of the filter for the rest.
func (c *Client) Quarantine(ctx context.Context, f roster.QuarantineFilter) (QuarantinePage, error) {
	q := url.Values{}
	set(q, "job", f.Job)
	set(q, "run", f.Run)
	set(q, "code", f.Code)
	set(q, "after", f.After)
	setLimit(q, f.Limit)
	var page QuarantinePage
	err := c.call(ctx, http.MethodGet, "/v1/quarantine", q, &page)
	return page, err
}

// QuarantineGroups counts refused records by cause. Only Job and Run of the
// filter are used.
func (c *Client) QuarantineGroups(ctx context.Context, f roster.QuarantineFilter) ([]roster.QuarantineGroup, error) {
	q := url.Values{}
	set(q, "job", f.Job)
	set(q, "run", f.Run)
	var body groupsBody
	err := c.call(ctx, http.MethodGet, "/v1/quarantine/groups", q, &body)
	return body.Groups, err
}

// Quarantined shows one refused record with its payload, which is personal
// data.
func (c *Client) Quarantined(ctx context.Context, id string) (roster.Quarantined, error) {
	var r roster.Quarantined
	err := c.call(ctx, http.MethodGet, "/v1/quarantine/"+segment(id), nil, &r)
	return r, err
}

// Connections lists the configured systems.
func (c *Client) Connections(ctx context.Context) ([]ConnectionInfo, error) {
	var body connectionsBody
	err := c.call(ctx, http.MethodGet, "/v1/connections", nil, &body)
	return body.Connections, err
}

// Adapters lists the adapter programs that were found.
func (c *Client) Adapters(ctx context.Context) ([]AdapterInfo, error) {
	var body adaptersBody
	err := c.call(ctx, http.MethodGet, "/v1/adapters", nil, &body)
	return body.Adapters, err
}

// segment escapes one part of a path. What would be lost or taken for another
// path is sent so that the daemon refuses it.
func segment(s string) string {
	switch s {
	case "", ".", "..":
		return "%20"
	}
	return url.PathEscape(s)
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setLimit(q url.Values, limit int) {
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
}
