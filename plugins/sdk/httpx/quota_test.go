package httpx_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// limited is a client on a clock that moves only when it waits.
func limited(t *testing.T, url string, c *clock, quotas *httpx.Quotas, l httpx.Limits) *httpx.Client {
	t.Helper()
	return client(t, url, func(o *httpx.Options) {
		o.Now, o.Quotas, o.Limits = c.now, quotas, l
		o.Wait = func(ctx context.Context, d time.Duration) error { c.advance(d); return ctx.Err() }
	})
}

func TestRequestsLeaveWithinTheirLimits(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
	defer server.Close()
	for name, tt := range map[string]struct {
		limits   httpx.Limits
		requests int
		want     time.Duration
	}{
		"second":            {httpx.Limits{PerSecond: 2}, 10, 4 * time.Second},
		"less than one":     {httpx.Limits{PerSecond: 0.5}, 3, 4 * time.Second},
		"minute":            {httpx.Limits{PerMinute: 10}, 10, 0},
		"second and minute": {httpx.Limits{PerSecond: 5, PerMinute: 1000}, 25, 4 * time.Second},
	} {
		c := newClock()
		began := c.now()
		client := limited(t, server.URL, c, nil, tt.limits)
		for range tt.requests {
			if _, err := client.Get(t.Context(), "/x", nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if took := c.now().Sub(began); took != tt.want {
			t.Errorf("%s: %d requests took %s, want %s", name, tt.requests, took, tt.want)
		}
	}
}

func TestAQuotaThatIsUsedUpSaysWhenItOpens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for name, tt := range map[string]struct {
		limits httpx.Limits
		span   time.Duration
		step   time.Duration
	}{
		"minute": {httpx.Limits{PerMinute: 3}, time.Minute, time.Second},
		"day":    {httpx.Limits{PerDay: 3}, 24 * time.Hour, time.Minute},
	} {
		c := newClock()
		client := limited(t, server.URL, c, nil, tt.limits)
		for range 3 {
			if _, err := client.Get(t.Context(), "/x", nil); err != nil {
				t.Fatal(err)
			}
			c.advance(tt.span / 10)
		}
		_, err := client.Get(t.Context(), "/x", nil)
		e := sdk.AsError(err)
		want := tt.span - 3*tt.span/10 + tt.step
		if e == nil || e.Class != sdk.ClassRetry || e.Code != sdk.CodeQuota || e.After < want-tt.step || e.After > want {
			t.Fatalf("%s: got %#v, want to wait %s", name, e, want)
		}
		sent := client.SendOnce(t.Context(), http.MethodPost, "/x", []byte(`{}`))
		if se, ok := errors.AsType[*sdk.Error](sent.Err); sent.Outcome != sdk.OutcomeRefused || !ok || se.After != e.After {
			t.Errorf("%s: a write: got %+v", name, sent)
		}
		c.advance(e.After)
		if _, err := client.Get(t.Context(), "/x", nil); err != nil {
			t.Errorf("%s: it does not open: %v", name, err)
		}
	}
}

// In no span of a minute do more requests leave than its limit.
func TestNoMinuteHoldsMoreThanItsLimit(t *testing.T) {
	c := newClock()
	var mu sync.Mutex
	var at []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, c.now())
	}))
	defer server.Close()
	quotas := &httpx.Quotas{}
	client := limited(t, server.URL, c, quotas, httpx.Limits{PerMinute: 7})
	for i := range 200 {
		if _, err := client.Get(t.Context(), "/x", nil); err != nil {
			c.advance(sdk.AsError(err).After)
		}
		c.advance(time.Duration(i%13) * 700 * time.Millisecond)
	}
	for i := range at {
		if j := i + 7; j < len(at) && at[j].Sub(at[i]) <= time.Minute {
			t.Fatalf("8 requests within %s", at[j].Sub(at[i]))
		}
	}
	if len(at) < 80 {
		t.Errorf("only %d requests left", len(at))
	}
}

func TestClientsOfOneCredentialCountTogether(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c, quotas := newClock(), &httpx.Quotas{}
	limits := httpx.Limits{PerDay: 2}
	for i := range 3 {
		_, err := limited(t, server.URL, c, quotas, limits).Get(t.Context(), "/x", nil)
		if (err != nil) != (i == 2) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	other := client(t, server.URL, func(o *httpx.Options) { o.Token, o.Quotas, o.Limits, o.Now = "other", quotas, limits, c.now })
	if _, err := other.Get(t.Context(), "/x", nil); err != nil {
		t.Errorf("another credential: %v", err)
	}
}

func TestACallDoesNotWaitForAQuotaLongerThanItsContext(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c := newClock()
	client := limited(t, server.URL, c, nil, httpx.Limits{PerSecond: 0.05})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i := range 2 {
		if _, err := client.Get(ctx, "/x", nil); (err != nil) != (i == 1) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

func TestWhatIsLeftOfAQuotaIsTold(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c := newClock()
	client := limited(t, server.URL, c, nil, httpx.Limits{PerSecond: 100, PerMinute: 5, PerDay: 10})
	for range 3 {
		if _, err := client.Get(t.Context(), "/x", nil); err != nil {
			t.Fatal(err)
		}
	}
	minute, day := sdk.Quota{Span: time.Minute, Limit: 5, Left: 2}, sdk.Quota{Span: 24 * time.Hour, Limit: 10, Left: 7}
	if diff := cmp.Diff([]sdk.Quota{minute, day}, client.Quotas()); diff != "" {
		t.Error(diff)
	}
	c.advance(2 * time.Minute)
	minute.Left = 5
	if diff := cmp.Diff([]sdk.Quota{minute, day}, client.Quotas()); diff != "" {
		t.Error(diff)
	}
	if got := limited(t, server.URL, c, nil, httpx.Limits{PerSecond: 1}).Quotas(); got != nil {
		t.Errorf("without a limit there is %v", got)
	}
}

// TestAClockThatStoodWrongClosesNoQuota: it stood a year ahead, and was set right.
func TestAClockThatStoodWrongClosesNoQuota(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c := newClock()
	client := limited(t, server.URL, c, nil, httpx.Limits{PerDay: 2})
	c.advance(365 * 24 * time.Hour)
	for range 2 {
		if _, err := client.Get(t.Context(), "/x", nil); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(-365 * 24 * time.Hour)
	for i := range 3 {
		if _, err := client.Get(t.Context(), "/x", nil); (err != nil) != (i == 2) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}
