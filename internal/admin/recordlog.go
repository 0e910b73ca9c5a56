package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// RecordLog shows what became of records.
type RecordLog interface {
	// RecordLog returns the latest lines that the filter selects, or with After the
	// first ones behind that; the oldest is first.
	RecordLog(ctx context.Context, filter LogFilter) (LogPage, error)
}

// LogFilter selects lines of the record log.
type LogFilter struct {
	// Account is an account's key, Job account/job, Club a club's key; empty for all.
	Account, Job, Club string
	// Level is the least grave one wanted.
	Level roster.LogLevel
	// Since is when the first line wanted was kept; zero for the oldest.
	Since time.Time
	Limit int
	// After is the Next of a page, or [LogBegin].
	After string
}

// LogBegin is the After before every line.
const LogBegin = "begin"

// LogPage is a part of the record log.
type LogPage struct {
	Lines []LogLine `json:"lines"`
	// More says that there are older lines, or with After later ones.
	More bool `json:"more,omitempty"`
	// Next is the After of a filter for what follows.
	Next string `json:"next"`
	// Lost counts lines, of whatever job, that could not be kept when they came, and
	// Damaged the parts of the log that cannot be read, as far as was looked.
	Lost    int `json:"lost,omitempty"`
	Damaged int `json:"damaged,omitempty"`
}

// LogLine is what became of one record. It holds no values of it, but its ids may be
// an e-mail address.
type LogLine struct {
	// At is written with the offset of Zone, the IANA zone of the record's club, or
	// else of its account.
	At    time.Time       `json:"at"`
	Zone  string          `json:"zone"`
	Level roster.LogLevel `json:"level"`
	// Code names the outcome.
	Code string   `json:"code"`
	Job  string   `json:"job"`
	Run  string   `json:"run"`
	Kind sdk.Kind `json:"kind"`
	// Record and Target are its ids in the source and in the target.
	Record string `json:"record,omitempty"`
	Target string `json:"target,omitempty"`
	Club   string `json:"club,omitempty"`
	// Text says what became of it, in a sentence.
	Text string `json:"text"`
}

func logParams() []string {
	return []string{"account", "job", "club", "level", "since", "limit", "after"}
}

func (a *API) recordLog(w http.ResponseWriter, r *http.Request, q *query) error {
	filter := LogFilter{
		Account: q.text("account", "the key of an account", validKey), Job: q.job(), Club: q.text("club", "the key of a club", validKey),
		Level: q.level(), Since: q.time("since"), Limit: q.limit(), After: q.id("after"),
	}
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.o.RecordLog.RecordLog(r.Context(), filter)
	if err != nil {
		return err
	}
	if filter.After == "" {
		if err := a.checkJob(r.Context(), filter.Job, len(page.Lines)); err != nil {
			return err
		}
	}
	page.Lines = list(page.Lines)
	return reply(w, http.StatusOK, page)
}

// level returns the level that is asked for, the least grave one where none is.
func (q *query) level() (level roster.LogLevel) {
	q.text("level", "info, warning or error", func(v string) bool { return level.UnmarshalText([]byte(v)) == nil })
	return level
}

// time returns a moment, zero where none is given.
func (q *query) time(name string) (at time.Time) {
	q.text(name, "a time as 2026-11-29T14:00:00Z", func(v string) bool {
		var err error
		at, err = time.Parse(time.RFC3339, v)
		return err == nil
	})
	return at
}

// RecordLog shows what became of records. A limit of 0 leaves it to the daemon.
func (c *Client) RecordLog(ctx context.Context, f LogFilter) (LogPage, error) {
	q := url.Values{}
	set(q, "account", f.Account)
	set(q, "job", f.Job)
	set(q, "club", f.Club)
	set(q, "after", f.After)
	if f.Level > roster.LogInfo {
		q.Set("level", f.Level.String())
	}
	if !f.Since.IsZero() {
		q.Set("since", f.Since.UTC().Format(time.RFC3339))
	}
	setLimit(q, f.Limit)
	var page LogPage
	err := c.call(ctx, http.MethodGet, "/v1/log", q, &page)
	return page, err
}
