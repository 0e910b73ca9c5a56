package httpx

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"unicode"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxWords bounds, in characters, what [Words] and an error quote.
const maxWords = 300

// transportError is an error of sending or receiving, in words that are safe
// to show. The cause is kept only where it is an error without foreign text,
// because errors of net/http quote URLs and whatever the other end sent.
type transportError struct {
	text  string
	cause error
}

// Error returns the words.
func (e *transportError) Error() string { return e.text }

// Unwrap returns the context's error, [ErrTooLarge] or [ErrReadOnly], if it was
// one.
func (e *transportError) Unwrap() error { return e.cause }

// scrub turns err into one that names the call without its query and shows
// neither the token nor control characters.
func (c *Client) scrub(call Call, err error) error {
	path := c.base.JoinPath(call.Path).Path
	if call.Shown != "" {
		path = call.Shown
	}
	where := call.Method + " " + c.base.Host + path
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &transportError{cause: safeCause(err)}
	what := unquoted(err.Error())
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		what = "no answer in time"
	}
	e.text = c.Words(where) + ": " + c.Words(what)
	if classified, ok := errors.AsType[*sdk.Error](err); ok {
		return &sdk.Error{Class: classified.Class, Code: classified.Code, After: classified.After, Err: e}
	}
	return e
}

// unquoted leaves out what net/http quotes of an answer that is no HTTP: it may be the
// rest of another one, with a record in it.
func unquoted(text string) string {
	before, _, quotes := strings.Cut(text, `"`)
	if quotes {
		return before + "…"
	}
	return text
}

func safeCause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, ErrTooLarge, ErrReadOnly} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// Words makes text of an outside system fit to be shown: on one line, without
// control characters and without the credentials, cut to 300 characters.
func (c *Client) Words(text string) string {
	for _, secret := range c.auth.secrets() {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	var b strings.Builder
	space, count := false, 0
	for _, r := range text {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			space = b.Len() > 0
			continue
		}
		if count >= maxWords {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			count++
			space = false
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}
