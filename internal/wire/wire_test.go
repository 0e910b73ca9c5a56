package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// fake is an adapter whose answers a test sets.
type fake struct {
	conn   sdk.Connection
	read   func(context.Context, sdk.ReadRequest) (*sdk.Page, error)
	start  func(sdk.StartImportRequest) (sdk.StartImportResponse, error)
	fields []sdk.Field
	quotas []sdk.Quota
	asked  sdk.SubscribeOutcomesRequest
	check  error
	closed chan struct{}
}

func (f *fake) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	return f.read(ctx, req)
}

func (f *fake) ImportIdentity(context.Context) (sdk.ImportIdentity, error) {
	return sdk.ImportIdentity{BusinessUID: "b1", StaffUID: "s1", Matters: sdk.MatterForm{Key: "deals", Name: "title", Declared: true}}, nil
}

func (f *fake) StartImport(_ context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	return f.start(req)
}

func (f *fake) SubscribeOutcomes(_ context.Context, req sdk.SubscribeOutcomesRequest) error {
	f.asked = req
	return f.check
}
func (f *fake) ListFields(context.Context) ([]sdk.Field, error) { return f.fields, nil }
func (f *fake) Quotas(context.Context) ([]sdk.Quota, error)     { return f.quotas, nil }
func (f *fake) Check(context.Context) error                     { return f.check }
func (f *fake) Close() error                                    { close(f.closed); return nil }

func adapterOf(f *fake) sdk.Adapter {
	return sdk.Adapter{
		Name: "fake", Version: "1.0.0", Description: "A fake.",
		Settings: json.RawMessage(`{"type":"object"}`),
		Kinds: []sdk.KindInfo{
			{Kind: sdk.KindStaff, Fields: []string{"email"}, Cursor: sdk.CursorExact},
			{Kind: sdk.KindMember, Cursor: sdk.CursorWalk},
		},
		Opener: sdk.Open(func(_ context.Context, c sdk.Connection) (*fake, error) {
			f.conn = c
			return f, nil
		}),
	}
}

// pair connects both ends over a real gRPC connection.
func pair(tb testing.TB, service adapterv1.AdapterServer) *wire.Client {
	tb.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := wire.NewGRPCServer(nil)
	adapterv1.RegisterAdapterServer(srv, service)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///fake", append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return wire.NewClient(conn)
}

func opened(tb testing.TB, f *fake) *wire.Remote {
	tb.Helper()
	f.closed = make(chan struct{})
	r, err := pair(tb, wire.NewServer(adapterOf(f), slog.New(slog.DiscardHandler))).
		Open(tb.Context(), sdk.Connection{Name: "acme/gym"})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

var members = sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10}

func TestADescriptionCrossesWhole(t *testing.T) {
	a := adapterOf(&fake{})
	got, err := pair(t, wire.NewServer(a, slog.Default())).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.Describe(), got); diff != "" {
		t.Error(diff)
	}
}

