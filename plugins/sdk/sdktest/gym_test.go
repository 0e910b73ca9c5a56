package sdktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// gym is an adapter with every ability, and the outside system behind it. A
// test breaks it by replacing what it does.
type gym struct {
	adapter sdk.Adapter
	// call is one call to the outside system.
	call func(context.Context) error
	read func(context.Context, sdk.ReadRequest) (*sdk.Page, error)
	// page changes each page that was read.
	page   func(*sdk.Page) *sdk.Page
	check  func(context.Context) error
	list   func() []sdk.Field
	quotas func(context.Context) ([]sdk.Quota, error)
	who    func() sdk.ImportIdentity
	start  func(context.Context) (sdk.StartImportResponse, error)
	opened func(settings) error
	closed func() error
	out    *outside
}

// outside is the system behind the adapter.
type outside struct {
	mu     sync.Mutex
	faulty bool
	hang   chan struct{}
	refuse bool
	lose   bool
	sent   int
}

type settings struct {
	Token string `json:"token"`
	Style string `json:"style"`
}

const token = "t0ken-of-the-gym"

var errDown = errors.New("the gym is down")

func (o *outside) set(change func(on bool)) func() func() {
	with := func(on bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		change(on)
	}
	return func() func() {
		with(true)
		return func() { with(false) }
	}
}

func (o *outside) call(ctx context.Context) error {
	o.mu.Lock()
	faulty, hang := o.faulty, o.hang
	o.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if faulty {
		return sdk.Retry(time.Second, errDown)
	}
	return ctx.Err()
}

func (o *outside) announce() (faulty, refuse, lose bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.faulty {
		o.sent++
	}
	return o.faulty, o.refuse, o.lose
}

func newGym() *gym {
	out := &outside{}
	var records []sdktest.Record
	for i := range 12 {
		records = append(records, sdktest.Record{
			ID: fmt.Sprintf("m-%d", i), Club: "1", Position: fmt.Sprintf("line %d", i+2),
			Fields: map[string]any{"name": fmt.Sprintf("Ann %d", i), "age": json.Number("42"), "vip": i%2 == 0},
		})
	}
	source := sdktest.NewSource(records...)
	g := &gym{out: out, call: out.call, page: func(p *sdk.Page) *sdk.Page { return p }}
	g.read = source.Read
	g.check = func(ctx context.Context) error { return g.call(ctx) }
	g.list = func() []sdk.Field { return []sdk.Field{{Key: "name", Label: "Name"}, {Key: "age", Label: "Age"}} }
	g.quotas = func(context.Context) ([]sdk.Quota, error) {
		return []sdk.Quota{{Span: time.Minute, Limit: 60, Left: 60}, {Span: 24 * time.Hour, Limit: 1000, Left: 0}}, nil
	}
	g.who = func() sdk.ImportIdentity { return sdk.ImportIdentity{BusinessUID: "b1"} }
	g.start = g.startImport
	g.opened = func(settings) error { return nil }
	g.closed = func() error { return nil }
	g.adapter = sdk.Adapter{
		Name: "gym", Version: "1.0.0", Description: "Reads gyms.",
		Settings: json.RawMessage(`{
			"type": "object", "additionalProperties": false, "required": ["token"],
			"properties": {
				"token": {"type": "string", "minLength": 1, "writeOnly": true, "description": "The token."},
				"style": {"enum": ["old", "new"], "description": "The style."}
			}
		}`),
		Kinds: []sdk.KindInfo{{Kind: sdk.KindMember, Cursor: sdk.CursorExact}},
		Opener: sdk.Open(func(_ context.Context, c sdk.Connection) (*conn, error) {
			var s settings
			dec := json.NewDecoder(bytes.NewReader(c.Settings))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&s); err != nil {
				return nil, sdk.Fail(sdk.CodeConfig, errors.New("the settings are none"))
			}
			if s.Token == "" || strings.Contains(s.Style, "sdktest") {
				return nil, sdk.Fail(sdk.CodeConfig, errors.New("the settings cannot work"))
			}
			return &conn{g}, g.opened(s)
		}),
	}
	return g
}

