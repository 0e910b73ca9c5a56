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
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// waits returns an option that notes how long was waited instead of waiting.
func waits(into *[]time.Duration) func(*httpx.Options) {
	return func(o *httpx.Options) {
		o.Wait = func(ctx context.Context, d time.Duration) error {
			*into = append(*into, d)
			return ctx.Err()
		}
	}
}

func TestAReadIsRepeatedWhenTheSystemIsBusy(t *testing.T) {
	for _, status := range []int{429, 502, 503, 504} {
		var n atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) < 3 {
				w.WriteHeader(status)
				return
			}
			_, _ = w.Write([]byte("done"))
		}))
		a, err := client(t, server.URL, nil).Get(t.Context(), "/x", nil)
		server.Close()
		if err != nil || string(a.Body) != "done" || n.Load() != 3 {
			t.Errorf("status %d: %q, %v after %d requests; want done after 3", status, a.Body, err, n.Load())
		}
	}
}

func TestAReadThatIsNotRepeatedReturnsItsStatus(t *testing.T) {
	for _, status := range []int{200, 204, 302, 400, 401, 404, 408, 422, 500, 501} {
		var n atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		a, err := client(t, server.URL, nil).Get(t.Context(), "/x", nil)
		server.Close()
		if err != nil || a.Status != status || n.Load() != 1 {
			t.Errorf("status %d: got %d, %v after %d requests; want it after 1", status, a.Status, err, n.Load())
		}
	}
}

func TestAReadIsRepeatedWhenTheConnectionBreaks(t *testing.T) {
	s := newRawServer(t, func(n int32, conn net.Conn) bool {
		switch n {
		case 1:
			return reset(conn)
		case 2:
			write(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")
			return false
		}
		write(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
		return false
	})
	a, err := client(t, s.url, nil).Get(t.Context(), "/x", nil)
	if err != nil || string(a.Body) != "whole" {
		t.Errorf("got %q, %v", a.Body, err)
	}
}

func TestAReadGivesUpAfterItsTriesAndSaysRetry(t *testing.T) {
	var requests atomic.Int32
	s := newRawServer(t, func(_ int32, conn net.Conn) bool { requests.Add(1); return reset(conn) })
	_, err := client(t, s.url, func(o *httpx.Options) { o.Tries = 3 }).Get(t.Context(), "/x", url.Values{"secret": {token}})
	if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassRetry || e.Code != sdk.CodeUnavailable {
		t.Fatalf("got %#v, want retry", e)
	}
	if strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "GET 127.0.0.1:") {
		t.Errorf("error %q: want the call in it, not its query", err)
	}
	// A broken connection that was never reused is tried by us alone.
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestRetryAfterIsHonouredInBothFormsAndCapped(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		header string
		want   time.Duration
		left   time.Duration
	}{
		{"2", 2 * time.Second, 2 * time.Second},
		{now.Add(7 * time.Second).Format(http.TimeFormat), 7 * time.Second, 7 * time.Second},
		{"600", 20 * time.Second, 10 * time.Minute},
		{"4000000000", 0, 0},
		{"2000000000", 20 * time.Second, time.Hour},
		{now.Add(100 * time.Hour).Format(http.TimeFormat), 20 * time.Second, time.Hour},
		{now.Add(-time.Hour).Format(http.TimeFormat), 0, 0},
		{"-5", 0, 0},
		{"soon", 0, 0},
	} {
		t.Run(tt.header, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(http.StatusServiceUnavailable)
			}))
			defer server.Close()
			var waited []time.Duration
			c := client(t, server.URL, func(o *httpx.Options) {
				waits(&waited)(o)
				o.Tries, o.MaxWait, o.Now = 2, 20*time.Second, func() time.Time { return now }
			})
			a, err := c.Get(t.Context(), "/x", nil)
			if err != nil || a.Status != http.StatusServiceUnavailable || a.RetryAfter != tt.left {
				t.Fatalf("got %+v, %v; want 503 with %v left", a, err, tt.left)
			}
			if tt.want > 0 && !cmp.Equal(waited, []time.Duration{tt.want}) {
				t.Errorf("waited %v, want %v", waited, tt.want)
			}
			if tt.want == 0 && (len(waited) != 1 || waited[0] <= 0 || waited[0] > 20*time.Second) {
				t.Errorf("waited %v, want once and not long", waited)
			}
		})
	}
}

func TestAReadDoesNotWaitLongerThanItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var waited []time.Duration
	a, err := client(t, server.URL, waits(&waited)).Get(ctx, "/x", nil)
	if err != nil || a.Status != http.StatusTooManyRequests || len(waited) != 0 {
		t.Errorf("got %d, %v after waiting %v; want 429 at once", a.Status, err, waited)
	}
}

