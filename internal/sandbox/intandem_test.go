package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterd/rosterd/internal/sandbox"
)

func TestAnImportPullsPagesUntilAShortOneAndThenSaysTheEnd(t *testing.T) {
	for _, tt := range []struct {
		clients int
		pages   []string
	}{
		{0, []string{"1", "-1"}},
		{1, []string{"1", "-1"}},
		{2, []string{"1", "2", "-1"}},
		{5, []string{"1", "2", "3", "-1"}},
	} {
		a := newApp(t, people(tt.clients)...)
		p := newPlatform(t, a, nil)
		im := p.run(t, announcement)
		if !im.Completed || im.Error != "" || im.Created != tt.clients || im.Received != tt.clients {
			t.Errorf("%d clients: %+v", tt.clients, im)
		}
		if got := a.pages(); !cmp.Equal(got, tt.pages) {
			t.Errorf("%d clients: pages %v, want %v", tt.clients, got, tt.pages)
		}
		if want := "business_uid=b1&page=1&per_page=2&staff_uid=s1"; a.asked[0] != want {
			t.Errorf("query %q, want %q", a.asked[0], want)
		}
	}
}

func TestAnImportedClientCarriesDeclaredKnownFieldsTagAndSource(t *testing.T) {
	a := newApp(t, map[string]any{
		"first_name": "Ann", "email": "ann@example.com", "phone": "555", "Goal": "fit", "Nope": "x",
		"external_id": "m-1", "opt_in": true, "last_name": nil,
	})
	p := newPlatform(t, a, func(o *sandbox.Options) { o.CustomFields = []sandbox.Field{{Label: "Goal"}} })
	im := p.run(t, `{"fields_mapping":{"first_name":"F","email":"E","Goal":"Goal","Nope":"Nope","opt_in":"O","last_name":"L"},"import_params":{}}`)
	want := []sandbox.Client{{
		ExternalID: "m-1", Tags: []string{"imported_2026-03-01_12:00:00"}, Source: "Acme Import", Imports: 1,
		Fields: map[string]string{"first_name": "Ann", "email": "ann@example.com", "Goal": "fit", "opt_in": "true"},
	}}
	ignore := cmpopts.IgnoreFields(sandbox.Client{}, "UID", "CreatedAt", "UpdatedAt")
	if diff := cmp.Diff(want, p.Clients(), ignore); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if !cmp.Equal(im.Ignored, []string{"Nope"}) {
		t.Errorf("ignored %v, want Nope", im.Ignored)
	}
	if want := (sandbox.Params{UploadType: "single", SendNotifications: true}); im.Params != want {
		t.Errorf("params %+v, want %+v", im.Params, want)
	}
}

func TestExistingClientsAreMatchedByEmail(t *testing.T) {
	existing := []sandbox.Client{{UID: "u1", Fields: map[string]string{"first_name": "Old", "email": "Ann@Example.com "}}}
	incoming := []map[string]any{
		{"first_name": "Ann", "email": "ann@example.COM", "external_id": 1},
		{"first_name": "Bob", "email": "bob@example.com", "external_id": 2},
		{"first_name": "Bob twice", "email": "BOB@example.com", "external_id": 3},
		{"first_name": "No mail", "external_id": 4},
		{"first_name": "No mail", "external_id": 5},
	}
	for _, tt := range []struct {
		params                    string
		created, updated, skipped int
		first                     string
	}{
		{`{"should_override":false}`, 3, 0, 2, "Old"},
		{`{"should_override":true}`, 3, 2, 0, "Ann"},
	} {
		p := newPlatform(t, newApp(t, incoming...), func(o *sandbox.Options) { o.Existing = existing })
		im := p.run(t, `{"fields_mapping":{"first_name":"F","email":"E"},"import_params":`+tt.params+`}`)
		if im.Created != tt.created || im.Updated != tt.updated || im.Skipped != tt.skipped || im.Failed != 0 {
			t.Errorf("%s: %+v", tt.params, im)
		}
		clients := p.Clients()
		at := slices.IndexFunc(clients, func(c sandbox.Client) bool { return c.UID == "u1" })
		if len(clients) != 4 || at < 0 || clients[at].Fields["first_name"] != tt.first {
			t.Errorf("%s: clients %+v", tt.params, clients)
		}
	}
}

