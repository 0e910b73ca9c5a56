package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// MaxAnswerBytes bounds the body of an answer, after decompression.
const MaxAnswerBytes = 1 << 20

// maxHeaderBytes bounds the head of an answer; net/http alone would take 10 MiB.
const maxHeaderBytes = 64 << 10

// The defaults of [Options].
const (
	DefaultTimeout = 30 * time.Second
	DefaultTries   = 4
	DefaultMaxWait = 30 * time.Second
)

// Options configure a [Client]. Only BaseURL is required.
type Options struct {
	// BaseURL is where every path begins: https, or http to a loopback
	// address, without user, query and fragment.
	BaseURL string
	// AllowHTTP lets http reach private addresses as well (RFC 1918, RFC 4193).
	// What a name stands for is checked with each connection.
	AllowHTTP bool
	// CA are certificates in PEM that are trusted beside those of the system.
	CA []byte
	// Token is sent as a bearer token when it is not empty. It appears in no
	// error.
	Token string
	// Auth is another way to authorise, in place of Token.
	Auth Auth
	// Header is sent with each request. It holds no secret.
	Header http.Header
	// UserAgent names the adapter to the outside system.
	UserAgent string
	// Timeout bounds one try, from dialling to the end of the answer.
	Timeout time.Duration
	// Tries bounds how often a read is sent, the first time included.
	Tries int
	// MaxWait bounds the wait between two tries, whatever Retry-After asks for.
	MaxWait time.Duration
	// Rate is how many requests a second leave the client, reads and writes
	// together; 0 is no limit.
	Rate rate.Limit
	// Limits are the quotas of the credential, which Quotas counts together for
	// all clients that share it; nil is a count of the client's own.
	Limits Limits
	Quotas *Quotas
	// QuotaWait is the longest that a call waits for a quota; beyond it the call
	// fails with [sdk.ClassRetry], [sdk.CodeQuota] and the time to wait.
	QuotaWait time.Duration
	// Now is the clock that a Retry-After date is compared with; nil is
	// time.Now.
	Now func() time.Time
	// Wait waits between two tries; nil waits on the real clock. It returns
	// the context's error when that ends first.
	Wait func(ctx context.Context, d time.Duration) error
}

// Client calls one outside system. It serves concurrent calls.
type Client struct {
	base      *url.URL
	allowHTTP bool
	// auth holds secrets in functions only, so that printing a Client, or a
	// struct that holds one, shows none.
	auth      authorizer
	header    http.Header
	userAgent string
	tries     int
	maxWait   time.Duration
	limiter   *rate.Limiter
	quota     *quota
	limits    Limits
	quotaWait time.Duration
	now       func() time.Time
	wait      func(context.Context, time.Duration) error
	http      *http.Client
}

// Errors that [New] wraps.
var (
	ErrBaseURL = errors.New("unusable base URL")
	ErrToken   = errors.New("unusable token")
)

// New makes a client. It sends nothing.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	auth, err := authOf(o)
	if err != nil {
		return nil, err
	}
	o = withDefaults(o)
	transport, err := newTransport(o, base)
	if err != nil {
		return nil, err
	}
	c := &Client{
		base:      base,
		allowHTTP: o.AllowHTTP,
		header:    o.Header.Clone(),
		userAgent: o.UserAgent,
		tries:     o.Tries,
		maxWait:   o.MaxWait,
		limiter:   rate.NewLimiter(o.Rate, max(1, int(o.Rate))),
		quota:     o.Quotas.of(base.String(), auth.identity()),
		limits:    o.Limits,
		quotaWait: o.QuotaWait,
		now:       o.Now,
		wait:      o.Wait,
		http: &http.Client{
			Timeout:       o.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     transport,
		},
	}
	if c.auth, err = auth.authorizer(c); err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the connections that no request uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func withDefaults(o Options) Options {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Tries <= 0 {
		o.Tries = DefaultTries
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.Rate <= 0 {
		o.Rate = rate.Inf
	}
	if o.Quotas == nil {
		o.Quotas = &Quotas{}
	}
	if o.QuotaWait <= 0 {
		o.QuotaWait = DefaultQuotaWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = waitFor
	}
	return o
}

// parseBase never quotes what it was given: people paste credentials into
// URLs.
func parseBase(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: not a URL", ErrBaseURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it holds a user or a password", ErrBaseURL)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: want https://HOST, with a path where needed", ErrBaseURL)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%w: it has a query or a fragment", ErrBaseURL)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%w: http would send the token in clear; use https (http is for loopback addresses only)", ErrBaseURL)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%w: the scheme is neither https nor http", ErrBaseURL)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func checkToken(token string) error {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return fmt.Errorf("%w: it has a space, a line break or a character outside ASCII", ErrToken)
		}
	}
	return nil
}

// request builds a request that nothing below can send a second time when it
// has a body: without GetBody the transport has no way to rewind it. It returns
// the value of the header that authorises it, too.
func (c *Client) request(ctx context.Context, call Call, body io.Reader) (*http.Request, string, error) {
	u := c.base.JoinPath(call.Path)
	u.RawQuery = call.Query.Encode()
	req, err := http.NewRequestWithContext(ctx, call.Method, u.String(), body)
	if err != nil {
		return nil, "", err
	}
	req.GetBody = nil
	maps.Copy(req.Header, c.header)
	maps.Copy(req.Header, call.Header)
	req.Header.Set("Accept", "application/json")
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	if len(call.Body) > 0 {
		req.ContentLength = int64(len(call.Body))
		req.Header.Set("Content-Type", "application/json")
	}
	name, value, err := c.auth.header(ctx)
	if err != nil {
		return nil, "", err
	}
	if name != "" {
		req.Header.Set(name, value)
	}
	return req, value, nil
}

// Answer is what the outside system said.
type Answer struct {
	// Status is the HTTP status.
	Status int
	// ContentType is the media type of the body, lower case, without its
	// parameters.
	ContentType string
	// Header is the head of the answer, at most 64 KiB.
	Header http.Header
	// Body is at most [MaxAnswerBytes].
	Body []byte
	// RetryAfter is how long the system asked to wait, at most an hour; 0 when
	// it named no time.
	RetryAfter time.Duration
}

// OK reports whether the status is 2xx.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// ErrTooLarge says that an answer is over [MaxAnswerBytes].
var ErrTooLarge = errors.New("the answer is over 1 MiB")

// read takes the answer in; what was read before an error is in it.
func (c *Client) read(resp *http.Response) (Answer, error) {
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	a := Answer{
		Status:      resp.StatusCode,
		Header:      resp.Header,
		ContentType: strings.ToLower(strings.TrimSpace(mediaType)),
		RetryAfter:  retryAfter(resp.Header.Get("Retry-After"), c.now()),
	}
	var buf bytes.Buffer
	_, err := io.Copy(&buf, io.LimitReader(resp.Body, MaxAnswerBytes+1))
	a.Body = buf.Bytes()
	if len(a.Body) > MaxAnswerBytes {
		a.Body = a.Body[:MaxAnswerBytes]
		err = ErrTooLarge
	}
	return a, err
}

// backoff is how long to wait before try number n (from 1): full jitter, so
// that many connections do not come back at the same moment.
func (c *Client) backoff(n int, asked time.Duration) time.Duration {
	if asked > 0 {
		return min(asked, c.maxWait)
	}
	ceiling := min(250*time.Millisecond<<min(n, 10), c.maxWait)
	return ceiling/2 + rand.N(ceiling/2+1)
}
