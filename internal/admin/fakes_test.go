package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// What no answer but that for one quarantined record may show.
const (
	personalName   = "Ann Lee"
	exportSecret   = "s3cr3tpath"
	internalDetail = "bolt page 17 is torn"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// fake is a small installation in memory. Its errors are what real parts
// return: wrapped sentinels.
type fake struct {
	mu       sync.Mutex
	runs     map[string]roster.Run
	sessions map[string]roster.Session
	records  []roster.Quarantined
	fault    error
	// asked gets the filters of the latest calls.
	asked    any
	polled   int
	onPoll   func(n int, run *roster.Run)
	started  int
	triggers []string
	paused   map[string]*roster.Pause
	linkedBy string
	// account is what is written down of changes; unwritable fails that.
	account    []string
	unwritable bool
	onPause    func()
}

func newFake() *fake {
	told := 3
	began, over := start.Add(time.Second), start.Add(time.Minute)
	f := &fake{
		paused: map[string]*roster.Pause{"acme/live": {Since: start, By: "ann", Reason: "the gym moves"}},
		runs: map[string]roster.Run{
			"r-ended": {
				ID: "r-ended", Job: "acme/launch", Type: roster.JobImport, Trigger: "schedule", State: roster.RunPartial,
				Asked: start, Started: &began, Ended: &over,
				Counts: roster.Counts{Read: 5, Quarantined: 1, Skipped: 1, Frozen: 3, Served: 3, Created: &told},
				Fields: []string{"first_name"}, Warnings: []string{"the business has no field title"},
				Fault: &roster.Fault{Code: "export.unserved", Message: "some clients were not pulled", Hint: "run it again"}, Script: "ab12",
			},
			"r-planned": {
				ID: "r-planned", Job: "acme/sync", Type: roster.JobSync, Trigger: "manual", State: roster.RunPlanned, Asked: start, Started: &began, Ended: &over,
				Plan: true, Scope: roster.Scope{Sweep: true}, Basis: map[string]string{"script": "ab"}, Behind: map[sdk.Kind]sdk.Cursor{sdk.KindMember: nil},
				Cursors: map[sdk.Kind]sdk.Cursor{sdk.KindMember: sdk.Cursor("9")}, Delivered: 1, Again: &over, Whole: true, Retried: []string{"q-1"}, Approved: true,
				Counts: roster.Counts{Read: 7, Unchanged: 1, Waiting: 1, Deactivated: 1, ToCreate: 2, ToUpdate: 2, ToDeactivate: 1},
			},
			"r-live": {ID: "r-live", Job: "acme/live", Type: roster.JobImport, Trigger: "manual", State: roster.RunPreparing, Asked: start, Started: &began, Waits: "waits for acme/crm"},
		},
		sessions: map[string]roster.Session{
			"s-parked": {ID: "s-parked", Run: "r-ended", Job: "acme/launch", Part: 1, State: roster.SessionParked, Business: "b1", To: 3, Reason: "no page was asked for", Created: start, Touched: start},
			"s-open": {
				ID: "s-open", Run: "r-live", Job: "acme/live", Part: 1, State: roster.SessionOpen, Business: "b2", Staff: "st1", To: 30, Remote: "x9",
				Served: []roster.Range{{From: 0, To: 10}}, PerPage: 20, Outcome: &roster.OutcomeCounts{Created: 1, Failed: 1}, Created: start, Touched: start,
			},
			"s-closed": {ID: "s-closed", Run: "r-ended", Job: "acme/launch", Part: 2, PerPage: 1, Kind: "member", State: roster.SessionClosed, Business: "b1", From: 3, To: 5, LastServed: true, Created: start, Touched: start, EndedAt: &over},
		},
	}
	for i := range 5 {
		f.records = append(f.records, roster.Quarantined{
			ID: fmt.Sprintf("q-%d", i), Job: "acme/launch", Run: "r-ended", Kind: sdk.KindMember, Record: fmt.Sprint(i), Position: "line 4", Stage: roster.StageMap,
			Code: roster.CodeMapRejected, Reason: "the script rejected it", At: start, Payload: []byte(`{"name":"` + personalName + `"}`),
		})
	}
	return f
}

func (f *fake) lock() func() {
	f.mu.Lock()
	return f.mu.Unlock
}

func (f *fake) StartRun(_ context.Context, order admin.RunOrder) (roster.Run, error) {
	defer f.lock()()
	f.triggers = append(f.triggers, order.Trigger)
	f.asked = order
	job, trigger := order.Job, order.Trigger
	switch {
	case f.fault != nil:
		return roster.Run{}, f.fault
	case job == "acme/live":
		return roster.Run{}, fmt.Errorf("start: %w", &roster.RunningError{Job: job, Run: "r-live"})
	case job != "acme/launch":
		return roster.Run{}, fmt.Errorf("start %s: %w", job, roster.ErrNotFound)
	}
	f.started++
	run := roster.Run{ID: fmt.Sprintf("r-%d", f.started), Job: job, Type: roster.JobImport, Trigger: trigger, State: roster.RunQueued, Asked: start, Plan: order.Plan, Scope: order.Scope}
	f.runs[run.ID] = run
	return run, nil
}

func (f *fake) PauseJob(_ context.Context, job string, pause roster.Pause) (admin.JobStatus, error) {
	if f.onPause != nil {
		f.onPause()
	}
	return f.turnJob(job, &pause)
}

func (f *fake) ResumeJob(_ context.Context, job string) (admin.JobStatus, error) {
	return f.turnJob(job, nil)
}

func (f *fake) turnJob(job string, pause *roster.Pause) (admin.JobStatus, error) {
	defer f.lock()()
	switch {
	case job != "acme/launch" && job != "acme/live":
		return admin.JobStatus{}, fmt.Errorf("job %s: %w", job, roster.ErrNotFound)
	case (f.paused[job] == nil) == (pause == nil):
		return admin.JobStatus{}, fmt.Errorf("job %s: %w", job, roster.ErrConflict)
	}
	f.paused[job] = pause
	return admin.JobStatus{Ref: job, Type: roster.JobImport, Schedule: "every 1h", Paused: pause}, nil
}

func (f *fake) Run(_ context.Context, id string) (roster.Run, error) {
	defer f.lock()()
	run, ok := f.runs[id]
	if !ok {
		return roster.Run{}, fmt.Errorf("run %s: %w", id, roster.ErrNotFound)
	}
	if f.onPoll != nil {
		f.polled++
		f.onPoll(f.polled, &run)
		f.runs[id] = run
	}
	return run, f.fault
}

func (f *fake) Runs(_ context.Context, filter roster.RunFilter) ([]roster.Run, error) {
	defer f.lock()()
	f.asked = filter
	var out []roster.Run
	for _, id := range []string{"r-ended", "r-live"} {
		run := f.runs[id]
		if (filter.Job == "" || filter.Job == run.Job) && (len(filter.State) == 0 || slices.Contains(filter.State, run.State)) {
			out = append(out, run)
		}
	}
	return out, f.fault
}

func (f *fake) CancelRun(_ context.Context, id string) error {
	defer f.lock()()
	run, ok := f.runs[id]
	switch {
	case !ok:
		return fmt.Errorf("cancel run %s: %w", id, roster.ErrNotFound)
	case run.State.Ended():
		return fmt.Errorf("run %s is over (%s): %w", id, run.State, roster.ErrConflict)
	}
	run.State = roster.RunCancelled
	f.runs[id] = run
	return nil
}

func (f *fake) Sessions(_ context.Context, filter roster.SessionFilter) ([]roster.Session, error) {
	defer f.lock()()
	f.asked = filter
	var out []roster.Session
	for _, id := range []string{"s-closed", "s-open", "s-parked"} {
		s := f.sessions[id]
		if (filter.Run == "" || filter.Run == s.Run) && (!filter.Open || !s.State.Ended()) {
			out = append(out, s)
		}
	}
	return out, f.fault
}

func (f *fake) Session(_ context.Context, id string) (roster.SessionReport, error) {
	defer f.lock()()
	s, ok := f.sessions[id]
	if !ok {
		return roster.SessionReport{}, fmt.Errorf("session %s: %w", id, roster.ErrNotFound)
	}
	return s.Report([]roster.Outcome{roster.OutcomeCreated, roster.OutcomeFailed}), nil
}

func (f *fake) RetrySession(_ context.Context, id string) error {
	return f.turn(id, roster.SessionAnnouncing, func(s roster.Session) bool { return s.State == roster.SessionParked })
}

func (f *fake) CloseSession(_ context.Context, id string) error {
	return f.turn(id, roster.SessionPartial, func(s roster.Session) bool { return !s.State.Ended() })
}

func (f *fake) turn(id string, to roster.SessionState, may func(roster.Session) bool) error {
	defer f.lock()()
	s, ok := f.sessions[id]
	if !ok {
		return fmt.Errorf("session %s: %w", id, roster.ErrNotFound)
	}
	if !may(s) {
		return fmt.Errorf("session %s is %s: %w", id, s.State, roster.ErrConflict)
	}
	s.State = to
	f.sessions[id] = s
	return nil
}

func (f *fake) Quarantined(_ context.Context, filter roster.QuarantineFilter) ([]roster.Quarantined, error) {
	defer f.lock()()
	f.asked = filter
	var out []roster.Quarantined
	for _, r := range f.records {
		if r.ID > filter.After && len(out) < filter.Limit {
			out = append(out, r)
		}
	}
	return out, f.fault
}

func (f *fake) QuarantineGroups(_ context.Context, filter roster.QuarantineFilter) ([]roster.QuarantineGroup, error) {
	defer f.lock()()
	f.asked = filter
	return []roster.QuarantineGroup{{Stage: roster.StageMap, Code: roster.CodeMapRejected, Reason: "the script rejected it", Count: 5, Example: "q-0"}}, f.fault
}

func (f *fake) QuarantinedRecord(_ context.Context, id string) (roster.Quarantined, error) {
	defer f.lock()()
	for _, r := range f.records {
		if r.ID == id {
			return r, nil
		}
	}
	return roster.Quarantined{}, fmt.Errorf("quarantined record %s: %w", id, roster.ErrNotFound)
}

func (f *fake) Status(context.Context) (admin.Status, error) {
	defer f.lock()()
	next, last, live := start.Add(time.Hour), f.runs["r-ended"], f.runs["r-live"]
	done, all := start.Add(-time.Hour), 10
	return admin.Status{
		Version: "1.2.3", PID: 4711, Started: start, PublicURL: "https://sync.example.com",
		Jobs: []admin.JobStatus{
			{
				Ref: "acme/launch", Type: roster.JobImport, Schedule: "every 1h", Next: &next, Last: &last, Paused: f.paused["acme/launch"],
				Freshness: admin.Late, LastSuccess: &done, LastDelivered: &done, QuotaAgain: &next,
			},
			{
				Ref: "acme/live", Type: roster.JobSync, Schedule: "manual", Sweep: "0 3 * * 0", Running: &live, Paused: f.paused["acme/live"],
				Progress: &admin.Progress{Done: 3, Of: &all},
			},
		},
		Problems: []admin.Finding{{Code: "session.parked", Message: "session s-parked waits for a person", Hint: "see whether inTandem has the import", Command: "rosterd session retry s-parked"}},
	}, f.fault
}

func (f *fake) Version(context.Context) (admin.Version, error) {
	defer f.lock()()
	return admin.Version{Version: "1.2.3", Commit: "abc", Go: "go1.26"}, f.fault
}

func (f *fake) Connections(context.Context) ([]admin.ConnectionInfo, error) {
	defer f.lock()()
	return []admin.ConnectionInfo{
		{
			Ref: "acme/intandem", Adapter: "intandem", AdapterVersion: "0.1.0", Abilities: []sdk.Ability{sdk.AbilityImportStarter},
			Clubs: map[string]string{"downtown": "1"}, Jobs: []string{"acme/launch"},
			Guarantees: []admin.Guarantee{{Kind: sdk.KindMember, Class: sdk.ClassC, ExecLag: 30_000, IndexLag: 10_000, Text: "none twice"}}, Unknown: "none",
			APIURI: roster.NewSecret("https://sync.example.com/c/" + exportSecret), Check: &admin.CheckResult{OK: true, At: start},
		},
		{Ref: "acme/gym", Adapter: "csv", Check: &admin.CheckResult{At: start, Fault: &roster.Fault{Code: "adapter.config", Message: "no such file"}}},
	}, f.fault
}

func (f *fake) Adapters(context.Context) ([]admin.AdapterInfo, error) {
	defer f.lock()()
	return []admin.AdapterInfo{
		{
			Name: "csv", Version: "0.1.0", Path: "/usr/lib/rosterd/plugins/csv", Description: "Reads files.", Abilities: []sdk.Ability{sdk.AbilitySource},
			Kinds: []sdk.KindInfo{{Kind: sdk.KindMember, Cursor: sdk.CursorWalk}},
		},
		{Name: "old", Path: "/usr/lib/rosterd/plugins/old", Error: &roster.Fault{Code: "adapter.protocol", Message: "speaks protocol 0", Hint: "update it"}},
	}, f.fault
}

func (f *fake) Ready(context.Context) []admin.PartCheck {
	defer f.lock()()
	return []admin.PartCheck{{Name: "store", OK: f.fault == nil, Detail: "it does not answer"}, {Name: "adapters", Optional: true, Detail: "csv is parked"}}
}

func (f *fake) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
		_, _ = w.Write([]byte("rosterd_sessions 1\n"))
	})
}

func (f *fake) TestAlerts(_ context.Context, receiver string) ([]admin.AlertTest, error) {
	if receiver != "" && receiver != "ops" {
		return nil, fmt.Errorf("receiver %s: %w", receiver, roster.ErrNotFound)
	}
	return []admin.AlertTest{{Receiver: "ops", Type: "email", Fault: &roster.Fault{Code: "alert.smtp", Message: "refused", Hint: "look"}}}, nil
}

// newAPI serves the fake and ends its streams when the test is over.
func newAPI(t *testing.T, f *fake, token string) *admin.API {
	t.Helper()
	a := admin.New(admin.Options{
		Runs: f, Jobs: f, Sessions: f, Quarantine: f, Syncs: f, RecordLog: f, Installation: f, State: f, Privacy: f, Configuration: f, Health: f, Audit: f, Token: roster.NewSecret(token),
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	t.Cleanup(a.Stop)
	return a
}
