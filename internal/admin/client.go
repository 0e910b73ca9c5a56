package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

var (
	// ErrUnreachable says that no daemon answers at the address, or that it
	// stopped answering.
	ErrUnreachable = errors.New("no rosterd daemon answers")
	// ErrDenied says that a daemon may be there, but the operating system does
	// not let this user reach its socket.
	ErrDenied = errors.New("no permission to reach the rosterd daemon")
	// ErrAddress says that the address of the API cannot be understood.
	ErrAddress = errors.New("address must be unix:/path or host:port")
)

// Client asks a running daemon. It serves concurrent calls.
//
// Its methods return [ErrUnreachable] when no daemon answers, [ErrDenied] when
// its socket may not be opened, and a [Problem] when the daemon says no.
type Client struct {
	// addr is the address as a person wrote it.
	addr  string
	base  string
	token roster.Secret
	http  *http.Client
}

const (
	dialTimeout = 5 * time.Second
	// callTimeout is longer than a daemon takes for any answer, so that its
	// own words are seen.
	callTimeout = writeTimeout + 10*time.Second
	// maxAnswerBytes bounds what is read of one answer or of one event.
	maxAnswerBytes = 32 << 20
)

// Dial makes a client for the API at "unix:/path" or "host:port". It connects
// with the first call. The token is empty for a Unix socket.
func Dial(addr string, token roster.Secret) (*Client, error) {
	network, target := "tcp", addr
	base := "http://" + addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, target, base = "unix", path, "http://rosterd"
	} else if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("%w: %q", ErrAddress, addr)
	}
	if target == "" {
		return nil, fmt.Errorf("%w: %q", ErrAddress, addr)
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		// A proxy has no business between an operator and the daemon.
		Proxy: nil,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, target)
		},
		MaxIdleConns:          2,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: callTimeout,
	}
	// A redirect would carry the token elsewhere; the daemon sends none.
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{addr: addr, base: base, token: token, http: &http.Client{Transport: transport, CheckRedirect: noRedirect}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call makes one request and decodes the answer into out.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := c.open(ctx, method, path, query, "application/json")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: understand the answer: %w", method, path, err)
	}
	return nil
}

// open makes one request and returns an answer of the wanted type; anything
// else is an error.
func (c *Client) open(ctx context.Context, method, path string, query url.Values, want string) (*http.Response, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Accept", want+", application/problem+json")
	if token := c.token.Reveal(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	got, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // an unreadable type is a wrong one
	if res.StatusCode < http.StatusMultipleChoices && got == want {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res, got)
}

// refused reads the problem of an answer. What is no problem comes from
// something else than a daemon.
func (c *Client) refused(res *http.Response, mediaType string) error {
	p := &Problem{}
	if mediaType == "application/problem+json" {
		if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswerBytes)).Decode(p); err == nil && p.Code != "" {
			p.Status = res.StatusCode
			return p
		}
	}
	return &Problem{
		Type: "urn:rosterd:problem:answer.unexpected", Title: "Unexpected answer", Status: res.StatusCode, Code: "answer.unexpected",
		Detail: fmt.Sprintf("%s answered %d with %q, which is not rosterd's API", c.addr, res.StatusCode, clip(mediaType)),
		Hint:   "check listen.admin in the configuration: another program may listen there",
	}
}

// unreachable classifies a fault of the connection. The error names the
// address and never the request, which may name a record.
func (c *Client) unreachable(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w at %s", ErrDenied, c.addr)
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.addr, err)
}
