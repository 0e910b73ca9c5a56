package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// EventType says what an [Event] tells.
type EventType string

// The types of event.
const (
	// EventStatus: the run is not over and stands so.
	EventStatus EventType = "status"
	// EventHeartbeat: nothing changed; somebody is still there.
	EventHeartbeat EventType = "heartbeat"
	// EventSummary: the run is over. It is the last event.
	EventSummary EventType = "summary"
	// EventError: the stream ends before the run does.
	EventError EventType = "error"
)

// Phase is the part of a run that is under way.
type Phase string

// The phases.
const (
	PhasePrepare Phase = "prepare"
	PhaseDeliver Phase = "deliver"
	PhaseOver    Phase = "over"
)

// Event is one line of the stream that follows a run.
type Event struct {
	Type EventType `json:"type"`
	Run  string    `json:"run"`
	// Job, State, Phase and Counts come with a status and a summary.
	Job    string          `json:"job,omitempty"`
	State  roster.RunState `json:"state,omitempty"`
	Phase  Phase           `json:"phase,omitempty"`
	Counts *roster.Counts  `json:"counts,omitempty"`
	// Waits says what a run waits for.
	Waits string `json:"waits,omitempty"`
	// Again is when the job goes on by itself.
	Again *time.Time `json:"again,omitempty"`

	Started  *time.Time    `json:"started,omitempty"`
	Ended    *time.Time    `json:"ended,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	Fault    *roster.Fault `json:"fault,omitempty"`
	// Problem comes with an error.
	Problem *Problem `json:"problem,omitempty"`
}

// eventOf tells how a run stands.
func eventOf(run roster.Run) Event {
	e := Event{
		Type: EventStatus, Run: run.ID, Job: run.Job, State: run.State, Phase: PhasePrepare, Counts: &run.Counts, Waits: run.Waits,
		Started: run.Started, Ended: run.Ended, Warnings: run.Warnings, Fault: run.Fault, Again: run.Again,
	}
	switch {
	case run.State.Ended():
		e.Type, e.Phase = EventSummary, PhaseOver
	case run.State == roster.RunDelivering:
		e.Phase = PhaseDeliver
	}
	return e
}

const (
	// pollInterval is how often a run is looked at for each watcher: often
	// enough for a smooth progress bar.
	pollInterval = 200 * time.Millisecond
	// heartbeatInterval bounds the silence of a stream, so that a watcher that
	// is gone without a word is noticed by a failing write.
	heartbeatInterval = 10 * time.Second
	// lineTimeout is how long a watcher may take to read one line.
	lineTimeout = 10 * time.Second
)

// watch follows a run until it is over, the watcher is gone or the daemon
// stops. It polls in the goroutine of its request, so that a slow watcher costs
// only itself.
func (a *API) watch(w http.ResponseWriter, r *http.Request, _ *query) error {
	select {
	case a.watchers <- struct{}{}:
		defer func() { <-a.watchers }()
	default:
		return &Problem{Code: codeWatchers, Detail: fmt.Sprintf("%d runs are being watched, more are not possible", maxWatchers)}
	}
	run, err := a.o.Runs.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s := &stream{w: w, rc: http.NewResponseController(w), now: a.o.Now}
	// The server's deadline for reading a request would end the stream: net/http
	// goes on reading to notice a closed connection.
	_ = s.rc.SetReadDeadline(time.Time{}) // a writer without deadlines needs none
	if err := a.follow(r, s, run); err != nil {
		a.o.Logger.DebugContext(r.Context(), "watcher went away", "request", requestID(r.Context()), "run", run.ID, "err", err)
	}
	return nil
}

// follow sends events until the stream is over. Its error is the watcher's.
func (a *API) follow(r *http.Request, s *stream, run roster.Run) error {
	ctx := r.Context()
	ticks := time.NewTicker(pollInterval)
	defer ticks.Stop()
	for {
		e := eventOf(run)
		if err := s.send(e); err != nil || e.Type == EventSummary {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.stopping:
			return s.end(r, run.ID, roster.ErrStopping)
		case <-ticks.C:
		}
		var err error
		if run, err = a.poll(ctx, run.ID); err != nil {
			return s.end(r, r.PathValue("id"), err)
		}
	}
}

// poll looks at a run for no longer than any other answer may take.
func (a *API) poll(ctx context.Context, id string) (roster.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return a.o.Runs.Run(ctx, id)
}

// stream writes one JSON object a line.
type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	now  func() time.Time
	last []byte
	// silent counts the looks at the run since the last line.
	silent int
}

// send writes e if it tells anything else than the last line, and a heartbeat
// after a long silence.
func (s *stream) send(e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	if !bytes.Equal(line, s.last) {
		s.last = line
		return s.write(line)
	}
	if s.silent++; time.Duration(s.silent)*pollInterval < heartbeatInterval {
		return nil
	}
	beat, err := json.Marshal(Event{Type: EventHeartbeat, Run: e.Run})
	if err != nil {
		return fmt.Errorf("encode a heartbeat: %w", err)
	}
	return s.write(beat)
}

// end says why the stream is over before the run is.
func (s *stream) end(r *http.Request, run string, cause error) error {
	if r.Context().Err() != nil {
		return r.Context().Err()
	}
	p := located(r, problem(nounRun, cause))
	if errors.Is(cause, roster.ErrStopping) {
		p.Detail = "the daemon is stopping; the run goes on when it has started again"
	}
	return s.send(Event{Type: EventError, Run: run, Problem: p})
}

func (s *stream) write(line []byte) error {
	s.silent = 0
	_ = s.rc.SetWriteDeadline(s.now().Add(lineTimeout)) // a writer without deadlines needs none
	if _, err := s.w.Write(append(line, '\n')); err != nil {
		return err
	}
	return s.rc.Flush()
}