func TestAConnectionCrossesWhole(t *testing.T) {
	f := &fake{}
	want := sdk.Connection{
		Name: "acme/gym", ClientID: "456", Clubs: map[string]string{"downtown": "1"}, Settings: json.RawMessage(`{"a":1}`),
		ReadOnly: true,
	}
	r, err := pair(t, wire.NewServer(adapterOf(f), slog.Default())).Open(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if f.conn.Logger == nil {
		t.Error("no logger")
	}
	f.conn.Logger = nil
	if diff := cmp.Diff(want, f.conn); diff != "" {
		t.Error(diff)
	}
	if len(r.Abilities()) != 6 {
		t.Error(r.Abilities())
	}
}

func TestAPageCrossesAsTheSameBytes(t *testing.T) {
	b := sdk.NewPageBuilder(sdk.KindMember, []string{"name", "age", "vip", "none", "null", "tags"})
	b.Add("m-1", "1", "line 2")
	b.String("Zoë")
	b.Number("12345678901234567890.10")
	b.Bool(true)
	b.Absent()
	b.Null()
	b.JSON([]byte(`["a"]`))
	b.Reject(sdk.Rejected{ID: "m-2", Position: "line 3", Reason: "no club", Raw: []byte{0xff, 0}})
	want, err := b.Page(sdk.Cursor("next"), true)
	if err != nil {
		t.Fatal(err)
	}
	want.Removed = []string{"m-3", "m-4"}
	var asked sdk.ReadRequest
	r := opened(t, &fake{read: func(_ context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
		asked = req
		return want, nil
	}})
	req := sdk.ReadRequest{Kind: sdk.KindMember, After: sdk.Cursor("before"), Limit: 10}
	got, err := r.Read(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(req, asked); diff != "" {
		t.Error(diff)
	}
}

func TestTheLargestPageFitsIntoAMessage(t *testing.T) {
	const value = 4000
	b := sdk.NewPageBuilder(sdk.KindMember, []string{"text"})
	for b.Size() < sdk.MaxPageBytes-value-100 {
		b.Add("m", "", "")
		b.Bytes(bytes.Repeat([]byte("x"), value))
	}
	for range 500 {
		b.Reject(sdk.Rejected{Raw: bytes.Repeat([]byte("r"), sdk.MaxRawBytes)})
	}
	page, err := b.Page(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	r := opened(t, &fake{read: func(context.Context, sdk.ReadRequest) (*sdk.Page, error) { return page, nil }})
	if _, err := r.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: page.Rows}); err != nil {
		t.Fatal(err)
	}
}

func TestAPageThatBreaksTheContractIsRefused(t *testing.T) {
	good := func() *sdk.Page {
		b := sdk.NewPageBuilder(sdk.KindMember, []string{"name"})
		b.Add("m-1", "", "")
		b.String("Ann")
		p, _ := b.Page(nil, true)
		return p
	}
	for name, breakIt := range map[string]func(*sdk.Page){
		"another kind":   func(p *sdk.Page) { p.Kind = sdk.KindStaff },
		"too many rows":  func(p *sdk.Page) { p.Rows = 2 },
		"ends too short": func(p *sdk.Page) { p.Ends = p.Ends[:4] },
		"end too far":    func(p *sdk.Page) { p.Ends = bytes.Repeat([]byte{0xff}, len(p.Ends)) },
		"a column twice": func(p *sdk.Page) { p.Columns = []string{"name", "name"}; p.Rows = 0 },
		"not UTF-8":      func(p *sdk.Page) { p.Cells[len(p.Cells)-1] = 0xff },
		"a long cursor":  func(p *sdk.Page) { p.Next = make(sdk.Cursor, sdk.MaxCursorBytes+1) },
		"removed: none":  func(p *sdk.Page) { p.Removed = []string{""} },
		"removed: long":  func(p *sdk.Page) { p.Removed = []string{strings.Repeat("x", 1025)} },
		"removed: UTF-8": func(p *sdk.Page) { p.Removed = []string{"\xff"} },
		"removed: many":  func(p *sdk.Page) { p.Removed = slices.Repeat([]string{strings.Repeat("x", 1024)}, 1025) },
	} {
		page := good()
		breakIt(page)
		r := opened(t, &fake{read: func(context.Context, sdk.ReadRequest) (*sdk.Page, error) { return page, nil }})
		_, err := r.Read(t.Context(), members)
		// What this end of the adapter refuses comes as its error.
		ours := errors.Is(err, sdk.ErrPage) || strings.HasPrefix(name, "removed") && wire.FromAdapter(err)
		if e := sdk.AsError(err); !ours || e.Class != sdk.ClassFail || e.Code != sdk.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMoreRecordsThanWereAskedForAreRefused(t *testing.T) {
	b := sdk.NewPageBuilder(sdk.KindMember, nil)
	for i := range members.Limit + 1 {
		b.Add(fmt.Sprint(i), "", "")
	}
	page, err := b.Page(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	r := opened(t, &fake{read: func(context.Context, sdk.ReadRequest) (*sdk.Page, error) { return page, nil }})
	if _, err := r.Read(t.Context(), members); !errors.Is(err, sdk.ErrPage) {
		t.Fatal(err)
	}
}

func TestAMessageAboveTheLimitFailsTheCall(t *testing.T) {
	page := &sdk.Page{Kind: sdk.KindMember, Cells: make([]byte, wire.MaxMessageBytes)}
	r := opened(t, &fake{read: func(context.Context, sdk.ReadRequest) (*sdk.Page, error) { return page, nil }})
	_, err := r.Read(t.Context(), members)
	if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail {
		t.Fatal(err)
	}
}

func TestAnnouncementsCrossWhole(t *testing.T) {
	want := sdk.StartImportRequest{
		Fields: []sdk.ImportField{{Key: "first_name", Label: "First name"}}, Override: true, Upload: "multi", Notify: true,
	}
	answer := sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, SessionID: "s1", Code: sdk.CodeAuth, Detail: "401"}
	var got sdk.StartImportRequest
	r := opened(t, &fake{start: func(req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
		got = req
		return answer, nil
	}})
	res, err := r.StartImport(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(answer, res); diff != "" {
		t.Error(diff)
	}
	id, err := r.ImportIdentity(t.Context())
	who := sdk.ImportIdentity{BusinessUID: "b1", StaffUID: "s1", Matters: sdk.MatterForm{Key: "deals", Name: "title", Declared: true}}
	if err != nil || id != who {
		t.Error(id, err)
	}
}

func TestAnOutcomeThatIsNotKnownIsUnknown(t *testing.T) {
	answer := sdk.StartImportResponse{Outcome: "perhaps"}
	var fail error
	r := opened(t, &fake{start: func(sdk.StartImportRequest) (sdk.StartImportResponse, error) { return answer, fail }})
	if res, err := r.StartImport(t.Context(), sdk.StartImportRequest{}); err != nil || res.Outcome != sdk.OutcomeUnknown {
		t.Error(res, err)
	}
	fail = errors.New("no idea")
	if res, err := r.StartImport(t.Context(), sdk.StartImportRequest{}); err == nil || res.Outcome != sdk.OutcomeUnknown {
		t.Error(res, err)
	}
}

func TestSubscriptionsCrossWhole(t *testing.T) {
	f := &fake{}
	r := opened(t, f)
	want := sdk.SubscribeOutcomesRequest{TargetURL: "https://sync.example.com/c/x/hook"}
	if err := r.SubscribeOutcomes(t.Context(), want); err != nil || f.asked != want {
		t.Errorf("got %+v, %v", f.asked, err)
	}
	f.check = sdk.Fail(sdk.CodeAuth, errors.New("the app token is refused"))
	if e := sdk.AsError(r.SubscribeOutcomes(t.Context(), want)); e == nil || e.Code != sdk.CodeAuth {
		t.Errorf("got %+v", e)
	}
}

func TestFieldsCrossWhole(t *testing.T) {
	want := []sdk.Field{{Key: "email", Label: "E-mail", Type: "email"}, {Key: "c1", Label: "Shoe size", Custom: true, Kind: sdk.KindMember, Required: true, MaxLength: 40}}
	got, err := opened(t, &fake{fields: want}).ListFields(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQuotasCrossWholeAndNonsenseDoesNot(t *testing.T) {
	want := []sdk.Quota{{Span: time.Minute, Limit: 60, Left: 60}, {Span: 24 * time.Hour, Limit: 1 << 40}}
	f := &fake{quotas: want}
	r := opened(t, f)
	got, err := r.Quotas(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, q := range []sdk.Quota{{}, {Span: -1, Limit: 1}, {Span: 1, Limit: 1, Left: 2}, {Span: 1, Limit: 1, Left: -1}} {
		f.quotas = []sdk.Quota{q}
		if got, err := r.Quotas(t.Context()); err == nil {
			t.Errorf("%+v was taken: %+v", q, got)
		}
	}
}

func TestEveryClassAndCodeCrosses(t *testing.T) {
	f := &fake{}
	r := opened(t, f)
	for _, class := range []sdk.Class{sdk.ClassRetry, sdk.ClassReject, sdk.ClassFail} {
		for _, code := range []sdk.Code{
			sdk.CodeConfig, sdk.CodeAuth, sdk.CodeUnavailable, sdk.CodeQuota, sdk.CodeChanged, sdk.CodeData, sdk.CodeInternal,
		} {
			f.check = fmt.Errorf("check: %w",
				&sdk.Error{Class: class, Code: code, After: 1500 * time.Microsecond, Err: errors.New("unavailable: deadline exceeded")})
			got := sdk.AsError(r.Check(t.Context()))
			if got == nil || got.Class != class || got.Code != code || got.After != 1500*time.Microsecond {
				t.Errorf("%s %s became %+v", class, code, got)
				continue
			}
			if got.Error() != f.check.Error() || !wire.FromAdapter(got) || errors.Is(got, wire.ErrTransport) {
				t.Errorf("%s %s became %q", class, code, got)
			}
		}
	}
}

func TestAnErrorWithoutAClassFailsTheRun(t *testing.T) {
	for _, err := range []error{
		errors.New("plain"), status.Error(codes.Unavailable, "an adapter's own status"), errors.New("bad \xff text"),
	} {
		got := sdk.AsError(opened(t, &fake{check: err}).Check(t.Context()))
		if got == nil || got.Class != sdk.ClassFail || got.Code != sdk.CodeInternal || !wire.FromAdapter(got) {
			t.Errorf("%v became %+v", err, got)
		}
	}
}

func TestACodeThatIsNotKnownIsInternal(t *testing.T) {
	got := sdk.AsError(opened(t, &fake{check: sdk.Fail("made up", errors.New("x"))}).Check(t.Context()))
	if got.Code != sdk.CodeInternal {
		t.Error(got.Code)
	}
}

// bare answers with a status of gRPC's own, as a broken adapter would.
type bare struct {
	adapterv1.UnimplementedAdapterServer
	code codes.Code
}

func (b bare) Describe(context.Context, *adapterv1.DescribeRequest) (*adapterv1.DescribeResponse, error) {
	return nil, status.Error(b.code, "retry later, reject this")
}

func TestAStatusWithoutDetailsIsNotTheAdapters(t *testing.T) {
	for code, class := range map[codes.Code]sdk.Class{
		codes.Unavailable: sdk.ClassRetry, codes.DeadlineExceeded: sdk.ClassRetry, codes.Canceled: sdk.ClassRetry,
		codes.Unknown: sdk.ClassFail, codes.Internal: sdk.ClassFail, codes.Unimplemented: sdk.ClassFail,
	} {
		_, err := pair(t, bare{code: code}).Describe(t.Context())
		if e := sdk.AsError(err); e == nil || e.Class != class || wire.FromAdapter(err) {
			t.Errorf("%s: %+v", code, e)
		}
		if errors.Is(err, wire.ErrTransport) != (class == sdk.ClassRetry) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestADeadlineIsTheCallersOwn(t *testing.T) {
	r := opened(t, &fake{read: func(ctx context.Context, _ sdk.ReadRequest) (*sdk.Page, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	// Which end notices first differs from call to call.
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := r.Read(ctx, members)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || sdk.AsError(err).Class != sdk.ClassRetry {
			t.Fatal(err)
		}
	}
}

func TestAPanicBecomesAnErrorWithoutItsValue(t *testing.T) {
	var log bytes.Buffer
	f := &fake{read: func(context.Context, sdk.ReadRequest) (*sdk.Page, error) { panic("ann@example.com") }}
	r, err := pair(t, wire.NewServer(adapterOf(f), slog.New(slog.NewJSONHandler(&log, nil)))).
		Open(t.Context(), sdk.Connection{Name: "acme/gym"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Read(t.Context(), members)
	if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeInternal {
		t.Fatal(err)
	}
	if bytes.Contains([]byte(err.Error()+log.String()), []byte("ann@")) || !bytes.Contains(log.Bytes(), []byte("panicked")) {
		t.Error(err, log.String())
	}
}

func TestClosingCancelsCallsThenClosesTheValue(t *testing.T) {
	begun := make(chan struct{})
	f := &fake{}
	f.read = func(ctx context.Context, _ sdk.ReadRequest) (*sdk.Page, error) {
		close(begun)
		<-ctx.Done()
		select {
		case <-f.closed:
			t.Error("closed under a call")
		default:
		}
		return nil, ctx.Err()
	}
	r := opened(t, f)
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(t.Context(), members)
		ended <- err
	}()
	<-begun
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-f.closed
	if err := <-ended; err == nil {
		t.Error("the call went on")
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error("closing twice:", err)
	}
	if _, err := r.Read(t.Context(), members); sdk.AsError(err).Code != sdk.CodeInternal {
		t.Error(err)
	}
}
