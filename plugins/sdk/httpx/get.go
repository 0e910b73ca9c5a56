package httpx

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Get reads path, which is appended to the base URL. Network errors and the
// statuses 429, 502, 503 and 504 are tried again, after the time that the
// system asks for (Retry-After) or a growing one; the last answer is returned
// whatever its status. It gives up early when the context would end during the
// wait.
//
// An error is classified for the contract: [sdk.Retry] when no whole answer
// came, [sdk.Fail] with [sdk.CodeData] and [ErrTooLarge] when it is too large.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (Answer, error) {
	for n := 1; ; n++ {
		a, err := c.get(ctx, path, query)
		if errors.Is(err, ErrTooLarge) {
			return Answer{}, sdk.Fail(sdk.CodeData, c.scrub(http.MethodGet, path, err))
		}
		again := err != nil || repeatable(a.Status)
		wait := c.backoff(n, a.RetryAfter)
		if !again || n >= c.tries || endsWithin(ctx, wait) {
			return c.result(a, path, err)
		}
		if waitErr := c.wait(ctx, wait); waitErr != nil {
			return c.result(a, path, waitErr)
		}
	}
}

func (c *Client) get(ctx context.Context, path string, query url.Values) (Answer, error) {
	if err := c.limiter.Wait(ctx); err != nil {
		return Answer{}, err
	}
	req, err := c.request(ctx, http.MethodGet, path, query, nil, 0)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // the body is read or given up
	return c.read(resp)
}

func (c *Client) result(a Answer, path string, err error) (Answer, error) {
	if err != nil {
		return Answer{}, sdk.Retry(a.RetryAfter, c.scrub(http.MethodGet, path, err))
	}
	return a, nil
}

func repeatable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// endsWithin reports whether ctx ends before the wait does.
func endsWithin(ctx context.Context, wait time.Duration) bool {
	if ctx.Err() != nil {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= wait
}
