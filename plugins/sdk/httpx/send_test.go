package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

const token = "tok3n-that-nobody-may-see"

func client(t *testing.T, base string, change func(*httpx.Options)) *httpx.Client {
	t.Helper()
	o := httpx.Options{
		BaseURL: base, Token: token, UserAgent: "test", Timeout: 5 * time.Second,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	if change != nil {
		change(&o)
	}
	c, err := httpx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// rawServer answers request number n (from 1) of the whole server with what
// answer writes to the connection, and counts the writes that it sees. A
// connection is closed when answer returns false.
type rawServer struct {
	url   string
	posts atomic.Int32
}

func newRawServer(t *testing.T, answer func(n int32, conn net.Conn) (keep bool)) *rawServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "http://" + ln.Addr().String()}
	var requests atomic.Int32
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if req.Method == http.MethodPost {
						s.posts.Add(1)
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if !answer(requests.Add(1), conn) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); work.Wait() })
	return s
}

func reset(conn net.Conn) bool {
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	return false
}

func write(conn net.Conn, s string) { _, _ = io.WriteString(conn, s) }

// expected is the rule of the outcomes, said once more and differently.
func expected(status int) sdk.Outcome {
	if status/100 == 2 {
		return sdk.OutcomeOK
	}
	if strings.Contains(" 400 401 403 404 405 413 415 422 429 ", fmt.Sprintf(" %d ", status)) {
		return sdk.OutcomeRefused
	}
	return sdk.OutcomeUnknown
}

func TestEveryStatusHasAnOutcomeAndIsSentOnce(t *testing.T) {
	var status, posts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posts.Add(1)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	c := client(t, server.URL, nil)
	for code := 200; code <= 599; code++ {
		status.Store(int32(code))
		posts.Store(0)
		got := c.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
		if got.Outcome != expected(code) || got.Status != code {
			t.Errorf("status %d: %+v, want outcome %q", code, got, expected(code))
		}
		if n := posts.Load(); n != 1 {
			t.Errorf("status %d: the server saw %d writes, want 1", code, n)
		}
	}
}

// Where the connection breaks, for a status whose whole answer would be a
// success, a refusal, or neither.
func TestABrokenConnectionHasAnOutcomeAndIsSentOnce(t *testing.T) {
	head := func(status int) string {
		return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n", status)
	}
	for _, tt := range []struct {
		name   string
		answer func(conn net.Conn, status int)
		want   func(status int) sdk.Outcome
	}{
		{"before the status", func(net.Conn, int) {}, unknown},
		{"inside the status line", func(c net.Conn, _ int) { write(c, "HTTP/1.") }, unknown},
		{"inside the head", func(c net.Conn, s int) { write(c, head(s)[:30]) }, unknown},
		{"before the body", func(c net.Conn, s int) { write(c, head(s)) }, refusedOrUnknown},
		{"inside the body", func(c net.Conn, s int) { write(c, head(s)+`{"suc`) }, refusedOrUnknown},
		{"not HTTP", func(c net.Conn, _ int) { write(c, "SSH-2.0-OpenSSH "+token+"\r\n\r\n") }, unknown},
		{"chunks cut", func(c net.Conn, s int) {
			write(c, fmt.Sprintf("HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"suc\r\n", s))
		}, refusedOrUnknown},
	} {
		for _, end := range []struct {
			name  string
			close func(net.Conn) bool
		}{{"close", func(net.Conn) bool { return false }}, {"reset", reset}} {
			for _, status := range []int{200, 201, 307, 400, 401, 408, 409, 422, 429, 500, 503} {
				t.Run(fmt.Sprintf("%s/%s/%d", tt.name, end.name, status), func(t *testing.T) {
					s := newRawServer(t, func(_ int32, conn net.Conn) bool {
						tt.answer(conn, status)
						return end.close(conn)
					})
					got := client(t, s.url, nil).SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
					// A reset may overtake the answer that was sent before it.
					if got.Outcome != tt.want(status) && (end.name != "reset" || got.Outcome != sdk.OutcomeUnknown) {
						t.Errorf("outcome %q (%v), want %q", got.Outcome, got.Err, tt.want(status))
					}
					if got.Err == nil || strings.Contains(got.Err.Error(), token) {
						t.Errorf("error %v: want one without the token", got.Err)
					}
					if n := s.posts.Load(); n != 1 {
						t.Errorf("the server saw %d writes, want 1", n)
					}
				})
			}
		}
	}
}

func unknown(int) sdk.Outcome { return sdk.OutcomeUnknown }

func refusedOrUnknown(status int) sdk.Outcome {
	if expected(status) == sdk.OutcomeRefused {
		return sdk.OutcomeRefused
	}
	return sdk.OutcomeUnknown
}

func TestAFailureBeforeTheFirstByteIsRefused(t *testing.T) {
	plain := newRawServer(t, func(_ int32, conn net.Conn) bool { write(conn, "nonsense"); return false })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		base string
		ctx  context.Context
		body string
	}{
		{"nobody listens", "http://" + closed.Addr().String(), t.Context(), "{}"},
		{"no TLS there", strings.Replace(plain.url, "http:", "https:", 1), t.Context(), "{}"},
		{"no such host", "https://host.invalid", t.Context(), "{}"},
		{"the context has ended", plain.url, ended, "{}"},
		{"no body", plain.url, t.Context(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := client(t, tt.base, nil).SendOnce(tt.ctx, http.MethodPost, "/x", []byte(tt.body))
			if got.Outcome != sdk.OutcomeRefused || got.Err == nil || got.Status != 0 {
				t.Errorf("got %+v, want a refusal with an error", got)
			}
		})
	}
	if n := plain.posts.Load(); n != 0 {
		t.Errorf("the server saw %d writes, want none", n)
	}
}

func TestATimeOutAfterTheBodyLeftIsUnknown(t *testing.T) {
	release := make(chan struct{})
	s := newRawServer(t, func(int32, net.Conn) bool { <-release; return false })
	got := client(t, s.url, func(o *httpx.Options) { o.Timeout = 50 * time.Millisecond }).
		SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
	close(release)
	if got.Outcome != sdk.OutcomeUnknown || !errors.Is(got.Err, context.DeadlineExceeded) {
		t.Errorf("got %+v, want unknown and a deadline", got)
	}
	if n := s.posts.Load(); n != 1 {
		t.Errorf("the server saw %d writes, want 1", n)
	}
}

// net/http repeats a request on a fresh connection when a reused one breaks
// and the body can be rewound; a write must never be.
func TestAReusedConnectionThatBreaksDoesNotRepeatTheWrite(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breaks func(net.Conn) bool
	}{{"close", func(net.Conn) bool { return false }}, {"reset", reset}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newRawServer(t, func(n int32, conn net.Conn) bool {
				if n == 1 {
					write(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					return true
				}
				return tt.breaks(conn)
			})
			c := client(t, s.url, nil)
			if _, err := c.Get(t.Context(), "/warm", nil); err != nil {
				t.Fatal(err)
			}
			got := c.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
			if got.Outcome != sdk.OutcomeUnknown {
				t.Errorf("outcome %q, want unknown", got.Outcome)
			}
			if n := s.posts.Load(); n != 1 {
				t.Errorf("the server saw %d writes, want 1", n)
			}
		})
	}
}

