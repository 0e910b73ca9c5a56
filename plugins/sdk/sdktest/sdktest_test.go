package sdktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

func TestAProperAdapterPasses(t *testing.T) { sdktest.Run(t, newGym().suite()) }

func TestEveryCheckIsMadeWhereTheCaseGivesItsHooks(t *testing.T) {
	results := record(t, newGym().suite(), "")
	for name, result := range results {
		if result != "ok" {
			t.Errorf("%s: %s", name, result)
		}
	}
	if len(results) < 60 {
		t.Errorf("%d checks", len(results))
	}
}

// TestABrokenAdapterIsReportedByItsCheck breaks a proper adapter in one way
// each and names the check that has to say so. "value" alone is named where
// the fault cannot reach the other end of the protocol.
func TestABrokenAdapterIsReportedByItsCheck(t *testing.T) {
	both := []string{"value", "grpc"}
	for _, tt := range []struct {
		fault string
		ways  []string
		check string
		says  string
		spoil func(*gym)
	}{
		{"it has no description", both, "describe", "no description", func(g *gym) { g.adapter.Description = "" }},
		{"a kind has no cursor semantics", both, "describe", "cursor semantics", func(g *gym) { g.adapter.Kinds[0].Cursor = "" }},
		{"the schema lets unknown settings pass", both, "settings/schema", "unknown settings", func(g *gym) {
			g.adapter.Settings = json.RawMessage(strings.Replace(string(g.adapter.Settings), `"additionalProperties": false,`, "", 1))
		}},
		{"a setting is not described", both, "settings/schema", "setting style", func(g *gym) {
			g.adapter.Settings = json.RawMessage(strings.Replace(string(g.adapter.Settings), `, "description": "The style."`, "", 1))
		}},
		{"unknown settings are accepted", both, "settings/unknown", "accepted", lenient},
		{"a value outside the enum is accepted", both, "settings/refused", "are accepted", lenient},
		{"refused settings are not classified", both, "settings/refused", "not classified", func(g *gym) {
			open := g.adapter.Opener
			g.adapter.Opener = sdk.Open(func(ctx context.Context, c sdk.Connection) (*conn, error) {
				v, err := open.Open(ctx, c)
				if err != nil {
					return nil, errors.New("no")
				}
				return v.(*conn), nil
			})
		}},
		{"an error quotes a secret", both, "checker/fault", "quotes the secret setting token", func(g *gym) {
			call := g.call
			g.call = func(ctx context.Context) error {
				if err := call(ctx); err != nil {
					return sdk.Retry(0, errors.New("GET with "+token))
				}
				return nil
			}
		}},
		{"opening calls the outside system", both, "settings/offline", errDown.Error(), func(g *gym) {
			g.opened = func(settings) error { return g.call(context.Background()) }
		}},
		{"it loses a record on resume", both, "source/member/resume", "are lost: m-2", func(g *gym) {
			// The connection remembers where it was and trusts that.
			var last atomic.Pointer[string]
			read := g.read
			g.read = func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
				after := string(req.After)
				if before := last.Load(); after != "" && (before == nil || *before != after) {
					n, err := strconv.Atoi(after)
					if err == nil {
						req.After = sdk.Cursor(strconv.Itoa(n + 1))
					}
				}
				p, err := read(ctx, req)
				if err == nil {
					next := string(p.Next)
					last.Store(&next)
				}
				return p, err
			}
		}},
		{"it ignores the limit", both, "source/member/limit", "4 records", func(g *gym) {
			read := g.read
			g.read = func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
				req.Limit += 3
				return read(ctx, req)
			}
		}},
		{"its cursor does not move", both, "source/member/limit", "has the cursor that it was read from", func(g *gym) {
			g.page = func(p *sdk.Page) *sdk.Page {
				p.Next = sdk.Cursor("0")
				return p
			}
		}},
		{"a page without records has no cursor", both, "source/member/end", "no cursor", func(g *gym) {
			g.page = func(p *sdk.Page) *sdk.Page {
				if p.Rows == 0 {
					p.Next = nil
				}
				return p
			}
		}},
		{"the end is never done", both, "source/member/read", "is not done", func(g *gym) {
			g.page = func(p *sdk.Page) *sdk.Page {
				p.Done = false
				return p
			}
		}},
		{"the cursor is too long", both, "source/member/read", "cursor of", func(g *gym) {
			g.page = func(p *sdk.Page) *sdk.Page {
				p.Next = slices.Repeat([]byte("9"), sdk.MaxCursorBytes+1)
				return p
			}
		}},
		{"a page is malformed", both, "source/member/read", "malformed page", func(g *gym) {
			g.page = func(p *sdk.Page) *sdk.Page {
				p.Ends = p.Ends[:len(p.Ends)-4]
				return p
			}
		}},
		{"a page has another kind", both, "source/member/read", "kind", func(g *gym) {
			g.page = func(p *sdk.Page) *sdk.Page {
				p.Kind = sdk.KindStaff
				return p
			}
		}},
		{"the same cursor gives another page", both, "source/member/same-cursor", "behind the same cursor", func(g *gym) {
			g.read = remembering(g.read)
		}},
		{"concurrent walks disturb each other", both, "source/member/concurrent", "in turns", func(g *gym) {
			g.read = remembering(g.read)
		}},
		{"only some records have a position", both, "source/member/position", "1 of 2", func(g *gym) {
			g.read = sdktest.NewSource(sdktest.Record{ID: "1", Position: "line 2"}, sdktest.Record{ID: "2"}).Read
		}},
		{"it ignores the context", both, "source/member/hang", "within", func(g *gym) {
			call := g.call
			g.call = func(ctx context.Context) error { return call(context.WithoutCancel(ctx)) }
		}},
		{"it does not look at a context that is done", []string{"value"}, "source/member/cancel", "no error", func(g *gym) {
			read := g.read
			g.call = func(context.Context) error { return nil }
			g.read = func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
				return read(context.WithoutCancel(ctx), req)
			}
		}},
		{"the check ignores the context", both, "checker/hang", "within", func(g *gym) {
			g.check = func(ctx context.Context) error { return g.call(context.WithoutCancel(ctx)) }
		}},
		{"the check says yes to everything", both, "checker/fault", "returns no error", func(g *gym) {
			g.check = func(ctx context.Context) error { return ctx.Err() }
		}},
		{"an error is not classified", both, "source/member/fault", "not classified", func(g *gym) {
			call := g.call
			g.call = func(ctx context.Context) error {
				if call(ctx) != nil {
					return errDown
				}
				return nil
			}
		}},
		{"a fault of the system rejects a record", both, "source/member/fault", `class "reject"`, func(g *gym) {
			call := g.call
			g.call = func(ctx context.Context) error {
				if call(ctx) != nil {
					return sdk.Reject(errDown)
				}
				return nil
			}
		}},
		{"a damaged cursor makes it panic", both, "source/member/unknown-cursor", "panicked", func(g *gym) {
			read := g.read
			g.read = func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
				p, err := read(ctx, req)
				if err != nil {
					panic(err)
				}
				return p, nil
			}
		}},
		{"a field is of no kind", both, "fields/ok", "a kind that there is not", func(g *gym) {
			g.list = func() []sdk.Field { return []sdk.Field{{Key: "name", Kind: "dog"}} }
		}},
		{"more is left than the limit", both, "quotas/ok", "of 10 requests", func(g *gym) {
			g.quotas = func(context.Context) ([]sdk.Quota, error) {
				return []sdk.Quota{{Span: time.Hour, Limit: 10, Left: 11}}, nil
			}
		}},
		{"what is left is asked for", both, "quotas/ok", "which is silent", func(g *gym) {
			g.quotas = func(ctx context.Context) ([]sdk.Quota, error) {
				if err := g.call(ctx); err != nil {
					return nil, err
				}
				return nil, nil
			}
		}},
		{"a field is listed twice", both, "fields/ok", "listed twice", func(g *gym) {
			g.list = func() []sdk.Field { return []sdk.Field{{Key: "name"}, {Key: "name"}} }
		}},
		{"the identity changes", both, "import/identity", "different identities", func(g *gym) {
			var n atomic.Int64
			g.who = func() sdk.ImportIdentity { return sdk.ImportIdentity{BusinessUID: fmt.Sprint(n.Add(1))} }
		}},
		{"an import is announced twice", both, "import/one-request", "2 announcements", func(g *gym) {
			start := g.start
			g.start = func(ctx context.Context) (sdk.StartImportResponse, error) {
				_, _ = start(ctx)
				return start(ctx)
			}
		}},
		{"a lost answer is taken for success", both, "import/lost-answer", `outcome is "ok"`, optimist},
		{"a lost answer is taken for a refusal", both, "import/lost-answer", `outcome is "refused"`, func(g *gym) {
			start := g.start
			g.start = func(ctx context.Context) (sdk.StartImportResponse, error) {
				r, err := start(ctx)
				if r.Outcome == sdk.OutcomeUnknown {
					r.Outcome = sdk.OutcomeRefused
				}
				return r, err
			}
		}},
		{"an unreachable system is taken for success", both, "import/fault", `outcome is "ok"`, optimist},
		{"an import is announced though it was cancelled", []string{"value"}, "import/cancel", "1 announcements", func(g *gym) {
			g.start = func(context.Context) (sdk.StartImportResponse, error) { return g.startImport(context.Background()) }
		}},
		{"it leaks a goroutine", both, "close/goroutines", "goroutines are left", func(g *gym) {
			stop := make(chan struct{})
			t.Cleanup(func() { close(stop) })
			g.opened = func(settings) error { go func() { <-stop }(); return nil }
		}},
		{"it prints", both, "stdout", "were printed", func(g *gym) {
			before := os.Stdout
			g.opened = func(settings) error {
				if os.Stdout != before {
					fmt.Println("opened")
				}
				return nil
			}
		}},
		{"it does not close", both, "close/again", "close the connection", func(g *gym) {
			g.closed = func() error { return errors.New("will not close") }
		}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			g := newGym()
			tt.spoil(g)
			results := record(t, g.suite(), tt.check)
			for _, way := range tt.ways {
				if got := results[way+"/"+tt.check]; !strings.HasPrefix(got, "failed") || !strings.Contains(got, tt.says) || !strings.Contains(got, "what to do: ") {
					t.Errorf("%s/%s: %q", way, tt.check, got)
				}
			}
		})
	}
}

