package export_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
	const body = `{"fields_mapping":{"first_name":"First name","email":"Email"},"import_params":{"should_override":false,"upload_type":"single"}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/business/clients/v1/apps/acme/import", strings.NewReader(body))
	if err != nil {
		return sdk.StartImportResponse{}, err
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return sdk.StartImportResponse{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusMultipleChoices {
		return sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Detail: response.Status}, nil
	}
	var answer struct {
		Data struct {
			Session string `json:"session_id"`
		} `json:"data"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	return sdk.StartImportResponse{Outcome: sdk.OutcomeOK, SessionID: answer.Data.Session}, err
}

// freeze makes the change set of run-1 in a state directory.
func freeze(tb testing.TB, dir string, keys *store.Keyring, all people) *store.ChangeSet {
	tb.Helper()
	sets, err := store.NewChangeSets(dir, keys)
	if err != nil {
		tb.Fatal(err)
	}
	writer, err := sets.Create("run-1")
	if err != nil {
		tb.Fatal(err)
	}
	for i, client := range all {
		if err := writer.Append(fmt.Sprint(i+1), []byte(client)); err != nil {
			tb.Fatal(err)
		}
	}
	if _, _, err := writer.Finish(); err != nil {
		tb.Fatal(err)
	}
	clients, err := sets.Open("run-1")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = clients.Close() })
	return clients
}

// installation is the real parts put together: the database, a sealed change
// set, HTTP, and a simulated inTandem.
type installation struct {
	*world
	db      *bolt.Store
	target  *sandbox.InTandem
	url     string
	present atomic.Pointer[export.Sessions]
	imp     export.Import
}

func install(t *testing.T, all people, target sandbox.Options) *installation {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	in := &installation{world: newWorld(t)}
	if in.db, err = bolt.Open(t.Context(), dir, keys); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.db.Close() })
	server := httptest.NewUnstartedServer(nil)
	server.Config = export.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		in.present.Load().Handler().ServeHTTP(rw, r)
	}), slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	in.options.Outcomes = in.db
	in.options.Store, in.options.PublicURL, in.options.SessionGap = in.db, server.URL, 10*time.Millisecond
	in.restart()

	target.BusinessUID, target.StaffUID, target.APIURI = "b1", "s1", in.sessions.APIURI().Reveal()
	in.target = sandbox.NewInTandem(target)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.target.Start(listener)
	t.Cleanup(func() {
		if err := in.target.Close(); err != nil {
			t.Error(err)
		}
	})
	in.imp = in.world.imp("run-1", freeze(t, dir, keys, all))
	in.url = "http://" + listener.Addr().String()
	in.imp.Starter = poster{url: in.url}
	return in
}

// restart begins a process's life on the database as it is.
func (in *installation) restart() {
	in.start()
	in.present.Store(in.sessions)
}

// deliverUntil delivers until so many clients were served, or stops.
func (in *installation) deliverUntil(n int) {
	reached := make(chan struct{})
	tell := sync.OnceFunc(func() { close(reached) })
	imp := in.imp
	imp.Progress = func(served int) {
		if served >= n {
			tell()
		}
	}
	d := in.deliver(imp)
	select {
	case <-reached:
	case <-d.done:
	}
	d.stop()
}

// await returns the target's imports when n of them are over.
func (in *installation) await(n int) []sandbox.Import {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), time.Minute)
	defer cancel()
	imports, err := in.target.Wait(ctx, n)
	if err != nil {
		in.t.Fatal(err)
	}
	return imports
}

// received checks that the target got every client once and in order.
func received(t *testing.T, imports []sandbox.Import, all people) {
	t.Helper()
	at := 0
	for _, got := range imports {
		if !got.Completed {
			t.Errorf("the target did not complete: %s", got.Error)
		}
		for _, client := range got.Clients {
			if at >= len(all) || string(client) != all[at] {
				t.Fatalf("client %d is %s", at, client)
			}
			at++
		}
		for _, page := range got.Pages {
			if page.Differs {
				t.Errorf("page %d was not the same bytes twice", page.Number)
			}
		}
	}
	if at != len(all) {
		t.Errorf("the target received %d of %d clients", at, len(all))
	}
}

// TestARealTargetGetsEveryClientOnceInOrder has a target that is as unkind as
// the protocol allows, and a restart in the middle.
func TestARealTargetGetsEveryClientOnceInOrder(t *testing.T) {
	all := newPeople(2500)
	in := install(t, all, sandbox.Options{Pull: sandbox.PullOptions{First: true, RepeatEvery: 5, BreakEvery: 7}})
	in.deliverUntil(1000)
	in.restart()
	d := in.deliver(in.imp)
	imports := in.await(1)
	<-d.done
	if d.err != nil || d.result.State != roster.SessionClosed || d.result.Served != len(all) {
		t.Errorf("result %+v, %v", d.result, d.err)
	}
	received(t, imports, all)
}

// TestABigRunIsServedInPartsByRealParts has more clients than two sessions
// take, and restarts in the first part and in the last.
func TestABigRunIsServedInPartsByRealParts(t *testing.T) {
	all := newPeople(120_000)
	in := install(t, all, sandbox.Options{PerPage: 1000})
	for _, stop := range []int{20_000, 101_000} {
		in.deliverUntil(stop)
		in.restart()
	}
	d := in.deliver(in.imp)
	imports := in.await(3)
	<-d.done
	if d.err != nil || d.result.State != roster.SessionClosed || d.result.Served != len(all) || len(d.result.Sessions) != 3 {
		t.Errorf("result %+v, %v", d.result, d.err)
	}
	received(t, imports, all)
}