func TestAClientWithoutFirstNameFailsAndTheOthersGoOn(t *testing.T) {
	a := newApp(t,
		map[string]any{"first_name": "  ", "email": "a@example.com", "external_id": "x1"},
		map[string]any{"email": "b@example.com", "external_id": "x2"},
		map[string]any{"first_name": "Cid", "email": "c@example.com", "external_id": "x3"})
	im := newPlatform(t, a, nil).run(t, announcement)
	want := []sandbox.Failure{
		{Page: 1, Index: 0, ExternalID: "x1", Reason: "First name can't be blank"},
		{Page: 1, Index: 1, ExternalID: "x2", Reason: "First name can't be blank"},
	}
	if diff := cmp.Diff(want, im.Failures); diff != "" || im.Failed != 2 || im.Created != 1 || !im.Completed {
		t.Errorf("import %+v, failures (-want +got):\n%s", im, diff)
	}
}

func TestRepeatedAndBrokenRequestsImportEachClientOnce(t *testing.T) {
	a := newApp(t, people(9)...)
	p := newPlatform(t, a, func(o *sandbox.Options) {
		o.Pull.RepeatEvery, o.Pull.BreakEvery, o.Pull.RepeatChance, o.Pull.Pause = 2, 3, 0.5, time.Millisecond
	})
	im := p.run(t, announcement)
	if !im.Completed || im.Created != 9 || len(p.Clients()) != 9 {
		t.Fatalf("import %+v", im)
	}
	requests, broken := 0, 0
	for _, page := range im.Pages {
		requests += page.Requests
		broken += page.Broken
		if page.Differs {
			t.Errorf("page %d differs", page.Number)
		}
	}
	if broken != 2 || requests < 6+2+3 || requests != len(a.pages()) {
		t.Errorf("%d requests, %d broken, the app saw %v", requests, broken, a.pages())
	}
}

func TestARepeatedPageWithOtherBytesIsSeen(t *testing.T) {
	a := newApp(t, people(1)...)
	a.before = func(_ http.ResponseWriter, n int, _ string) bool {
		a.clients[0]["first_name"] = strings.Repeat("x", n)
		return false
	}
	im := newPlatform(t, a, func(o *sandbox.Options) { o.Pull.RepeatEvery = 1 }).run(t, announcement)
	if !im.Pages[0].Differs {
		t.Errorf("page %+v: want it to differ", im.Pages[0])
	}
}

func TestAnAppThatIsDownIsAskedAgain(t *testing.T) {
	a := newApp(t, people(3)...)
	a.before = func(w http.ResponseWriter, n int, _ string) bool {
		switch n {
		case 1, 4:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		case 5:
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"data"`))
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	im := newPlatform(t, a, nil).run(t, announcement)
	if !im.Completed || im.Created != 3 || im.Pages[0].Retries != 2 || im.Pages[1].Retries != 2 {
		t.Errorf("import %+v", im)
	}
}

func TestAnAppThatStaysDownOrMisbehavesEndsTheImport(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"the app is down: it answered 503":                func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"the app answered 404, expected 200":              func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"the app answered 302, expected 200":              func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) },
		"the answer is not JSON":                          func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") },
		"the answer has no data.clients":                  func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"data":{}}`) },
		"3 clients where 2 were asked for":                func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"data":{"clients":[{},{},{}]}}`) },
		"the session has more clients than allowed: 4 af": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"data":{"clients":[{},{}]}}`) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			a.before = func(w http.ResponseWriter, _ int, _ string) bool { answer(w); return true }
			p := newPlatform(t, a, func(o *sandbox.Options) { o.Pull.RetryFor, o.MaxClients = 5*time.Millisecond, 3 })
			im := p.run(t, announcement)
			if im.Completed || !im.Ended || !strings.Contains(im.Error, name) || strings.Contains(im.Error, "/c/secret") {
				t.Errorf("import %+v, want the error %q", im, name)
			}
		})
	}
}

