package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// issuer issues tokens t1, t2, ... for ten minutes each, and answers other
// requests that carry the token in valid.
type issuer struct {
	mu     sync.Mutex
	issued int
	valid  string
	status int
	// writes counts the POST requests that were not for a token.
	writes int
	forms  []string
	url    string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{status: http.StatusOK}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.URL.Path == "/token" {
		form, _ := io.ReadAll(r.Body)
		user, secret, _ := r.BasicAuth()
		i.forms = append(i.forms, user+":"+secret+" "+string(form))
		if i.status != http.StatusOK {
			w.WriteHeader(i.status)
			return
		}
		i.issued++
		i.valid = fmt.Sprint("t", i.issued)
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":600}`, i.valid)
		return
	}
	if r.Method == http.MethodPost {
		i.writes++
	}
	if r.Header.Get("Authorization") != "Bearer "+i.valid {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// clock is set by a test.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func oauthClient(t *testing.T, i *issuer, c *clock) *httpx.Client {
	t.Helper()
	return client(t, i.url, func(o *httpx.Options) {
		o.Token, o.Now = "", c.now
		o.Auth = httpx.ClientCredentials(httpx.OAuth{TokenURL: "/token", ClientID: "me", ClientSecret: token, Scope: "a b"})
	})
}

func TestATokenIsIssuedOnceForManyCallsAndAgainBeforeItsEnd(t *testing.T) {
	i, c := newIssuer(t), newClock()
	client := oauthClient(t, i, c)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if a, err := client.Get(t.Context(), "/x", nil); err != nil || a.Status != http.StatusOK {
				t.Errorf("got %d, %v", a.Status, err)
			}
		})
	}
	all.Wait()
	if i.issued != 1 || i.forms[0] != "me:"+token+" grant_type=client_credentials&scope=a+b" {
		t.Errorf("%d tokens were issued, for %v", i.issued, i.forms)
	}
	c.advance(9*time.Minute + 40*time.Second)
	if a, err := client.Get(t.Context(), "/x", nil); err != nil || a.Status != http.StatusOK || i.issued != 2 {
		t.Errorf("got %d, %v after %d tokens", a.Status, err, i.issued)
	}
}

func TestATokenThatWasRevokedIsRenewedOnceForAReadAndNeverRepeatsAWrite(t *testing.T) {
	i, c := newIssuer(t), newClock()
	client := oauthClient(t, i, c)
	revoke := func() { i.set(func() { i.valid = "revoked" }) }
	get := func() int {
		t.Helper()
		a, err := client.Get(t.Context(), "/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	if get() != http.StatusOK {
		t.Fatal("the first token is refused")
	}
	revoke()
	if status := get(); status != http.StatusOK || i.issued != 2 {
		t.Errorf("got %d after %d tokens, want 200 after 2", status, i.issued)
	}
	revoke()
	c.advance(time.Minute)
	sent := client.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
	if sent.Outcome != sdk.OutcomeRefused || sent.Status != http.StatusUnauthorized || !sent.Renewed || i.writes != 1 {
		t.Errorf("got %+v after %d writes, want a refusal that a new token may mend, after 1", sent, i.writes)
	}
	if sent = client.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`)); sent.Outcome != sdk.OutcomeOK || i.issued != 3 {
		t.Errorf("got %+v after %d tokens", sent, i.issued)
	}
	revoke()
	// A token that was only just issued is not too old.
	if sent = client.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`)); sent.Renewed {
		t.Errorf("got %+v", sent)
	}
}

func TestAnIssuerThatRefusesFailsAndOneThatIsBusyIsTriedLater(t *testing.T) {
	for status, want := range map[int]sdk.Class{400: sdk.ClassFail, 401: sdk.ClassFail, 404: sdk.ClassFail, 429: sdk.ClassRetry, 503: sdk.ClassRetry} {
		i := newIssuer(t)
		i.status = status
		client := oauthClient(t, i, newClock())
		_, err := client.Get(t.Context(), "/x", nil)
		e := sdk.AsError(err)
		if e == nil || e.Class != want || e.Class == sdk.ClassFail && e.Code != sdk.CodeAuth || strings.Contains(e.Error(), token) {
			t.Errorf("status %d: got %v", status, err)
		}
		if want == sdk.ClassFail && len(i.forms) != 1 {
			t.Errorf("status %d: the issuer was asked %d times", status, len(i.forms))
		}
		sent := client.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
		e, ok := errors.AsType[*sdk.Error](sent.Err)
		if sent.Outcome != sdk.OutcomeRefused || !ok || e.Class != want || i.writes != 0 {
			t.Errorf("status %d: got %+v after %d writes", status, sent, i.writes)
		}
	}
}

