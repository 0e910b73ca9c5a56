package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Call is one request.
type Call struct {
	Method string
	// Path is appended to the base URL, with its segments escaped.
	Path  string
	Query url.Values
	// Body is a JSON document; empty for none.
	Body []byte
	// Header is sent beside what the client sends.
	Header http.Header
	// Shown is what errors show in place of Path, which may hold the id of a
	// record; empty is Path.
	Shown string
}

// Get reads path, as [Client.Read] does.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (Answer, error) {
	return c.Read(ctx, Call{Method: http.MethodGet, Path: path, Query: query})
}

// Query reads by another method, mostly a POST with the query as its body. It
// is for calls that change nothing: it repeats as [Client.Read] does.
func (c *Client) Query(ctx context.Context, method, path string, query url.Values, body []byte) (Answer, error) {
	return c.Read(ctx, Call{Method: method, Path: path, Query: query, Body: body})
}

// Read makes a call that changes nothing. Network errors and the statuses 429,
// 502, 503 and 504 are tried again, after the time that the system asks for
// (Retry-After) or a growing one; a 401 once where the credentials can be renewed.
// The last answer is returned whatever its status. It gives up early when the
// context would end during the wait.
//
// An error is classified for the contract: [sdk.Retry] when no whole answer
// came, [sdk.CodeQuota] with the time to wait when a limit of [Options] is used
// up, [sdk.Fail] with [sdk.CodeAuth] when no token is issued, and with
// [sdk.CodeData] and [ErrTooLarge] when the answer is too large.
func (c *Client) Read(ctx context.Context, call Call) (Answer, error) {
	renewed := false
	for n := 1; ; n++ {
		a, sent, err := c.try(ctx, call)
		if errors.Is(err, ErrTooLarge) {
			return Answer{}, sdk.Fail(sdk.CodeData, c.scrub(call, err))
		}
		if err == nil && a.Status == http.StatusUnauthorized && !renewed && c.auth.refused(sent) >= 0 {
			renewed = true
			n--
			continue
		}
		again := err != nil && !settled(err) || repeatable(a.Status)
		wait := c.backoff(n, a.RetryAfter)
		if !again || n >= c.tries || endsWithin(ctx, wait) {
			return c.result(call, a, err)
		}
		if waitErr := c.wait(ctx, wait); waitErr != nil {
			return c.result(call, a, waitErr)
		}
	}
}

// settled reports whether trying again at once is no use: what failed is a
// quota, or the credentials.
func settled(err error) bool {
	e, ok := errors.AsType[*sdk.Error](err)
	return ok && (e.Class == sdk.ClassFail || e.Code == sdk.CodeQuota)
}

// try sends a read once; it returns what authorised it, too.
func (c *Client) try(ctx context.Context, call Call) (a Answer, sent string, err error) {
	if err := c.pass(ctx); err != nil {
		return Answer{}, "", err
	}
	var body io.Reader
	if len(call.Body) > 0 {
		body = bytes.NewReader(call.Body)
	}
	req, sent, err := c.request(ctx, call, body)
	if err != nil {
		return Answer{}, "", err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, sent, err
	}
	defer func() { _ = resp.Body.Close() }() // the body is read or given up
	a, err = c.read(resp)
	return a, sent, err
}

func (c *Client) result(call Call, a Answer, err error) (Answer, error) {
	if err == nil {
		return a, nil
	}
	err = c.scrub(call, err)
	if _, ok := errors.AsType[*sdk.Error](err); ok {
		return Answer{}, err
	}
	return Answer{}, sdk.Retry(a.RetryAfter, err)
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