// lenient takes any settings.
func lenient(g *gym) {
	g.adapter.Opener = sdk.Open(func(context.Context, sdk.Connection) (*conn, error) { return &conn{g}, nil })
}

// optimist answers ok whatever comes.
func optimist(g *gym) {
	start := g.start
	g.start = func(ctx context.Context) (sdk.StartImportResponse, error) {
		_, _ = start(ctx)
		return sdk.StartImportResponse{Outcome: sdk.OutcomeOK}, nil
	}
}

// remembering reads on from where the last call was, whatever the cursor says.
func remembering(read func(context.Context, sdk.ReadRequest) (*sdk.Page, error)) func(context.Context, sdk.ReadRequest) (*sdk.Page, error) {
	var last atomic.Pointer[sdk.Cursor]
	return func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
		if c := last.Load(); c != nil && req.After != nil {
			req.After = *c
		}
		p, err := read(ctx, req)
		if err == nil {
			last.Store(&p.Next)
		}
		return p, err
	}
}

// local reaches an adapter as the daemon does with a program: without a look
// inside.
type local struct{ adapter sdk.Adapter }

func (l local) Describe(context.Context) (sdk.Info, error) { return l.adapter.Describe(), nil }

func (l local) Open(ctx context.Context, c sdk.Connection) (sdktest.Opened, error) {
	v, err := l.adapter.Opener.Open(ctx, c)
	if err != nil {
		return sdktest.Opened{}, err
	}
	return sdktest.Opened{Value: v, Abilities: sdk.AbilitiesOf(v), Close: func(context.Context) error { return nil }}, nil
}

