package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// State looks after what the daemon remembers.
type State interface {
	// Backup writes a backup of the state. Nothing was written where it fails at
	// once.
	Backup(ctx context.Context, w io.Writer) error
	StateStats(ctx context.Context) (StateStats, error)
	// AcceptJob lets a job of a restored state create without searching first. A
	// job that does not search is [roster.ErrConflict], an unknown one
	// [roster.ErrNotFound].
	AcceptJob(ctx context.Context, job, by string) (JobStatus, error)
	// Cursors tells how far a job has read. An unknown job is [roster.ErrNotFound].
	Cursors(ctx context.Context, job string) ([]CursorInfo, error)
	// Rewind sets how far a job has read, and returns that. A job that runs is
	// [roster.RunningError], an unknown job or run [roster.ErrNotFound].
	Rewind(ctx context.Context, job string, to Rewind) ([]CursorInfo, error)
}

// Configuration changes what the daemon runs with.
type Configuration interface {
	// Reload reads the configuration again and runs with it, unless dry. A
	// configuration with faults is a [Problem] with its findings, and changes
	// nothing.
	Reload(ctx context.Context, dry bool) (ReloadReport, error)
	// Probe answers a number made up by the caller as the public listener does.
	Probe(ctx context.Context, nonce string) (string, error)
}

// Rewind says where a job goes on reading.
type Rewind struct {
	// Kind is one kind of record; empty for all of the job.
	Kind sdk.Kind
	// Run is the run with whose beginning the job goes on; empty for the beginning
	// of the source.
	Run string
	// By says who asks.
	By string
}

// CursorInfo is how far a job has read records of a kind.
type CursorInfo struct {
	Kind sdk.Kind `json:"kind"`
	// Cursor is the adapter's own words, shortened; empty for the beginning.
	Cursor string `json:"cursor"`
	Bytes  int    `json:"bytes"`
}

// StateStats is what the state directory holds.
type StateStats struct {
	Dir    string `json:"dir"`
	Schema int    `json:"schema"`
	// Key is the id of the master key.
	Key string `json:"key_id"`
	// Bytes is the size of the database, Free what of it is not used, DiskFree what
	// the disk has left.
	Bytes        int64          `json:"bytes"`
	Free         int64          `json:"free"`
	DiskFree     int64          `json:"disk_free"`
	Buckets      []BucketStats  `json:"buckets"`
	Runs         map[string]int `json:"runs"`
	Sessions     int            `json:"sessions"`
	OpenSessions int            `json:"open_sessions"`
	Links        int            `json:"links"`
	// Intents are creates whose outcome is not known.
	Intents        int   `json:"intents"`
	Parked         int   `json:"parked"`
	Quarantined    int   `json:"quarantined"`
	ChangeSets     int   `json:"change_sets"`
	ChangeSetBytes int64 `json:"change_set_bytes"`
	// LogFiles and LogBytes are those of the record log.
	LogFiles int   `json:"log_files"`
	LogBytes int64 `json:"log_bytes"`
	// Restored is when the state was put back from a backup; nil for never.
	Restored *time.Time `json:"restored,omitempty"`
	// Searching are the jobs that search for what they create, because of that.
	Searching []string `json:"searching"`
}

// BucketStats is a part of the database.
type BucketStats struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// ReloadReport says what a configuration changes.
type ReloadReport struct {
	// Applied says that the daemon runs with it.
	Applied bool           `json:"applied"`
	Changes []ReloadChange `json:"changes"`
	// Warnings are findings that do not keep it from being used.
	Warnings []ConfigFinding `json:"warnings"`
}

// ReloadChange is one difference to what the daemon runs with.
type ReloadChange struct {
	// What is "account", "connection", "job" or "setting", Name its ref or key.
	What string `json:"what"`
	Name string `json:"name"`
	// Change is "added", "removed" or "changed".
	Change string `json:"change"`
}

// ConfigFinding is what is wrong at a place of the configuration.
type ConfigFinding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Hint     string `json:"hint,omitempty"`
	Excerpt  string `json:"excerpt,omitempty"`
}

type cursorsBody struct {
	Cursors []CursorInfo `json:"cursors"`
}

type probeBody struct {
	Answer string `json:"answer"`
}

// backupType is the media type of a backup.
const backupType = "application/gzip"

// backupPatience is how long a backup may stand still.
const backupPatience = time.Minute

func (a *API) backup(w http.ResponseWriter, r *http.Request, _ *query) error {
	out := &lazyWriter{w: w, rc: http.NewResponseController(w), now: a.o.Now}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", backupType)
		return nil
	}
	_ = out.rc.SetReadDeadline(time.Time{}) // a writer without deadlines needs none
	err := a.o.State.Backup(r.Context(), out)
	if err == nil || !out.begun {
		return err
	}
	a.o.Logger.ErrorContext(r.Context(), "backup was cut off", "request", requestID(r.Context()), "err", err)
	panic(http.ErrAbortHandler) // ends the connection: a part is not taken for the whole
}

// lazyWriter begins an answer with its first byte, and moves its deadline on.
type lazyWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	now   func() time.Time
	begun bool
}

// Write passes bytes on.
func (l *lazyWriter) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", backupType)
	}
	_ = l.rc.SetWriteDeadline(l.now().Add(backupPatience)) // a writer without deadlines needs none
	return l.w.Write(b)
}

