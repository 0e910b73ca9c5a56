package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// OrderRun starts a run that is not simply what its job says, and returns the
// accepted run.
func (c *Client) OrderRun(ctx context.Context, o RunOrder) (roster.Run, error) {
	account, key, _ := strings.Cut(o.Job, "/")
	q := url.Values{}
	for name, given := range map[string]bool{"plan": o.Plan, "sweep": o.Scope.Sweep, "replay": o.Scope.Replay} {
		if given {
			q.Set(name, "true")
		}
	}
	set(q, "record", o.Scope.Record)
	set(q, "code", o.Scope.Code)
	for _, id := range o.Scope.Entries {
		q.Add("entry", id)
	}
	var run roster.Run
	err := c.call(ctx, http.MethodPost, "/v1/jobs/"+segment(account)+"/"+segment(key)+"/runs", q, &run)
	return run, err
}

// ApproveRun lets a run go on that was planned or blocked, and returns it as it is
// stored.
func (c *Client) ApproveRun(ctx context.Context, id string) (roster.Run, error) {
	var run roster.Run
	err := c.call(ctx, http.MethodPost, "/v1/runs/"+segment(id)+"/approve", nil, &run)
	return run, err
}

// Changes shows what a run would change, from an entry of its change set on.
// Next of the answer is from for the rest. A limit of 0 leaves it to the daemon.
func (c *Client) Changes(ctx context.Context, run string, from, limit int) (ChangePage, error) {
	q := url.Values{}
	if from > 0 {
		q.Set("from", strconv.Itoa(from))
	}
	setLimit(q, limit)
	var page ChangePage
	err := c.call(ctx, http.MethodGet, "/v1/runs/"+segment(run)+"/changes", q, &page)
	return page, err
}

// Explain says what is known of one record of a job's source.
func (c *Client) Explain(ctx context.Context, job, record string) (Explanation, error) {
	account, key, _ := strings.Cut(job, "/")
	var e Explanation
	err := c.call(ctx, http.MethodGet, "/v1/jobs/"+segment(account)+"/"+segment(key)+"/record", url.Values{"record": {record}}, &e)
	return e, err
}

// Unlinked asks which staff members and lead sources of a job's source have no
// counterpart at its target.
func (c *Client) Unlinked(ctx context.Context, job string) ([]roster.Unlinked, error) {
	account, key, _ := strings.Cut(job, "/")
	var body unlinkedBody
	err := c.call(ctx, http.MethodGet, "/v1/jobs/"+segment(account)+"/"+segment(key)+"/unlinked", nil, &body)
	return body.Unlinked, err
}

// query makes the parameters that name the links.
func (s LinkSet) query() url.Values {
	q := url.Values{}
	set(q, "job", s.Job)
	set(q, "from", s.From)
	set(q, "to", s.To)
	set(q, "kind", string(s.Kind))
	return q
}

// Links lists links in the order of their source ids. A limit of 0 leaves it to
// the daemon; Next of the answer is After of the filter for the rest.
func (c *Client) Links(ctx context.Context, links LinkSet, f roster.LinkFilter) (LinkPage, error) {
	q := links.query()
	set(q, "after", f.After)
	setLimit(q, f.Limit)
	var page LinkPage
	err := c.call(ctx, http.MethodGet, "/v1/links", q, &page)
	return page, err
}

// Link shows what is known of a record by its id at either end.
func (c *Client) Link(ctx context.Context, links LinkSet, id string) (LinkReport, error) {
	q := links.query()
	q.Set("id", id)
	return c.oneLink(ctx, http.MethodGet, "one", q)
}

// SetLink links two records, and says why. It returns what is known then.
func (c *Client) SetLink(ctx context.Context, links LinkSet, source, target, reason string) (LinkReport, error) {
	q := links.query()
	q.Set("source", source)
	q.Set("target", target)
	q.Set("reason", reason)
	return c.oneLink(ctx, http.MethodPost, "set", q)
}

// RemoveLink removes the link of a source record, and says why. It returns what
// is known then.
func (c *Client) RemoveLink(ctx context.Context, links LinkSet, source, reason string) (LinkReport, error) {
	q := links.query()
	q.Set("source", source)
	q.Set("reason", reason)
	return c.oneLink(ctx, http.MethodPost, "remove", q)
}

func (c *Client) oneLink(ctx context.Context, method, what string, q url.Values) (LinkReport, error) {
	var report LinkReport
	err := c.call(ctx, method, "/v1/links/"+what, q, &report)
	return report, err
}

// Parked lists creates that wait for a person. A limit of 0 leaves it to the
// daemon; Next of the answer is After of the filter for the rest.
func (c *Client) Parked(ctx context.Context, f roster.ParkedFilter) (ParkedPage, error) {
	q := url.Values{}
	set(q, "job", f.Job)
	set(q, "after", f.After)
	if f.Review {
		q.Set("review", "true")
	}
	setLimit(q, f.Limit)
	var page ParkedPage
	err := c.call(ctx, http.MethodGet, "/v1/parked", q, &page)
	return page, err
}

// ParkedCreate shows one of them with its source record, which is personal data.
func (c *Client) ParkedCreate(ctx context.Context, id string) (ParkedRecord, error) {
	var p ParkedRecord
	err := c.call(ctx, http.MethodGet, "/v1/parked/"+segment(id), nil, &p)
	return p, err
}

// SettleParked does what a person decides about a parked create, and returns what
// it was. The target is for [roster.ParkedLink] only.
func (c *Client) SettleParked(ctx context.Context, id string, verdict roster.ParkedVerdict, target string) (roster.Parked, error) {
	q := url.Values{"verdict": {string(verdict)}}
	set(q, "target", target)
	var p roster.Parked
	err := c.call(ctx, http.MethodPost, "/v1/parked/"+segment(id)+"/settle", q, &p)
	return p, err
}

// DropQuarantined forgets refused records: those of the ids, or all of a job, of
// one cause where the filter has a code. It returns how many there were.
func (c *Client) DropQuarantined(ctx context.Context, ids []string, f roster.QuarantineFilter) (int, error) {
	q := url.Values{}
	for _, id := range ids {
		q.Add("entry", id)
	}
	set(q, "job", f.Job)
	set(q, "code", f.Code)
	var body droppedBody
	err := c.call(ctx, http.MethodPost, "/v1/quarantine/drop", q, &body)
	return body.Dropped, err
}
