package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Sent is what became of a write.
type Sent struct {
	Answer
	// Outcome is proven by the status, or by the point at which the sending
	// failed; see [Client.SendOnce].
	Outcome sdk.Outcome
	// Renewed says that the write was answered 401 with a token that had been
	// sent for a while, and that this is dropped: the same write may be accepted
	// with the next one.
	Renewed bool
	// Err says why there is no whole answer. It holds no credentials and no
	// query. It is an [sdk.Error] where a quota is used up, or no token is issued.
	Err error
}

// SendOnce sends body, a JSON document, exactly once: it is never repeated, by
// no transport and by no redirect. The outcome is total:
//
//   - ok: a 2xx status and a body that was read whole.
//   - refused: proven not executed. The sending failed before the first byte
//     of the body left, so that no server can have had the whole request; or
//     the status is 400, 401, 403, 404, 405, 413, 415, 422 or 429.
//   - unknown: everything else, such as a 5xx, 408, a redirect, a time-out or
//     a reset after the body began to leave, or a 2xx whose body is cut or too
//     large.
//
// A body must not be empty. Under [sdk.ReadOnly] nothing is sent: the outcome is
// refused, and Err wraps [ErrReadOnly].
func (c *Client) SendOnce(ctx context.Context, method, path string, body []byte) Sent {
	return c.Send(ctx, Call{Method: method, Path: path, Body: body})
}

// Send makes a call that changes something, as [Client.SendOnce] does. Only a
// DELETE may have no body.
func (c *Client) Send(ctx context.Context, call Call) Sent {
	refused := func(err error) Sent { return Sent{Outcome: sdk.OutcomeRefused, Err: c.scrub(call, err)} }
	if sdk.ReadOnly(ctx) {
		return refused(ErrReadOnly)
	}
	if len(call.Body) == 0 && call.Method != http.MethodDelete {
		return refused(errEmptyBody)
	}
	if err := c.pass(ctx); err != nil {
		return refused(err)
	}
	// A body without a byte is looked at all the same before a request leaves.
	once := &onceBody{rest: bytes.NewReader(call.Body)}
	req, sent, err := c.request(ctx, call, once)
	if err != nil {
		return refused(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Sent{Outcome: once.seal(), Err: c.scrub(call, err)}
	}
	defer func() { _ = resp.Body.Close() }() // the body is read or given up
	answer, err := c.read(resp)
	s := Sent{Answer: answer, Outcome: outcomeOf(answer.Status, err)}
	if err != nil {
		s.Err = c.scrub(call, err)
	}
	if answer.Status == http.StatusUnauthorized {
		s.Renewed = c.auth.refused(sent) >= tokenMargin
	}
	return s
}

// ErrReadOnly says that a write was to be sent by a call in which nothing may
// be written ([sdk.WithReadOnly]).
var ErrReadOnly = errors.New("nothing may be written by this call")

var errEmptyBody = errors.New("nothing to send")

// OutcomeOf says what a status proves of a write; see [Client.SendOnce]. It is for
// services that answer success and have the real status in the body.
func OutcomeOf(status int) sdk.Outcome { return outcomeOf(status, nil) }

// outcomeOf classifies an answer by its status; err is what went wrong while
// its body was read. A refusal stands in the status alone.
func outcomeOf(status int, err error) sdk.Outcome {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return sdk.OutcomeRefused
	}
	if status >= 200 && status <= 299 && err == nil {
		return sdk.OutcomeOK
	}
	return sdk.OutcomeUnknown
}

// onceBody is a body that remembers whether it was begun and that can be
// sealed. The transport reads it in a goroutine of its own, which may still be
// about to start when the call has already failed: only sealing makes "not
// begun" a fact that stays true.
type onceBody struct {
	mu     sync.Mutex
	rest   *bytes.Reader
	begun  bool
	sealed bool
}

// Read implements io.Reader.
func (b *onceBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, io.ErrClosedPipe
	}
	b.begun = true
	return b.rest.Read(p)
}

// Close implements io.Closer.
func (b *onceBody) Close() error { return nil }

// seal stops the body and says what its not being answered means.
func (b *onceBody) seal() sdk.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	if b.begun {
		return sdk.OutcomeUnknown
	}
	return sdk.OutcomeRefused
}
