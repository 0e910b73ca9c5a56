package export_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// poster announces to a simulated inTandem.
type poster struct{ url string }

func (p poster) StartImport(ctx context.Context, _ sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	const body = `{"fields_mapping":{"first_name":"First name"},"import_params":{"should_override":false,"upload_type":"single"}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/business/clients/v1/apps/acme/import", strings.NewReader(body))
	if err != nil {
		return sdk.StartImportResponse{}, err
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return sdk.StartImportResponse{}, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Detail: response.Status}, response.Body.Close()
	}
	return sdk.StartImportResponse{Outcome: sdk.OutcomeOK, SessionID: "r1"}, response.Body.Close()
}

// startSandbox starts a simulated inTandem that asks twice, drops connections
// and asks for the first page before it answers the announcement.
func startSandbox(t *testing.T, apiURI string) (target *sandbox.InTandem, url string) {
	t.Helper()
	target = sandbox.NewInTandem(sandbox.Options{
		BusinessUID: "b1", StaffUID: "s1", APIURI: apiURI,
		Pull: sandbox.PullOptions{First: true, RepeatEvery: 5, BreakEvery: 7},
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target.Start(listener)
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	return target, "http://" + listener.Addr().String()
}

// freeze makes the change set of run-1 in a state directory.
func freeze(t *testing.T, dir string, keys *store.Keyring, all people) *store.ChangeSet {
	t.Helper()
	sets, err := store.NewChangeSets(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := sets.Create("run-1")
	if err != nil {
		t.Fatal(err)
	}
	for i, client := range all {
		if err := writer.Append(fmt.Sprint(i), []byte(client)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := writer.Finish(); err != nil {
		t.Fatal(err)
	}
	clients, err := sets.Open("run-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clients.Close() })
	return clients
}

// TestARealTargetGetsEveryClientOnceInOrder puts the real parts together: the
// database, a sealed change set, HTTP, a target that is as unkind as the
// protocol allows, and a restart in the middle.
func TestARealTargetGetsEveryClientOnceInOrder(t *testing.T) {
	dir, all := t.TempDir(), newPeople(2500)
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(t.Context(), dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })

	w := newWorld(t)
	w.options.Store = db
	var present atomic.Pointer[export.Sessions]
	server := httptest.NewUnstartedServer(nil)
	server.Config = export.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		present.Load().Handler().ServeHTTP(rw, r)
	}), slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	w.options.PublicURL = server.URL
	w.start()
	present.Store(w.sessions)

	target, url := startSandbox(t, w.sessions.APIURI().Reveal())
	imp := w.imp("run-1", freeze(t, dir, keys, all))
	imp.Starter = poster{url: url}
	half := make(chan struct{})
	imp.Progress = func(served int) {
		if served >= 1000 && half != nil {
			close(half)
			half = nil
		}
	}
	reached := half
	first := w.deliver(imp)
	<-reached
	first.stop()
	w.start()
	imp.Progress = nil
	second := w.deliver(imp)
	present.Store(w.sessions)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	imports, err := target.Wait(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	<-second.done
	if second.err != nil || second.result.State != roster.SessionClosed || second.result.Served != len(all) {
		t.Errorf("result %+v, %v", second.result, second.err)
	}
	got := imports[0]
	if !got.Completed || got.Received != len(all) {
		t.Fatalf("the target received %d of %d, completed %t: %s", got.Received, len(all), got.Completed, got.Error)
	}
	for i, client := range got.Clients {
		if string(client) != all[i] {
			t.Fatalf("client %d is %s, want %s", i, client, all[i])
		}
	}
	for _, page := range got.Pages {
		if page.Differs {
			t.Errorf("page %d was not the same bytes twice", page.Number)
		}
	}
}