func TestAnIssuersAnswerWithoutABearerTokenIsAFault(t *testing.T) {
	for _, answer := range []string{``, `{}`, `[`, `{"access_token":"a b"}`, `{"access_token":"x","token_type":"mac"}`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		c := client(t, server.URL, func(o *httpx.Options) {
			o.Token, o.Auth = "", httpx.ClientCredentials(httpx.OAuth{TokenURL: "/t", ClientID: "me", ClientSecret: token, InBody: true})
		})
		if _, err := c.Get(t.Context(), "/x", nil); sdk.AsError(err) == nil || sdk.AsError(err).Code != sdk.CodeAuth {
			t.Errorf("%s: got %v", answer, err)
		}
		server.Close()
	}
}

func TestCredentialsThatCannotBeSentAreRefusedWithoutQuotingThem(t *testing.T) {
	for name, change := range map[string]func(*httpx.Options){
		"two ways":     func(o *httpx.Options) { o.Auth = httpx.Basic("me", token) },
		"a colon":      func(o *httpx.Options) { o.Token, o.Auth = "", httpx.Basic("me:"+token, "x") },
		"no header":    func(o *httpx.Options) { o.Token, o.Auth = "", httpx.Header("X Key", token) },
		"a line break": func(o *httpx.Options) { o.Token, o.Auth = "", httpx.Header("X-Key", token+"\n") },
		"no secret":    func(o *httpx.Options) { o.Token, o.Auth = "", httpx.ClientCredentials(httpx.OAuth{TokenURL: "/t"}) },
		"no issuer": func(o *httpx.Options) {
			o.Token, o.Auth = "", httpx.ClientCredentials(httpx.OAuth{ClientID: "a", ClientSecret: token})
		},
		"issuer over http": func(o *httpx.Options) {
			o.Token, o.Auth = "", httpx.ClientCredentials(httpx.OAuth{TokenURL: "http://a.example/" + token})
		},
		"certificates":      func(o *httpx.Options) { o.CA = []byte(token) },
		"http to somewhere": func(o *httpx.Options) { o.BaseURL = "http://" + token + ".example" },
	} {
		o := httpx.Options{BaseURL: "https://api.example.com", Token: token}
		change(&o)
		if _, err := httpx.New(o); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAPublicAddressIsNeverCalledOverHTTP(t *testing.T) {
	for _, base := range []string{"http://93.184.216.34", "http://169.254.169.254", "http://[fd00:ec2::254]", "https://169.254.169.254", "https://224.0.0.1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		c := client(t, base, func(o *httpx.Options) { o.AllowHTTP, o.Tries = true, 1 })
		_, err := c.Get(ctx, "/x", nil)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "may not be called") {
			t.Errorf("%s: got %v", base, err)
		}
	}
}

func TestADeleteMayHaveNoBodyAndIsSentOnce(t *testing.T) {
	var mu sync.Mutex
	var body string
	var length int64
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		n++
		body, length = string(raw), r.ContentLength
		if r.URL.Path == "/lost" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	c := client(t, server.URL, nil)
	for path, want := range map[string]sdk.Outcome{"/x": sdk.OutcomeOK, "/lost": sdk.OutcomeUnknown} {
		mu.Lock()
		n = 0
		mu.Unlock()
		got := c.Send(t.Context(), httpx.Call{Method: http.MethodDelete, Path: path, Header: http.Header{"Idempotency-Key": {"k"}}})
		mu.Lock()
		if got.Outcome != want || n != 1 || body != "" || length > 0 {
			t.Errorf("%s: got %+v after %d requests with %q of %d bytes", path, got, n, body, length)
		}
		mu.Unlock()
	}
	if got := c.Send(sdk.WithReadOnly(t.Context()), httpx.Call{Method: http.MethodDelete, Path: "/x"}); got.Outcome != sdk.OutcomeRefused || !errors.Is(got.Err, httpx.ErrReadOnly) || n != 1 {
		t.Errorf("under read-only: got %+v", got)
	}
}

func TestAnErrorShowsTheTemplateInPlaceOfThePath(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	c := client(t, closed.URL, func(o *httpx.Options) { o.Tries = 1 })
	call := httpx.Call{Method: http.MethodPut, Path: "/p/17", Shown: "/p/{id}", Body: []byte(`{}`)}
	_, err := c.Read(t.Context(), call)
	for _, err := range []error{err, c.Send(t.Context(), call).Err} {
		if err == nil || strings.Contains(err.Error(), "17:") || strings.Contains(err.Error(), "/p/17") || !strings.Contains(err.Error(), "/p/{id}") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAQueryByPostIsRepeated(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if n++; n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprint(w, r.Method, string(body))
	}))
	defer server.Close()
	a, err := client(t, server.URL, nil).Query(t.Context(), http.MethodPost, "/x", nil, []byte(`{"q":1}`))
	if err != nil || string(a.Body) != `POST{"q":1}` || n != 3 {
		t.Errorf("got %q, %v after %d", a.Body, err, n)
	}
}