// startImport announces as an adapter should.
func (g *gym) startImport(ctx context.Context) (sdk.StartImportResponse, error) {
	if ctx.Err() != nil {
		return sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Code: sdk.CodeUnavailable, Detail: "cancelled before it was sent"}, nil //nolint:nilerr // A refusal is an answer, not an error.
	}
	switch faulty, refuse, lose := g.out.announce(); {
	case faulty:
		return sdk.StartImportResponse{}, sdk.Retry(0, errDown)
	case refuse:
		return sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Code: sdk.CodeAuth, Detail: "the token is refused"}, nil
	case lose:
		return sdk.StartImportResponse{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable, Detail: "no answer"}, nil
	}
	return sdk.StartImportResponse{Outcome: sdk.OutcomeOK, SessionID: "s1"}, nil
}

// suite is the case of the gym.
func (g *gym) suite() sdktest.Case {
	o := g.out
	return sdktest.Case{
		Adapter:     g.adapter,
		Connection:  sdk.Connection{Name: "acme/gym", Settings: json.RawMessage(`{"token":"` + token + `"}`)},
		Kinds:       []sdk.Kind{sdk.KindMember},
		BadSettings: []json.RawMessage{json.RawMessage(`{"token":""}`)},
		Fault:       o.set(func(on bool) { o.faulty = on }),
		Hang: o.set(func(on bool) {
			if on {
				o.hang = make(chan struct{})
				return
			}
			close(o.hang)
			o.hang = nil
		}),
		Import: &sdktest.Import{
			Request: sdk.StartImportRequest{Fields: []sdk.ImportField{{Key: "name", Label: "Name"}}, Upload: "single"},
			Sent: func() int {
				o.mu.Lock()
				defer o.mu.Unlock()
				return o.sent
			},
			Refuse: o.set(func(on bool) { o.refuse = on }),
			Lose:   o.set(func(on bool) { o.lose = on }),
		},
		Patience: 100 * time.Millisecond,
	}
}

// conn is one connection to the gym.
type conn struct{ g *gym }

func (c *conn) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	if err := c.g.call(ctx); err != nil {
		return nil, err
	}
	p, err := c.g.read(ctx, req)
	if err != nil {
		return nil, err
	}
	return c.g.page(p), nil
}

func (c *conn) Check(ctx context.Context) error { return c.g.check(ctx) }

func (c *conn) ListFields(ctx context.Context) ([]sdk.Field, error) {
	return c.g.list(), c.g.call(ctx)
}

func (c *conn) Quotas(ctx context.Context) ([]sdk.Quota, error) { return c.g.quotas(ctx) }

func (c *conn) ImportIdentity(context.Context) (sdk.ImportIdentity, error) { return c.g.who(), nil }

func (c *conn) StartImport(ctx context.Context, _ sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	return c.g.start(ctx)
}

func (c *conn) Close() error { return c.g.closed() }

// recorder is a test that notes what came of its sub-tests. With only it runs
// the check of that name and no other.
type recorder struct {
	ctx     context.Context
	name    string
	only    string
	results map[string]string
}

func record(t *testing.T, c sdktest.Case, only string) map[string]string {
	t.Helper()
	r := &recorder{ctx: t.Context(), only: only, results: map[string]string{}}
	sdktest.Run(r, c)
	return r.results
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Run(name string, f func(*recorder)) bool {
	if r.name != "" && r.only != "" && name != r.only {
		return true
	}
	sub := &recorder{ctx: r.ctx, name: strings.TrimPrefix(r.name+"/"+name, "/"), only: r.only, results: r.results}
	r.results[sub.name] = "ok"
	f(sub)
	return true
}

func (r *recorder) Errorf(format string, args ...any) {
	r.results[r.name] = "failed: " + fmt.Sprintf(format, args...)
}

func (r *recorder) Skipf(format string, args ...any) {
	r.results[r.name] = fmt.Sprintf(format, args...)
}