func TestACancelledReadSaysSo(t *testing.T) {
	s := newRawServer(t, func(_ int32, conn net.Conn) bool { return reset(conn) })
	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, s.url, func(o *httpx.Options) {
		o.Wait = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	})
	if _, err := c.Get(ctx, "/x", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancelled", err)
	}
}

func TestAnAnswerThatIsTooLargeFailsAndIsNotRepeated(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		_, _ = w.Write(make([]byte, httpx.MaxAnswerBytes+1))
	}))
	defer server.Close()
	_, err := client(t, server.URL, nil).Get(t.Context(), "/x", nil)
	if !errors.Is(err, httpx.ErrTooLarge) || sdk.AsError(err).Class != sdk.ClassFail || n.Load() != 1 {
		t.Errorf("got %v after %d requests", err, n.Load())
	}
}

func TestABaseURLThatCannotBeUsedIsRefusedWithoutQuotingIt(t *testing.T) {
	for _, base := range []string{
		"", "api.example.com", "ftp://api.example.com", "http://api.example.com", "https://", "https:api",
		"https://user:" + token + "@api.example.com", "https://api.example.com?key=" + token,
		"https://api.example.com#" + token, "https://" + token + "\x7f", "https://api.example.com/?",
		"http://127.0.0.1.evil.example",
	} {
		_, err := httpx.New(httpx.Options{BaseURL: base})
		if !errors.Is(err, httpx.ErrBaseURL) || strings.Contains(err.Error(), token) {
			t.Errorf("%q: got %v", base, err)
		}
	}
	for _, base := range []string{"https://api.example.com", "https://api.example.com/v1/", "http://127.0.0.1:80", "http://[::1]", "http://localhost:1"} {
		if _, err := httpx.New(httpx.Options{BaseURL: base}); err != nil {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestATokenThatCannotBeSentIsRefusedWithoutQuotingIt(t *testing.T) {
	for _, bad := range []string{token + "\n", "a " + token, token + "\x00", token + "é"} {
		_, err := httpx.New(httpx.Options{BaseURL: "https://api.example.com", Token: bad})
		if !errors.Is(err, httpx.ErrToken) || strings.Contains(err.Error(), token) {
			t.Errorf("got %v", err)
		}
	}
}

func TestPrintingAClientShowsNoToken(t *testing.T) {
	c := client(t, "https://api.example.com", nil)
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(format, *c); strings.Contains(s, token) {
			t.Errorf("%s shows the token", format)
		}
	}
}

func TestWordsAreFitToBeShown(t *testing.T) {
	c := client(t, "https://api.example.com", nil)
	for in, want := range map[string]string{
		"  plain  ":               "plain",
		"a\r\n\tb\x1b[31mc\x00":   "a b [31mc",
		"key " + token + " leaks": "key [redacted] leaks",
		strings.Repeat("é", 400):  strings.Repeat("é", 300) + "…",
		"\xff\xfebad":             "\ufffd\ufffdbad",
		"right\u202eleft":         "right left",
	} {
		if got := c.Words(in); got != want {
			t.Errorf("Words(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestWhatIsNoHTTPIsNotQuoted: it may be the rest of an answer with a record in it.
func TestWhatIsNoHTTPIsNotQuoted(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":       "{\"email\":\"ann@example.com\"}\r\n\r\n",
		"a version":     "HTTP/ann@example.com 200 OK\r\n\r\n",
		"a status":      "HTTP/1.1 ann@example.com\r\n\r\n",
		"a header":      "HTTP/1.1 200 OK\r\nann@example.com\r\n\r\n",
		"another":       "HTTP/1.1 200 OK\r\n ann@example.com\r\n\r\n",
		"a length":      "HTTP/1.1 200 OK\r\nContent-Length: ann@example.com\r\n\r\n",
		"an encoding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: ann@example.com\r\n\r\n",
		"a chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nann@example.com\r\n",
		"two lengths":   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: ann@example.com\r\n\r\nx",
		"an early hint": "HTTP/1.1 103 ann@example.com\r\nann@example.com\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
				conn.Close()
			}
		})
		c := client(t, "http://"+l.Addr().String(), func(o *httpx.Options) { o.Tries = 1 })
		_, readErr := c.Get(t.Context(), "/x", nil)
		sent := c.SendOnce(t.Context(), http.MethodPost, "/x", []byte("{}"))
		l.Close()
		serving.Wait()
		for _, err := range []error{readErr, sent.Err} {
			if err == nil || strings.Contains(err.Error(), "ann@") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
