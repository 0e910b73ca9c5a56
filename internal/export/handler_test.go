package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/roster"
)

// exchange sends raw bytes over a connection of its own and returns the whole
// answer without its Date.
func exchange(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(answer)) {
		if !strings.HasPrefix(line, "Date: ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// serve starts a real server before the sessions.
func serve(t *testing.T, w *world) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config = export.NewServer(w.sessions.Handler(), slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// awaitOpen polls until the run's session is open.
func (w *world) awaitOpen() {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		all, err := w.store.Sessions(w.t.Context(), roster.SessionFilter{Limit: 1})
		if err == nil && len(all) == 1 && all[0].State == roster.SessionOpen {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatal("no session is open")
}

func TestEveryRefusalIsTheSameBytes(t *testing.T) {
	w := newWorld(t)
	// The clock stands still, so that the second half of the requests is over
	// the limit however fast they are.
	now := time.Now()
	w.options.Now = func() time.Time { return now }
	w.options.Limits.Address = 500
	w.options.Repeats = 1
	w.start()
	address := serve(t, w)
	w.deliver(w.imp("run-1", newPeople(4)))
	w.awaitOpen()
	w.mustServe(1, 2)

	const path, good = "/c/" + secret + "/app/clients/export", "business_uid=b1&staff_uid=s1&page=2&per_page=2"
	line := func(method, target string) string { return method + " " + target + " HTTP/1.1\r\nHost: x\r\n" }
	causes := []string{
		line("GET", "/") + "\r\n",
		line("GET", "/c/guess/app/clients/export?"+good) + "\r\n",
		line("GET", "/c/"+secret+"x/app/clients/export?"+good) + "\r\n",
		line("GET", "/c/"+secret+"/app/clients/export/?"+good) + "\r\n",
		line("GET", "/c/"+secret+"//app/clients/export?"+good) + "\r\n",
		line("GET", "/c/"+secret+"/../c/"+secret+"/app/clients/export?"+good) + "\r\n",
		line("POST", path+"?"+good) + "Content-Length: 2\r\n\r\nhi",
		line("POST", path+"?"+good) + "Content-Length: 400000\r\n\r\n" + strings.Repeat("x", 400000),
		line("PUT", "/c/guess") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		line("OPTIONS", path+"?"+good) + "\r\n",
		line("OPTIONS", "*") + "\r\n",
		line("GET", "/c/"+secret+"/hook") + "\r\n",
		line("POST", "/c/"+secret+"/hook/") + "Content-Length: 2\r\n\r\n{}",
		line("POST", "/c/guess/hook") + "Content-Length: 2\r\n\r\n{}",
		line("POST", "/c/"+secret+"/hook") + "Content-Length: 1\r\n\r\n{",
		line("POST", "/c/"+secret+"/hook") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		line("GET", path) + "\r\n",
		line("GET", path+"?business_uid=b1&staff_uid=s1&page=0&per_page=2") + "\r\n",
		line("GET", path+"?business_uid=b2&staff_uid=s1&page=2&per_page=2") + "\r\n",
		line("GET", path+"?business_uid=b1&staff_uid=s2&page=2&per_page=2") + "\r\n",
		line("GET", path+"?business_uid=b1&staff_uid=s1&page=1&per_page=2") + "\r\n", // served as often as allowed
		line("GET", path+"?"+good+"&page=2") + "\r\n",
		line("GET", path+"?"+good+"&x="+strings.Repeat("y", 4000)) + "\r\n",
		line("GET", path+"?business_uid=b2&staff_uid=s1&page=-1&per_page=2") + "Accept: text/html\r\nRange: bytes=0-1\r\n\r\n",
	}
	want := exchange(t, address, causes[0])
	if !strings.HasPrefix(want, "HTTP/1.1 404 Not Found\r\n") {
		t.Fatalf("the refusal is %q", want)
	}
	for i := range 2000 {
		if got := exchange(t, address, causes[i%len(causes)]); got != want {
			t.Fatalf("request %d, %.80q, is answered\n%q, want\n%q", i, causes[i%len(causes)], got, want)
		}
	}
	head, _, _ := strings.Cut(want, "\r\n\r\n")
	if got := exchange(t, address, line("HEAD", path+"?"+good)+"\r\n"); got != head+"\r\n\r\n" {
		t.Errorf("HEAD is answered %q, want the head of the 404 alone: %q", got, head)
	}
	refused := w.sessions.Stats().Refused
	for _, reason := range []string{"secret", "path", "method", "query", "business", "staff", "repeats", "body", "address_rate"} {
		if refused[reason] == 0 {
			t.Errorf("no request was refused for %q: %v", reason, refused)
		}
	}
}

func TestPagesPulledAtTheSameTimeAreAllRight(t *testing.T) {
	w := newWorld(t)
	w.options.Limits.Business = 10_000
	w.start()
	const clients = 300
	all := newPeople(clients)
	d := w.deliver(w.imp("run-1", all))
	w.awaitOpen()
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			perPage := 7 + worker
			for page := 1; page <= clients/perPage+2; page++ {
				from := min((page-1)*perPage, clients)
				want := `{"data":{"clients":[` + strings.Join(all[from:min(from+perPage, clients)], ",") + `]}}`
				if got := w.page(page, perPage); got.Code != http.StatusOK || got.Body.String() != want {
					t.Errorf("page %d of %d: status %d, %d bytes, want %d", page, perPage, got.Code, got.Body.Len(), len(want))
				}
			}
		})
	}
	group.Wait()
	w.mustServe(-1, 7)
	<-d.done
	if d.err != nil || d.result.State != roster.SessionClosed || d.result.Served != clients {
		t.Errorf("result %+v, %v", d.result, d.err)
	}
}

func TestAPageIsStoredBeforeItIsSent(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", newPeople(4)))
		synctest.Wait()
		w.store.setBroken(errors.New("the disk is full"))
		if got := w.page(1, 2); got.Code != http.StatusServiceUnavailable || got.Body.Len() != 0 {
			w.t.Errorf("a page that cannot be stored: status %d with %d bytes, want 503 with none", got.Code, got.Body.Len())
		}
		w.store.setBroken(nil)
		if got := w.session(); len(got.Served) != 0 {
			w.t.Errorf("the session has served %v, want none", got.Served)
		}
		w.mustServe(1, 2)
		before := w.store.writes()
		w.mustServe(1, 2)
		w.mustServe(1, 1)
		if got := w.store.writes(); got != before {
			w.t.Errorf("pages that were served before cost %d writes, want none", got-before)
		}
	})
}

