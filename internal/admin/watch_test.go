package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// advance makes the fake's run go from preparing over delivering to its end.
func advance(n int, run *roster.Run) {
	switch {
	case n < 3:
		run.Counts.Read = 100 * n
	case n < 5:
		run.State = roster.RunDelivering
	default:
		run.State = roster.RunOK
	}
}

func TestAWatchTellsEachChangeAndEndsWithTheSummary(t *testing.T) {
	f := newFake()
	f.onPoll = advance
	var got []string
	err := serve(t, newAPI(t, f, "")).Watch(t.Context(), "r-live", func(e admin.Event) error {
		got = append(got, string(e.Type)+" "+string(e.State)+" "+string(e.Phase))
		if e.Run != "r-live" || e.Job != "acme/live" || e.Counts == nil {
			t.Errorf("event is not whole: %+v", e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"status preparing prepare", "status preparing prepare", "status delivering deliver", "summary ok over"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestASummaryLineHasRunStateAndCounts(t *testing.T) {
	w := ask(t, newAPI(t, newFake(), ""), http.MethodGet, "/v1/runs/r-ended/events")
	var line map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["type"] != "summary" || line["run"] != "r-ended" || line["state"] != "partial" || line["counts"].(map[string]any)["read"] != 5.0 {
		t.Errorf("got %s", w.Body)
	}
}

func TestAWatchOutlivesTheTimeoutsOfARequest(t *testing.T) {
	f := newFake()
	f.onPoll = advance
	server := newAPI(t, f, "").Server()
	server.ReadTimeout, server.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	last := admin.EventStatus
	err := serveWith(t, server).Watch(t.Context(), "r-live", func(e admin.Event) error { last = e.Type; return nil })
	if err != nil || last != admin.EventSummary {
		t.Errorf("ended with %s, %v", last, err)
	}
}

func TestASilentRunIsHeardOfAndAStoppingDaemonSaysSo(t *testing.T) {
	d := readSpec(t)
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, newFake(), "")
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/runs/r-live/events", http.NoBody))
		}()
		time.Sleep(2*admin.HeartbeatInterval + time.Second) // virtual time
		a.Stop()
		<-done
		var got []string
		for line := range bytes.Lines(w.Body.Bytes()) {
			var e admin.Event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, string(e.Type))
			if e.Problem != nil && (e.Problem.Code != "run.stopping" || e.Problem.Hint == "") {
				t.Errorf("problem: %+v", e.Problem)
			}
		}
		if diff := cmp.Diff([]string{"status", "heartbeat", "heartbeat", "error"}, got); diff != "" {
			t.Error(diff)
		}
		d.validate(t, "GET /v1/runs/{id}/events", w.Result(), w.Body.Bytes())
	})
}

func TestAShutdownEndsTheWatches(t *testing.T) {
	server := newAPI(t, newFake(), "").Server()
	c := serveWith(t, server)
	err := c.Watch(t.Context(), "r-live", func(admin.Event) error {
		go func() { _ = server.Shutdown(context.WithoutCancel(t.Context())) }()
		return nil
	})
	if !errors.Is(err, roster.ErrStopping) {
		t.Errorf("got %v", err)
	}
}

func TestAFaultWhileWatchingEndsTheStreamWithAProblem(t *testing.T) {
	f := newFake()
	f.onPoll = func(n int, _ *roster.Run) {
		if n > 1 {
			f.fault = errors.New(internalDetail)
		}
	}
	err := serve(t, newAPI(t, f, "")).Watch(t.Context(), "r-live", func(admin.Event) error { return nil })
	problem, ok := errors.AsType[*admin.Problem](err)
	if !ok || problem.Code != "internal" || problem.Hint == "" || problem.Request == "" {
		t.Errorf("got %v", err)
	}
}

func TestWatchersThatGoAwayLeaveNothingBehind(t *testing.T) {
	api := newAPI(t, newFake(), "")
	c := serve(t, api)
	gone := errors.New("enough")
	// More than may watch at one time: each must have given its place back.
	for range admin.MaxWatchers + 10 {
		watch := func() error { return c.Watch(t.Context(), "r-live", func(admin.Event) error { return gone }) }
		err := watch()
		for deadline := time.Now().Add(5 * time.Second); !errors.Is(err, gone) && time.Now().Before(deadline); {
			err = watch()
		}
		if !errors.Is(err, gone) {
			t.Fatal(err)
		}
	}
}

func TestWatchersAreBounded(t *testing.T) {
	api := newAPI(t, newFake(), "")
	server := httptest.NewServer(api)
	defer server.Close()
	defer api.Stop()
	client := server.Client()
	open := func() (status int, retry string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/runs/r-live/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	for range admin.MaxWatchers {
		if status, _ := open(); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	if status, retry := open(); status != http.StatusServiceUnavailable || retry == "" {
		t.Errorf("one too many: status %d, Retry-After %q", status, retry)
	}
}

// stuckWriter is a connection whose other end reads nothing: a write lasts
// until its deadline.
type stuckWriter struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (w *stuckWriter) SetWriteDeadline(t time.Time) error { w.deadline = t; return nil }

func (w *stuckWriter) Write([]byte) (int, error) {
	time.Sleep(time.Until(w.deadline)) // virtual time
	return 0, context.DeadlineExceeded
}

func TestAWatcherThatDoesNotReadIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, newFake(), "")
		begun := time.Now()
		a.ServeHTTP(&stuckWriter{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/runs/r-live/events", http.NoBody))
		if lasted := time.Since(begun); lasted > 15*time.Second {
			t.Errorf("it was waited for %s", lasted)
		}
	})
}

// answering is a daemon that answers a watch with these lines and closes.
func answering(t *testing.T, lines string) *admin.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		buffered := bufio.NewWriter(w)
		_, _ = buffered.WriteString(lines)
		_ = buffered.Flush()
	}))
	t.Cleanup(server.Close)
	return dial(t, server.Listener.Addr().String(), "")
}

func TestAStreamThatBreaksOffIsNotTakenForTheEnd(t *testing.T) {
	status := `{"type":"status","run":"r1","state":"preparing","counts":{}}` + "\n"
	for name, c := range map[string]struct {
		lines string
		want  error
	}{
		"no line":             {"", admin.ErrUnreachable},
		"no summary":          {status, admin.ErrUnreachable},
		"a type not known":    {status + `{"type":"later","run":"r1"}` + "\n", admin.ErrUnreachable},
		"a line without end":  {string(bytes.Repeat([]byte(" "), admin.MaxLineBytes+1)), admin.ErrUnreachable},
		"an error of no kind": {status + `{"type":"error","run":"r1"}` + "\n", nil},
		"half a line":         {status + `{"type":"summ`, nil},
	} {
		err := answering(t, c.lines).Watch(t.Context(), "r1", func(admin.Event) error { return nil })
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
