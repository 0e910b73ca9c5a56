package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

// serve answers on a Unix socket and returns a client for it.
func serve(t *testing.T, a *admin.API) *admin.Client {
	t.Helper()
	return serveWith(t, a.Server())
}

func serveWith(t *testing.T, server *http.Server) *admin.Client {
	t.Helper()
	// A socket's path may have some hundred bytes; that of t.TempDir can be longer.
	dir, err := os.MkdirTemp("", "admin") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	client := dial(t, "unix:"+path, "")
	t.Cleanup(func() {
		client.Close()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return client
}

func dial(t *testing.T, addr, token string) *admin.Client {
	t.Helper()
	client, err := admin.Dial(addr, roster.NewSecret(token))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// same fails unless the client got what the daemon's part says.
func same[T any](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	equal := cmp.Comparer(func(a, b roster.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTheClientGetsWhatTheDaemonSays(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	ctx := t.Context()
	if err := c.Live(ctx); err != nil {
		t.Errorf("live: %v", err)
	}
	version, err := c.Version(ctx)
	same(t, "version", version, err, admin.Version{Version: "1.2.3", Commit: "abc", Go: "go1.26", API: "v1"})
	status, err := c.Status(ctx)
	wantStatus, _ := f.Status(ctx)
	same(t, "status", status, err, wantStatus)
	runs, err := c.Runs(ctx, roster.RunFilter{})
	wantRuns, _ := f.Runs(ctx, roster.RunFilter{})
	same(t, "runs", runs, err, wantRuns)
	run, err := c.Run(ctx, "r-ended")
	same(t, "run", run, err, f.runs["r-ended"])
	sessions, err := c.Sessions(ctx, roster.SessionFilter{})
	wantSessions, _ := f.Sessions(ctx, roster.SessionFilter{})
	same(t, "sessions", sessions, err, wantSessions)
	session, err := c.Session(ctx, "s-open")
	wantSession, _ := f.Session(ctx, "s-open")
	same(t, "session", session, err, wantSession)
	groups, err := c.QuarantineGroups(ctx, roster.QuarantineFilter{})
	wantGroups, _ := f.QuarantineGroups(ctx, roster.QuarantineFilter{})
	same(t, "groups", groups, err, wantGroups)
	record, err := c.Quarantined(ctx, "q-1")
	same(t, "quarantined", record, err, f.records[1])
}

func TestTheClientShowsTheSystems(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	connections, err := c.Connections(t.Context())
	want, _ := f.Connections(t.Context())
	want[1].Abilities, want[1].Clubs, want[1].Jobs = connections[1].Abilities, map[string]string{}, []string{}
	same(t, "connections", connections, err, want)
	adapters, err := c.Adapters(t.Context())
	if err != nil || len(adapters) != 2 || adapters[0].Kinds[0].Kind != "member" || adapters[1].Error.Code != "adapter.protocol" {
		t.Errorf("adapters: %+v, %v", adapters, err)
	}
}

func TestTheClientChangesThings(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	ctx := t.Context()
	run, err := c.StartRun(ctx, "acme/launch")
	same(t, "start", run, err, f.runs["r-1"])
	if diff := cmp.Diff([]string{"manual"}, f.triggers); diff != "" {
		t.Errorf("trigger:\n%s", diff)
	}
	run, err = c.CancelRun(ctx, "r-live")
	same(t, "cancel", run.State, err, roster.RunCancelled)
	session, err := c.RetrySession(ctx, "s-parked")
	same(t, "retry", session.State, err, roster.SessionAnnouncing)
	session, err = c.CloseSession(ctx, "s-open")
	same(t, "close", session.State, err, roster.SessionPartial)
}

func TestFiltersReachTheDaemonsParts(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	ctx := t.Context()
	runFilter := roster.RunFilter{Job: "acme/launch", State: []roster.RunState{roster.RunOK, roster.RunPartial}, Limit: 7}
	_, err := c.Runs(ctx, runFilter)
	same[any](t, "runs", f.asked, err, runFilter)
	sessionFilter := roster.SessionFilter{Run: "r-ended", Business: "b1", Open: true, Limit: 7}
	_, err = c.Sessions(ctx, sessionFilter)
	same[any](t, "sessions", f.asked, err, sessionFilter)
	recordFilter := roster.QuarantineFilter{Job: "acme/launch", Run: "r-ended", Code: "map.rejected", Limit: 7, After: "q-1"}
	_, err = c.Quarantine(ctx, recordFilter)
	same[any](t, "quarantine", f.asked, err, recordFilter)
	_, err = c.QuarantineGroups(ctx, recordFilter)
	same[any](t, "groups", f.asked, err, roster.QuarantineFilter{Job: "acme/launch", Run: "r-ended"})
	_, err = c.Runs(ctx, roster.RunFilter{})
	same[any](t, "runs without a limit", f.asked, err, roster.RunFilter{Limit: 100})
}

func TestTheQuarantineIsReadPageByPageWithoutPayload(t *testing.T) {
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	var ids []string
	filter := roster.QuarantineFilter{Limit: 2}
	for {
		page, err := c.Quarantine(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Payload != nil {
				t.Errorf("%s has its payload in a list", r.ID)
			}
			ids = append(ids, r.ID)
		}
		if filter.After = page.Next; page.Next == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"q-0", "q-1", "q-2", "q-3", "q-4"}, ids); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsAreErrorsOfTheDomain(t *testing.T) {
	c := serve(t, newAPI(t, newFake(), ""))
	_, err := c.StartRun(t.Context(), "acme/live")
	problem, ok := errors.AsType[*admin.Problem](err)
	if !ok || problem.Run != "r-live" || problem.Code != "job.running" || problem.Status != http.StatusConflict || !errors.Is(err, roster.ErrRunning) {
		t.Errorf("running job: %#v", err)
	}
	_, err = c.StartRun(t.Context(), "acme/lunch")
	problem, ok = errors.AsType[*admin.Problem](err)
	if !ok || len(problem.Suggestions) == 0 || problem.Suggestions[0] != "acme/launch" || !strings.Contains(err.Error(), "did you mean acme/launch") || !errors.Is(err, roster.ErrNotFound) {
		t.Errorf("unknown job: %v", err)
	}
	if _, err = c.Run(t.Context(), "none"); !errors.Is(err, roster.ErrNotFound) || errors.Is(err, roster.ErrConflict) {
		t.Errorf("unknown run: %v", err)
	}
	if _, err = c.CancelRun(t.Context(), "r-ended"); !errors.Is(err, roster.ErrConflict) {
		t.Errorf("cancel of a run that is over: %v", err)
	}
	for _, job := range []string{"", "acme", "../..", "a/b/c", "acme/.."} {
		if _, err = c.StartRun(t.Context(), job); !errors.As(err, &problem) {
			t.Errorf("job %q: %v", job, err)
		}
	}
}

func TestNobodyAnsweringIsUnreachable(t *testing.T) {
	missing := dial(t, "unix:"+filepath.Join(t.TempDir(), "none.sock"), "")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := dial(t, listener.Addr().String(), "")
	_ = listener.Close()
	for _, c := range []*admin.Client{missing, refused} {
		if err := c.Live(t.Context()); !errors.Is(err, admin.ErrUnreachable) {
			t.Errorf("live: %v", err)
		}
		if err := c.Watch(t.Context(), "r-live", nil); !errors.Is(err, admin.ErrUnreachable) {
			t.Errorf("watch: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := missing.Live(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, admin.ErrUnreachable) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAnotherProgramAtTheAddressIsNamed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<h1>It works</h1>")
	}))
	defer other.Close()
	err := dial(t, strings.TrimPrefix(other.URL, "http://"), "").Live(t.Context())
	problem, ok := errors.AsType[*admin.Problem](err)
	if !ok || problem.Code != "answer.unexpected" || problem.Hint == "" {
		t.Errorf("got %v", err)
	}
}

func TestAnAddressThatCannotBeIsRefused(t *testing.T) {
	for _, addr := range []string{"", "unix:", "localhost", ":8081", "http://localhost:8081"} {
		if _, err := admin.Dial(addr, roster.Secret{}); !errors.Is(err, admin.ErrAddress) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestAConnectionShowsItsSecretOnlyAsJSON(t *testing.T) {
	c := admin.ConnectionInfo{Ref: "acme/intandem", APIURI: roster.NewSecret(exportSecret)}
	encoded, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(encoded), exportSecret) {
		t.Errorf("JSON: %s, %v", encoded, err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("connected", "connection", c)
	if shown := log.String() + fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(shown, exportSecret) {
		t.Errorf("shown: %s", shown)
	}
}