func TestWhatIsServedIsNotedAtOnceAndStoredEverySecond(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", newPeople(100)))
		synctest.Wait()
		w.mustServe(1, 10)
		before := w.store.writes()
		for page := 2; page < 6; page++ {
			w.mustServe(page, 10)
		}
		synctest.Wait()
		if got := w.store.writes(); got != before {
			w.t.Errorf("pages cost %d writes within the second, want none", got-before)
		}
		if got := w.session(); got.ServedCount() != 50 {
			w.t.Errorf("%d clients are noted as served, want 50", got.ServedCount())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.store.writes(); got != before+1 {
			w.t.Errorf("%d writes after a second, want 1", got-before)
		}
		time.Sleep(time.Minute)
		if got := w.store.writes(); got != before+1 {
			w.t.Errorf("%d writes after a quiet minute, want 1", got-before)
		}
		w.store.setBroken(errors.New("the disk is full"))
		if got := w.page(7, 10); got.Code != http.StatusServiceUnavailable {
			w.t.Errorf("a page that cannot be noted: status %d, want 503", got.Code)
		}
		w.store.setBroken(nil)
	})
}

// unreadable are clients whose change set cannot be read.
type unreadable struct{ people }

func (unreadable) AppendClients([]byte, int, int) ([]byte, error) {
	return nil, errors.New("the change set was changed")
}

func TestAChangeSetThatCannotBeReadServesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", unreadable{newPeople(4)}))
		synctest.Wait()
		if got := w.page(1, 2); got.Code != http.StatusServiceUnavailable || got.Body.Len() != 0 {
			w.t.Errorf("status %d with %d bytes, want 503 with none", got.Code, got.Body.Len())
		}
		if got := w.session(); len(got.Served) != 0 {
			w.t.Errorf("the session has served %v, want none", got.Served)
		}
	})
}

func TestEverySecretThatIsValidOpens(t *testing.T) {
	inBubble(t, func(w *world) {
		w.options.Secrets = []roster.Secret{roster.NewSecret("second"), roster.NewSecret(""), roster.NewSecret(secret)}
		w.start()
		w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		w.mustServe(1, 2)
		const query = "/app/clients/export?business_uid=b1&staff_uid=s1&page=1&per_page=2"
		if got := w.request("/c/second" + query); got.Code != http.StatusOK {
			w.t.Errorf("the first of two secrets: status %d", got.Code)
		}
		if got := w.request("/c/" + query); got.Code != http.StatusNotFound {
			w.t.Errorf("the empty secret: status %d, want 404", got.Code)
		}
		if got := w.sessions.APIURI(); got.Reveal() != "https://sync.example.com/c/second" || strings.Contains(fmt.Sprint(got), "second") {
			w.t.Errorf("api_uri is %q", got.Reveal())
		}
	})
}

func TestATargetThatWaitsForEachAnswerIsNeverTooFast(t *testing.T) {
	inBubble(t, func(w *world) {
		w.options.Limits.Business = 5
		w.start()
		d := w.deliver(w.imp("run-1", newPeople(100)))
		synctest.Wait()
		began := time.Now()
		for page := 1; page <= 100; page++ {
			w.mustServe(page, 1)
		}
		w.mustServe(-1, 1)
		<-d.done
		if took := time.Since(began); d.result.Served != 100 || took < 17*time.Second {
			w.t.Errorf("served %d in %s, want 100 and 5 a second after the first 10", d.result.Served, took)
		}
	})
}

func TestTooManyRequestsAtOnceAreRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		w.options.Limits.Business = 5
		w.options.Repeats = 1000
		w.start()
		w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() { w.page(1, 1) })
		}
		group.Wait()
		if got := w.sessions.Stats(); got.Answered != 15 || got.Refused["business_rate"] != 35 {
			w.t.Errorf("%d answered, %d refused, want 10 at once, 5 within a second and 35 refused",
				got.Answered, got.Refused["business_rate"])
		}
	})
}

func TestAnAddressThatGuessesIsNoLongerHeard(t *testing.T) {
	inBubble(t, func(w *world) {
		w.options.Limits.Address = 5
		w.options.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		w.start()
		w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		get := func(path, remote string, forwarded ...string) int {
			request := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet,
				path+"/app/clients/export?business_uid=b1&staff_uid=s1&page=1&per_page=2", http.NoBody)
			request.RemoteAddr = remote
			request.Header["X-Forwarded-For"] = forwarded
			recorder := httptest.NewRecorder()
			w.sessions.Handler().ServeHTTP(recorder, request)
			return recorder.Code
		}
		for range 10 {
			get("/c/guess", "10.0.0.1:1", "192.0.2.7, 203.0.113.9", "10.1.1.1")
			get("/c/guess", "[2001:db8::1]:1")
		}
		const good = "/c/" + secret
		for name, test := range map[string]struct {
			want      int
			remote    string
			forwarded []string
		}{
			"the address that guessed":               {404, "203.0.113.9:7", nil},
			"the same through another proxy":         {404, "10.9.9.9:7", []string{"203.0.113.9"}},
			"an address that only claims to be it":   {200, "198.51.100.1:7", []string{"203.0.113.9"}},
			"what the guesser claimed to be":         {200, "10.0.0.1:1", []string{"192.0.2.7"}},
			"its neighbour":                          {200, "203.0.113.10:7", nil},
			"the network that guessed":               {404, "[2001:db8::ffff]:7", nil},
			"another network":                        {200, "[2001:db8:0:1::1]:7", nil},
			"a proxy that forwards something broken": {200, "10.0.0.1:1", []string{"203.0.113.9, nonsense"}},
		} {
			if got := get(good, test.remote, test.forwarded...); got != test.want {
				w.t.Errorf("%s: status %d, want %d", name, got, test.want)
			}
		}
		time.Sleep(time.Second)
		if got := get(good, "203.0.113.9:7"); got != http.StatusOK {
			w.t.Errorf("the address that guessed, a second later: status %d", got)
		}
	})
}

func TestUnknownParametersAreCounted(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		w.ask("business_uid=b1&staff_uid=s1&page=1&per_page=2&a=1&b=2")
		if got := w.sessions.Stats(); got.UnknownParameters != 2 || got.Answered != 1 {
			w.t.Errorf("stats %+v, want 2 unknown parameters", got)
		}
	})
}

func TestNeitherSecretsNorClientsReachTheLog(t *testing.T) {
	inBubble(t, func(w *world) {
		var lines bytes.Buffer
		w.options.Logger = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
		w.start()
		d := w.deliver(w.imp("run-1", newPeople(4)))
		synctest.Wait()
		w.mustServe(1, 2)
		w.ask("business_uid=b1&staff_uid=s9&page=1&per_page=2")
		w.ask("business_uid=b2&staff_uid=s1&page=1&per_page=2")
		w.ask("page=x")
		w.store.setBroken(errors.New("the disk is full"))
		w.page(2, 2)
		w.store.setBroken(nil)
		w.mustServe(-1, 2)
		<-d.done
		got := lines.String()
		for _, canary := range []string{secret, "Ann1", "first_name", "external_id"} {
			if strings.Contains(got, canary) {
				w.t.Errorf("the log contains %q:\n%s", canary, got)
			}
		}
		for _, line := range []string{"import is announced", "import is over", "the disk is full", `"reason":"staff"`} {
			if !strings.Contains(got, line) {
				w.t.Errorf("the log lacks %q:\n%s", line, got)
			}
		}
	})
}

func TestTheLogIsNotTheCallersToFill(t *testing.T) {
	inBubble(t, func(w *world) {
		var lines bytes.Buffer
		w.options.Logger = slog.New(slog.NewTextHandler(&lines, nil))
		w.start()
		for range 1000 {
			w.page(1, 2)
		}
		if got := strings.Count(lines.String(), "\n"); got > 10 {
			w.t.Errorf("1,000 refused requests made %d lines", got)
		}
	})
}

func TestTheServerEndsWhatDoesNotMove(t *testing.T) {
	server := export.NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 ||
		server.MaxHeaderBytes == 0 || server.MaxHeaderBytes > 64<<10 {
		t.Errorf("a limit is missing: %+v", server)
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