func TestAnImportWithoutAnAddressEndsAndOneWithALaterAddressWorks(t *testing.T) {
	p := newPlatform(t, nil, nil)
	if im := p.run(t, announcement); im.Completed || !strings.Contains(im.Error, "api_uri") {
		t.Errorf("import %+v", im)
	}
	a := newApp(t, people(1)...)
	if status, body := p.call(t, http.MethodPut, "/sandbox/api_uri", a.URL+"/c/secret"); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	if im := p.run(t, announcement); !im.Completed {
		t.Errorf("import %+v", im)
	}
	if status, _ := p.call(t, http.MethodPut, "/sandbox/api_uri", "nonsense"); status != http.StatusBadRequest {
		t.Errorf("status %d for nonsense", status)
	}
}

func TestCloseEndsAnImportInTheMiddle(t *testing.T) {
	for name, change := range map[string]func(*sandbox.Options){
		"in a pause":    func(o *sandbox.Options) { o.Pull.Pause = time.Hour },
		"in a back-off": func(o *sandbox.Options) { o.Pull.RetryDelay, o.Pull.RetryFor = time.Hour, 2*time.Hour },
		"in a request":  func(o *sandbox.Options) { o.PerPage = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			reached := make(chan struct{}, 1)
			release := make(chan struct{})
			defer close(release)
			a := newApp(t, people(9)...)
			a.before = func(w http.ResponseWriter, _ int, _ string) bool {
				reached <- struct{}{}
				if name == "in a back-off" {
					w.WriteHeader(http.StatusServiceUnavailable)
					return true
				}
				if name == "in a request" {
					<-release
				}
				return false
			}
			p := newPlatform(t, a, change)
			if status, body := p.announce(t, announcement); status != http.StatusCreated {
				t.Fatal(status, body)
			}
			<-reached
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if im := p.Imports()[0]; !im.Ended || im.Completed || im.Error == "" {
				t.Errorf("import %+v", im)
			}
			if status, _ := p.announce(t, announcement); status != 0 {
				t.Errorf("a closed platform answered %d", status)
			}
		})
	}
}

func TestStartServesOnAListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := sandbox.NewInTandem(sandbox.Options{})
	s.Start(ln)
	p := platform{s, "http://" + ln.Addr().String()}
	if status, body := p.call(t, http.MethodGet, "/sandbox/clients", ""); status != http.StatusOK || body != "[]" {
		t.Errorf("%d %s", status, body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := p.call(t, http.MethodGet, "/sandbox/clients", ""); status != 0 {
		t.Errorf("a closed platform answered %d", status)
	}
}

func TestAPersonCanLookAtClientsAndImports(t *testing.T) {
	p := newPlatform(t, newApp(t, people(3)...), nil)
	p.run(t, announcement)
	status, body := p.call(t, http.MethodGet, "/sandbox/wait?imports=1&timeout=5s", "")
	var imports []sandbox.Import
	if err := json.Unmarshal([]byte(body), &imports); err != nil || status != http.StatusOK || len(imports) != 1 || imports[0].Created != 3 {
		t.Errorf("%d %s (%v)", status, body, err)
	}
	_, body = p.call(t, http.MethodGet, "/sandbox/clients", "")
	var clients []sandbox.Client
	if err := json.Unmarshal([]byte(body), &clients); err != nil || !cmp.Equal(ids(clients), []string{"1", "2", "3"}) {
		t.Errorf("%s (%v)", body, err)
	}
	if status, _ := p.call(t, http.MethodGet, "/sandbox/wait?imports=2&timeout=1ms", ""); status != http.StatusGatewayTimeout {
		t.Errorf("status %d for an import that never comes", status)
	}
	for _, query := range []string{"imports=x", "imports=-1", "timeout=x", "timeout=-1s"} {
		if status, _ := p.call(t, http.MethodGet, "/sandbox/wait?"+query, ""); status != http.StatusBadRequest {
			t.Errorf("status %d for %s", status, query)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newPlatform(t, nil, nil).Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTheSameSeedMakesTheSameIDs(t *testing.T) {
	var uids []string
	for range 2 {
		p := newPlatform(t, newApp(t, people(1)...), nil)
		uids = append(uids, p.run(t, announcement).SessionID+p.Clients()[0].UID)
	}
	if uids[0] != uids[1] {
		t.Errorf("ids %v differ", uids)
	}
}