func (a *API) stateStats(w http.ResponseWriter, r *http.Request, _ *query) error {
	s, err := a.o.State.StateStats(r.Context())
	if err != nil {
		return err
	}
	s.Buckets, s.Searching = list(s.Buckets), list(s.Searching)
	if s.Runs == nil {
		s.Runs = map[string]int{}
	}
	return reply(w, http.StatusOK, s)
}

func (a *API) acceptJob(w http.ResponseWriter, r *http.Request, _ *query) error {
	by := a.caller(r)
	return a.changeJob(w, r, "accepted", by, func(ctx context.Context, job string) (JobStatus, error) {
		return a.o.State.AcceptJob(ctx, job, by)
	})
}

func (a *API) cursors(w http.ResponseWriter, r *http.Request, _ *query) error {
	job := jobOf(r)
	found, err := a.o.State.Cursors(r.Context(), job)
	if errors.Is(err, roster.ErrNotFound) {
		return a.unknownJob(r.Context(), job, err)
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, cursorsBody{list(found)})
}

func (a *API) rewind(w http.ResponseWriter, r *http.Request, q *query) error {
	job := jobOf(r)
	to := Rewind{
		Kind: sdk.Kind(q.text("kind", "a kind of record", validCode)), Run: q.text("to", "beginning or the id of a run", validID), By: a.caller(r),
	}
	if to.Run == "" {
		q.bad.add("to", "is missing: beginning or the id of a run")
	}
	if err := q.err(); err != nil {
		return err
	}
	if to.Run == "beginning" {
		to.Run = ""
	}
	found, err := a.o.State.Rewind(r.Context(), job, to)
	if err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "job changed", "request", requestID(r.Context()), "job", job, "change", "rewound", "by", to.By)
	return reply(w, http.StatusOK, cursorsBody{list(found)})
}

func (a *API) reload(w http.ResponseWriter, r *http.Request, q *query) error {
	dry := q.bool("dry_run")
	if err := q.err(); err != nil {
		return err
	}
	report, err := a.o.Configuration.Reload(r.Context(), dry)
	if err != nil {
		return err
	}
	report.Changes, report.Warnings = list(report.Changes), list(report.Warnings)
	return reply(w, http.StatusOK, report)
}

func (a *API) probe(w http.ResponseWriter, r *http.Request, q *query) error {
	nonce := q.id("nonce")
	if err := q.err(); err != nil {
		return err
	}
	answer, err := a.o.Configuration.Probe(r.Context(), nonce)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, probeBody{Answer: answer})
}

// Backup writes a backup of the daemon's state to w. It is whole only where the
// reader of it says so.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	res, err := c.open(ctx, http.MethodGet, "/v1/state/backup", nil, backupType)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	source := &failing{r: res.Body}
	_, err = io.Copy(w, source)
	if source.err != nil {
		return c.unreachable(ctx, source.err)
	}
	if err != nil {
		return fmt.Errorf("keep the backup: %w", err)
	}
	return nil
}

// failing remembers that reading failed, to tell that from a fault of writing.
type failing struct {
	r   io.Reader
	err error
}

// Read reads.
func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// StateStats says what the state holds.
func (c *Client) StateStats(ctx context.Context) (StateStats, error) {
	var s StateStats
	err := c.call(ctx, http.MethodGet, "/v1/state", nil, &s)
	return s, err
}

// AcceptJob lets account/job create without searching first.
func (c *Client) AcceptJob(ctx context.Context, job string) (JobStatus, error) {
	return c.changeJob(ctx, job, "accept", nil)
}

// Cursors tells how far account/job has read.
func (c *Client) Cursors(ctx context.Context, job string) ([]CursorInfo, error) {
	return c.cursorCall(ctx, http.MethodGet, job, "cursors", nil)
}

// Rewind sets how far account/job has read. By is not sent: the daemon knows.
func (c *Client) Rewind(ctx context.Context, job string, to Rewind) ([]CursorInfo, error) {
	q := url.Values{"to": {to.Run}}
	if to.Run == "" {
		q.Set("to", "beginning")
	}
	set(q, "kind", string(to.Kind))
	return c.cursorCall(ctx, http.MethodPost, job, "rewind", q)
}

func (c *Client) cursorCall(ctx context.Context, method, job, what string, q url.Values) ([]CursorInfo, error) {
	account, key, _ := strings.Cut(job, "/")
	var body cursorsBody
	err := c.call(ctx, method, "/v1/jobs/"+segment(account)+"/"+segment(key)+"/"+what, q, &body)
	return body.Cursors, err
}

// Reload has the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context, dry bool) (ReloadReport, error) {
	q := url.Values{}
	if dry {
		q.Set("dry_run", "true")
	}
	var report ReloadReport
	err := c.call(ctx, http.MethodPost, "/v1/reload", q, &report)
	return report, err
}

// Probe asks what the daemon's public listener answers to a nonce.
func (c *Client) Probe(ctx context.Context, nonce string) (string, error) {
	var body probeBody
	err := c.call(ctx, http.MethodGet, "/v1/probe", url.Values{"nonce": {nonce}}, &body)
	return body.Answer, err
}