// The server closes the idle connection at the moment of the write: whatever
// is detected first, the write arrives at most once, and never when it is
// reported as refused.
func TestAnIdleConnectionThatGoesAwayNeverDoublesTheWrite(t *testing.T) {
	for range 50 {
		s := newRawServer(t, func(n int32, conn net.Conn) bool {
			write(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
			return n > 1
		})
		c := client(t, s.url, nil)
		if _, err := c.Get(t.Context(), "/warm", nil); err != nil {
			t.Fatal(err)
		}
		got := c.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
		n := s.posts.Load()
		if n > 1 || n == 1 && got.Outcome == sdk.OutcomeRefused || n == 0 && got.Outcome == sdk.OutcomeOK {
			t.Fatalf("the server saw %d writes, the outcome is %q (%v)", n, got.Outcome, got.Err)
		}
	}
}

func TestASuccessThatIsTooLargeIsUnknown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, httpx.MaxAnswerBytes+1))
	}))
	defer server.Close()
	got := client(t, server.URL, nil).SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
	if got.Outcome != sdk.OutcomeUnknown || !errors.Is(got.Err, httpx.ErrTooLarge) || len(got.Body) > httpx.MaxAnswerBytes {
		t.Errorf("outcome %q, error %v, %d bytes; want unknown, too large, at most the limit", got.Outcome, got.Err, len(got.Body))
	}
}

func TestARequestCarriesTheTokenAndTheWholeBody(t *testing.T) {
	var head http.Header
	var body, target string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		head, body, target = r.Header, string(raw), r.RequestURI
	}))
	defer server.Close()
	got := client(t, server.URL+"/api/", nil).SendOnce(t.Context(), http.MethodPost, "/v1/x", []byte(`{"a":1}`))
	if got.Outcome != sdk.OutcomeOK {
		t.Fatalf("got %+v", got)
	}
	if body != `{"a":1}` || target != "/api/v1/x" || head.Get("Authorization") != "Bearer "+token ||
		head.Get("Content-Type") != "application/json" || head.Get("User-Agent") != "test" {
		t.Errorf("the server saw %s %q %v", target, body, head)
	}
}

func TestNothingIsSentWhereNothingMayBeWritten(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	c := client(t, server.URL, nil)
	ctx := sdk.WithReadOnly(t.Context())
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		got := c.SendOnce(ctx, method, "/members", []byte(`{}`))
		if got.Outcome != sdk.OutcomeRefused || !errors.Is(got.Err, httpx.ErrReadOnly) {
			t.Errorf("%s: %+v", method, got)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests left", n)
	}
	if _, err := c.Get(ctx, "/members", nil); err != nil || requests.Load() != 1 {
		t.Errorf("a read is not a write: %v", err)
	}
}