func TestEvaluateLeavesOutWhatItCannotSeeAndStartsNoImport(t *testing.T) {
	g := newGym()
	c := g.suite()
	c.Import, c.Fault, c.Hang = nil, nil, nil
	results := map[string]sdktest.Result{}
	sdktest.Evaluate(t.Context(), local{g.adapter}, c, func(r sdktest.Result) { results[r.Check] = r })
	for _, r := range results {
		if r.Status == sdktest.Failed {
			t.Errorf("%+v", r)
		}
	}
	for _, name := range []string{"close/goroutines", "stdout", "import/one-request", "source/member/fault"} {
		if r := results[name]; r.Status != sdktest.LeftOut || r.Reason == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if g.out.sent != 0 {
		t.Errorf("%d imports were started", g.out.sent)
	}
}

func TestASourceWithInclusiveCursorsPasses(t *testing.T) {
	g := newGym()
	g.adapter.Kinds[0].Cursor = sdk.CursorInclusive
	read := g.read
	// Each page but the first begins with the last record of the one before.
	g.read = func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
		if n, err := strconv.Atoi(string(req.After)); err == nil && req.Limit > 1 && n > 0 {
			req.After = sdk.Cursor(strconv.Itoa(n - 1))
		}
		return read(ctx, req)
	}
	sdktest.Run(t, g.suite())
}

func TestASourceInMemory(t *testing.T) {
	s := sdktest.NewSource(sdktest.Record{ID: "1"}, sdktest.Record{ID: "s", Kind: sdk.KindStaff})
	req := sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10}
	p, err := s.Read(t.Context(), req)
	if err != nil || p.Rows != 1 || !p.Done {
		t.Fatalf("%+v, %v", p, err)
	}
	s.Append(sdktest.Record{ID: "2"})
	req.After = p.Next
	if p, err = s.Read(t.Context(), req); err != nil || p.Rows != 1 || p.Row(0).ID() != "2" {
		t.Fatalf("%+v, %v", p, err)
	}
	want := sdk.Retry(time.Second, errDown)
	s.Fail(want)
	if _, err = s.Read(t.Context(), req); !errors.Is(err, want) || s.Reads() != 3 {
		t.Fatalf("%v after %d reads", err, s.Reads())
	}
}
