package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// target is an adapter that writes, whose answers a test sets. It notes which
// of its calls may write.
type target struct {
	info   sdk.TargetInfo
	write  func(context.Context, sdk.WriteRequest) (sdk.WriteResponse, error)
	find   func(sdk.FindRequest) (sdk.FindResponse, error)
	page   *sdk.Page
	staff  []sdk.Staff
	leads  []sdk.LeadSource
	clubs  []sdk.Club
	asked  any
	writes map[string]bool
}

func (f *target) note(ctx context.Context, call string) { f.writes[call] = !sdk.ReadOnly(ctx) }

func (f *target) Target(ctx context.Context) (sdk.TargetInfo, error) {
	f.note(ctx, "target")
	return f.info, nil
}

func (f *target) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	f.note(ctx, "write")
	return f.write(ctx, req)
}

func (f *target) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	f.note(ctx, "find")
	return f.find(req)
}

func (f *target) Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	f.note(ctx, "get")
	f.asked = req
	return f.page, nil
}

func (f *target) ListStaff(ctx context.Context) ([]sdk.Staff, error) {
	f.note(ctx, "list staff")
	return f.staff, nil
}

func (f *target) FindStaff(ctx context.Context, email string) ([]sdk.Staff, error) {
	f.note(ctx, "find staff")
	f.asked = email
	return f.staff, nil
}

func (f *target) ListLeadSources(ctx context.Context) ([]sdk.LeadSource, error) {
	f.note(ctx, "list lead sources")
	return f.leads, nil
}

func (f *target) ListClubs(ctx context.Context) ([]sdk.Club, error) {
	f.note(ctx, "list clubs")
	return f.clubs, nil
}

func (f *target) ImportIdentity(ctx context.Context) (sdk.ImportIdentity, error) {
	f.note(ctx, "identity")
	return sdk.ImportIdentity{}, nil
}

func (f *target) StartImport(ctx context.Context, _ sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	f.note(ctx, "start import")
	return sdk.StartImportResponse{Outcome: sdk.OutcomeOK}, nil
}

func (f *target) SubscribeOutcomes(ctx context.Context, _ sdk.SubscribeOutcomesRequest) error {
	f.note(ctx, "subscribe")
	return nil
}

func (f *target) Check(ctx context.Context) error {
	f.note(ctx, "check")
	return nil
}

func targetOf(f *target) sdk.Adapter {
	return sdk.Adapter{Name: "fake", Version: "1.0.0", Opener: sdk.Open(func(ctx context.Context, _ sdk.Connection) (*target, error) {
		f.writes = map[string]bool{}
		f.note(ctx, "open")
		return f, nil
	})}
}

func openTarget(tb testing.TB, f *target, readOnly bool) *wire.Remote {
	tb.Helper()
	r, err := pair(tb, wire.NewServer(targetOf(f), slog.New(slog.DiscardHandler))).
		Open(tb.Context(), sdk.Connection{Name: "acme/crm", ReadOnly: readOnly})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// answering is a target that answers every write with the same results.
func answering(results ...sdk.Result) *target {
	return &target{write: func(context.Context, sdk.WriteRequest) (sdk.WriteResponse, error) {
		return sdk.WriteResponse{Results: results}, nil
	}}
}

func creates(n int) sdk.WriteRequest {
	req := sdk.WriteRequest{Kind: sdk.KindMember}
	for i := range n {
		req.Operations = append(req.Operations, sdk.Operation{Op: sdk.OpCreate, Key: fmt.Sprint("k", i), Data: json.RawMessage(`{}`)})
	}
	return req
}

func TestWhatIsSaidOfATargetCrossesWhole(t *testing.T) {
	want := sdk.TargetInfo{Kinds: []sdk.TargetKind{
		{
			Kind: sdk.KindMember, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate}, Class: sdk.ClassBPrime,
			ExecLag: time.Minute, IndexLag: time.Second, KeyTTL: time.Hour, Update: sdk.UpdatePatch,
			Unique: "email", Natural: []string{"phone"}, Batch: 100, Finds: []string{"mobile"}, OtherFields: true,
			Fields: []sdk.TargetField{{Name: "email", Required: true, MaxLength: 80, Shorten: true, Values: []string{"a"}}},
		},
		{Kind: sdk.KindStaff, Writes: []sdk.Op{sdk.OpDelete}, Class: sdk.ClassE},
	}}
	got, err := openTarget(t, &target{info: want}, false).Target(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestADescriptionThatCannotBeReliedOnIsRefused(t *testing.T) {
	for name, breakIt := range map[string]func(*sdk.TargetKind){
		"kind":       func(k *sdk.TargetKind) { k.Kind = "dog" },
		"class":      func(k *sdk.TargetKind) { k.Class = "F" },
		"no class":   func(k *sdk.TargetKind) { k.Class = "" },
		"operation":  func(k *sdk.TargetKind) { k.Writes = []sdk.Op{"merge"} },
		"lag":        func(k *sdk.TargetKind) { k.ExecLag = -1 },
		"long lag":   func(k *sdk.TargetKind) { k.IndexLag = 365 * 24 * time.Hour },
		"key":        func(k *sdk.TargetKind) { k.KeyTTL = -1 },
		"batch":      func(k *sdk.TargetKind) { k.Batch = -1 },
		"update":     func(k *sdk.TargetKind) { k.Update = "" },
		"unique":     func(k *sdk.TargetKind) { k.Class = sdk.ClassBPrime },
		"natural":    func(k *sdk.TargetKind) { k.Class = sdk.ClassD },
		"field":      func(k *sdk.TargetKind) { k.Fields = []sdk.TargetField{{}} },
		"two fields": func(k *sdk.TargetKind) { k.Fields = []sdk.TargetField{{Name: "a"}, {Name: "a"}} },
		"length":     func(k *sdk.TargetKind) { k.Fields = []sdk.TargetField{{Name: "a", MaxLength: -1}} },
	} {
		kind := sdk.TargetKind{Kind: sdk.KindMember, Writes: []sdk.Op{sdk.OpUpdate}, Class: sdk.ClassE, Update: sdk.UpdatePatch}
		breakIt(&kind)
		_, err := openTarget(t, &target{info: sdk.TargetInfo{Kinds: []sdk.TargetKind{kind}}}, false).Target(t.Context())
		if e := sdk.AsError(err); !errors.Is(err, wire.ErrAnswer) || e.Class != sdk.ClassFail {
			t.Errorf("%s: %v", name, err)
		}
	}
	kind := sdk.TargetKind{Kind: sdk.KindMember, Class: sdk.ClassE, Batch: 1 << 20}
	f := &target{info: sdk.TargetInfo{Kinds: []sdk.TargetKind{kind, kind}}}
	if _, err := openTarget(t, f, false).Target(t.Context()); !errors.Is(err, wire.ErrAnswer) {
		t.Errorf("a kind twice: %v", err)
	}
	f.info.Kinds = f.info.Kinds[:1]
	if info, err := openTarget(t, f, false).Target(t.Context()); err != nil || info.Kinds[0].Batch != wire.MaxOperations {
		t.Errorf("a large batch: %+v, %v", info, err)
	}
}

func TestOperationsAndResultsCrossWhole(t *testing.T) {
	want := sdk.WriteRequest{Kind: sdk.KindProspect, Operations: []sdk.Operation{
		{
			Op: sdk.OpCreate, Key: "k1", Marker: "m1", Attempt: 2, Club: "7", Owner: "s1", LeadSource: "l1",
			Data: json.RawMessage(`{"a": "Zoë" }`),
		},
		{Op: sdk.OpUpdate, ID: "9", Key: "k2", Data: json.RawMessage(`not even JSON` + "\xff"), Changed: []string{"a", "owner"}},
		{Op: sdk.OpDeactivate, ID: "10"},
		{Op: sdk.OpDelete, ID: "11"},
	}}
	results := []sdk.Result{
		{Outcome: sdk.OutcomeOK, ID: "21", Warnings: []string{"the phone was shortened"}},
		{Outcome: sdk.OutcomeRefused, Class: sdk.ClassRetry, Code: sdk.CodeQuota, Detail: "429", After: time.Minute},
		{Outcome: sdk.OutcomeConflict, ID: "8", Code: sdk.CodeData, Detail: "the address is taken"},
		{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable, Detail: "502"},
	}
	var got sdk.WriteRequest
	f := &target{write: func(_ context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		got = req
		return sdk.WriteResponse{Results: results}, nil
	}}
	res, err := openTarget(t, f, false).Write(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(results, res.Results); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyWhatIsProvenIsTakenForDone(t *testing.T) {
	for name, tt := range map[string]struct{ is, want sdk.Result }{
		"no outcome":        {sdk.Result{ID: "1"}, sdk.Result{Outcome: sdk.OutcomeUnknown, ID: "1"}},
		"an unknown one":    {sdk.Result{Outcome: "perhaps"}, sdk.Result{Outcome: sdk.OutcomeUnknown}},
		"a refusal":         {sdk.Result{Outcome: sdk.OutcomeRefused}, sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassFail}},
		"an unknown class":  {sdk.Result{Outcome: sdk.OutcomeRefused, Class: "x"}, sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassFail}},
		"an unknown code":   {sdk.Result{Outcome: sdk.OutcomeUnknown, Code: "x"}, sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeInternal}},
		"a time below zero": {sdk.Result{Outcome: sdk.OutcomeUnknown, After: -1}, sdk.Result{Outcome: sdk.OutcomeUnknown}},
		"a conflict's id": {
			sdk.Result{Outcome: sdk.OutcomeConflict, ID: "\xff"}, sdk.Result{Outcome: sdk.OutcomeConflict},
		},
	} {
		res, err := openTarget(t, answering(tt.is), false).Write(t.Context(), creates(1))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, res.Results[0]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestARecordThatWasCreatedWithoutAnIDIsUnknown(t *testing.T) {
	for _, id := range []string{"", "\xff", strings.Repeat("x", 1025)} {
		res, err := openTarget(t, answering(sdk.Result{Outcome: sdk.OutcomeOK, ID: id}), false).Write(t.Context(), creates(1))
		if err != nil || res.Results[0].Outcome != sdk.OutcomeUnknown || res.Results[0].Detail == "" || res.Results[0].ID != "" {
			t.Errorf("%q: %+v, %v", id, res, err)
		}
	}
	update := sdk.WriteRequest{Kind: sdk.KindMember, Operations: []sdk.Operation{{Op: sdk.OpUpdate, ID: "1"}}}
	res, err := openTarget(t, answering(sdk.Result{Outcome: sdk.OutcomeOK}), false).Write(t.Context(), update)
	if err != nil || res.Results[0].Outcome != sdk.OutcomeOK {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestAnErrorLeavesEveryOperationUnknown(t *testing.T) {
	f := &target{}
	r := openTarget(t, f, false)
	for name, write := range map[string]func() (sdk.WriteResponse, error){
		"an error": func() (sdk.WriteResponse, error) {
			return sdk.WriteResponse{}, sdk.Retry(time.Second, errors.New("502"))
		},
		"too few results": func() (sdk.WriteResponse, error) { return sdk.WriteResponse{Results: make([]sdk.Result, 2)}, nil },
		"a panic":         func() (sdk.WriteResponse, error) { panic("x") },
	} {
		f.write = func(context.Context, sdk.WriteRequest) (sdk.WriteResponse, error) { return write() }
		res, err := r.Write(t.Context(), creates(3))
		if err == nil || len(res.Results) != 3 {
			t.Fatalf("%s: %+v, %v", name, res, err)
		}
		for _, one := range res.Results {
			if one.Outcome != sdk.OutcomeUnknown || one.Code != sdk.AsError(err).Code || one.Detail == "" {
				t.Errorf("%s: %+v", name, one)
			}
		}
	}
}

func TestAnAnswerToAnotherNumberOfOperationsIsNone(t *testing.T) {
	// An adapter that was built with another SDK may not check its results.
	r, err := pair(t, loose{}).Open(t.Context(), sdk.Connection{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Write(t.Context(), creates(2))
	if !errors.Is(err, wire.ErrAnswer) || len(res.Results) != 2 || res.Results[0].Outcome != sdk.OutcomeUnknown {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := r.Find(t.Context(), sdk.FindRequest{Queries: make([]sdk.Query, 2)}); !errors.Is(err, wire.ErrAnswer) {
		t.Error(err)
	}
	if _, err := r.Find(t.Context(), sdk.FindRequest{Queries: make([]sdk.Query, 1)}); !errors.Is(err, wire.ErrAnswer) {
		t.Error(err)
	}
	if _, err := r.ListStaff(t.Context()); !errors.Is(err, wire.ErrAnswer) {
		t.Error(err)
	}
	if _, err := r.ListLeadSources(t.Context()); !errors.Is(err, wire.ErrAnswer) {
		t.Error(err)
	}
	if _, err := r.ListClubs(t.Context()); !errors.Is(err, wire.ErrAnswer) {
		t.Error(err)
	}
}

// loose is an adapter's end that checks nothing.
type loose struct {
	adapterv1.UnimplementedAdapterServer
}

func (loose) Open(context.Context, *adapterv1.OpenRequest) (*adapterv1.OpenResponse, error) {
	return &adapterv1.OpenResponse{Handle: 1}, nil
}

func (loose) Write(context.Context, *adapterv1.WriteRequest) (*adapterv1.WriteResponse, error) {
	return &adapterv1.WriteResponse{Results: []*adapterv1.Result{{Outcome: "ok", Id: "1"}}}, nil
}

func (loose) Find(context.Context, *adapterv1.FindRequest) (*adapterv1.FindResponse, error) {
	return &adapterv1.FindResponse{Matches: []*adapterv1.Matches{{Records: []*adapterv1.Match{{}}}}}, nil
}

func (loose) ListStaff(context.Context, *adapterv1.ListStaffRequest) (*adapterv1.ListStaffResponse, error) {
	return &adapterv1.ListStaffResponse{Staff: []*adapterv1.Staff{{Email: "ann@example.com"}}}, nil
}

func (loose) ListLeadSources(context.Context, *adapterv1.ListLeadSourcesRequest) (*adapterv1.ListLeadSourcesResponse, error) {
	return &adapterv1.ListLeadSourcesResponse{LeadSources: []*adapterv1.LeadSource{{Name: "Web"}}}, nil
}

func (loose) ListClubs(context.Context, *adapterv1.ListClubsRequest) (*adapterv1.ListClubsResponse, error) {
	return &adapterv1.ListClubsResponse{Clubs: []*adapterv1.Club{{Name: "Downtown"}}}, nil
}

func TestAWriteThatCannotCrossIsRefusedAndNotSent(t *testing.T) {
	f := &target{write: func(context.Context, sdk.WriteRequest) (sdk.WriteResponse, error) {
		t.Error("it was sent")
		return sdk.WriteResponse{}, nil
	}}
	r := openTarget(t, f, false)
	large, text, name := creates(7), creates(2), creates(2)
	for i := range large.Operations {
		large.Operations[i].Data = bytes.Repeat([]byte("x"), 1<<20)
	}
	text.Operations[1].Key = "\xff"
	name.Operations[1].Changed = []string{"\xff"}
	for _, req := range []sdk.WriteRequest{creates(wire.MaxOperations + 1), large, text, name} {
		res, err := r.Write(t.Context(), req)
		if !errors.Is(err, wire.ErrNotSent) || len(res.Results) != len(req.Operations) {
			t.Fatal(err)
		}
		if one := res.Results[0]; one.Outcome != sdk.OutcomeRefused || one.Class != sdk.ClassFail {
			t.Errorf("%+v", one)
		}
	}
}

func TestTheLargestWriteAndItsAnswerFitIntoMessages(t *testing.T) {
	req := creates(wire.MaxOperations)
	results := make([]sdk.Result, len(req.Operations))
	for i := range results {
		req.Operations[i].Data = bytes.Repeat([]byte("x"), wire.MaxWriteBytes/wire.MaxOperations-20)
		results[i] = sdk.Result{
			Outcome: sdk.OutcomeOK, ID: strings.Repeat("i", 1024), Detail: strings.Repeat("d", 8192),
			Warnings: slices.Repeat([]string{strings.Repeat("w", 1024)}, 100),
		}
	}
	res, err := openTarget(t, answering(results...), false).Write(t.Context(), req)
	if err != nil || len(res.Results) != len(req.Operations) || res.Results[1999].Outcome != sdk.OutcomeOK {
		t.Fatal(err)
	}
}

func TestSearchesCrossWhole(t *testing.T) {
	want := sdk.FindRequest{Kind: sdk.KindMember, Queries: []sdk.Query{
		{Marker: "m1", Club: "7"}, {Fields: map[string]string{"email": "zoë@example.com"}}, {Marker: "m3"},
	}}
	answer := [][]sdk.Match{
		{{ID: "1", Marker: "m1", Club: "7", Data: json.RawMessage(`{"a":1}`)}}, nil, {{ID: "2"}, {ID: "3"}},
	}
	var got sdk.FindRequest
	f := &target{find: func(req sdk.FindRequest) (sdk.FindResponse, error) {
		got = req
		return sdk.FindResponse{Matches: answer}, nil
	}}
	r := openTarget(t, f, false)
	res, err := r.Find(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(answer, res.Matches); diff != "" {
		t.Error(diff)
	}
	answer[1] = slices.Repeat([]sdk.Match{{ID: "x"}}, 1000)
	if res, err = r.Find(t.Context(), want); err != nil || len(res.Matches[1]) < 2 || len(res.Matches[1]) > 100 {
		t.Errorf("%d matches, %v", len(res.Matches[1]), err)
	}
	answer[1] = []sdk.Match{{ID: "\xff"}}
	if _, err = r.Find(t.Context(), want); err == nil {
		t.Error("a match with an id that cannot be used was taken for none")
	}
	if _, err = r.Find(t.Context(), sdk.FindRequest{Queries: make([]sdk.Query, wire.MaxOperations+1)}); !errors.Is(err, wire.ErrNotSent) {
		t.Error(err)
	}
}

func pageWith(t *testing.T, ids ...string) *sdk.Page {
	t.Helper()
	b := sdk.NewPageBuilder(sdk.KindMember, []string{"name"})
	for _, id := range ids {
		b.Add(id, "", "")
		b.String("Ann")
	}
	p, err := b.Page(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyRecordsThatWereAskedForAreTaken(t *testing.T) {
	f := &target{page: pageWith(t, "2", "1")}
	r := openTarget(t, f, false)
	req := sdk.GetRequest{Kind: sdk.KindMember, IDs: []string{"1", "2", "3"}}
	page, err := r.Get(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.page, page) + cmp.Diff(any(req), f.asked); diff != "" {
		t.Error(diff)
	}
	removed := pageWith(t, "1")
	removed.Removed = []string{"2"}
	cursor := pageWith(t, "1")
	cursor.Next = sdk.Cursor("x")
	for _, f.page = range []*sdk.Page{pageWith(t, "4"), pageWith(t, "1", "1"), pageWith(t, "1", "2", "3", "4"), removed, cursor} {
		if _, err := r.Get(t.Context(), req); !errors.Is(err, sdk.ErrPage) || !errors.Is(err, wire.ErrAnswer) {
			t.Errorf("%+v: %v", f.page, err)
		}
	}
	if _, err := r.Get(t.Context(), sdk.GetRequest{IDs: make([]string, sdk.DefaultBatch+1)}); !errors.Is(err, wire.ErrNotSent) {
		t.Error(err)
	}
	f.page = nil
	if _, err := r.Get(t.Context(), req); sdk.AsError(err).Code != sdk.CodeInternal {
		t.Error(err)
	}
}

func TestStaffLeadSourcesAndClubsCrossWhole(t *testing.T) {
	f := &target{
		staff: []sdk.Staff{{ID: "1", Email: "Ann@example.com", Club: "7", Inactive: true}, {ID: "2"}},
		leads: []sdk.LeadSource{{ID: "1", Name: "Web", Club: "7", Inactive: true}, {ID: "2"}},
		clubs: []sdk.Club{{ID: "7", Name: "Downtown"}, {ID: "8"}},
	}
	r := openTarget(t, f, false)
	listed, err := r.ListStaff(t.Context())
	found, err2 := r.FindStaff(t.Context(), "ann@example.com")
	leads, err3 := r.ListLeadSources(t.Context())
	clubs, err4 := r.ListClubs(t.Context())
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.staff, listed) + cmp.Diff(f.staff, found) + cmp.Diff(f.leads, leads) + cmp.Diff(f.clubs, clubs); diff != "" || f.asked != "ann@example.com" {
		t.Error(diff, f.asked)
	}
	f.staff, f.leads, f.clubs = []sdk.Staff{{Email: "x"}}, []sdk.LeadSource{{ID: "\xff"}}, []sdk.Club{{Name: "x"}}
	_, err = r.ListStaff(t.Context())
	_, err2 = r.FindStaff(t.Context(), "x")
	_, err3 = r.ListLeadSources(t.Context())
	_, err4 = r.ListClubs(t.Context())
	if err == nil || err2 == nil || err3 == nil || err4 == nil {
		t.Error(err, err2, err3, err4)
	}
}

// everyCall makes all calls of a connection and returns the errors of those
// that write.
func everyCall(t *testing.T, r *wire.Remote) []error {
	t.Helper()
	ctx := t.Context()
	_, err1 := r.Target(ctx)
	_, err2 := r.Find(ctx, sdk.FindRequest{})
	_, err3 := r.Get(ctx, sdk.GetRequest{Kind: sdk.KindMember})
	_, err4 := r.ListStaff(ctx)
	_, err5 := r.FindStaff(ctx, "x")
	_, err6 := r.ListLeadSources(ctx)
	_, err7 := r.ImportIdentity(ctx)
	_, err8 := r.ListClubs(ctx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, r.Check(ctx)); err != nil {
		t.Fatal(err)
	}
	_, write := r.Write(ctx, creates(1))
	_, start := r.StartImport(ctx, sdk.StartImportRequest{})
	return []error{write, start, r.SubscribeOutcomes(ctx, sdk.SubscribeOutcomesRequest{})}
}

func TestOnlyWritesMayWrite(t *testing.T) {
	f := answering(sdk.Result{Outcome: sdk.OutcomeOK, ID: "1"})
	f.page, f.find = pageWith(t), func(sdk.FindRequest) (sdk.FindResponse, error) { return sdk.FindResponse{}, nil }
	if err := errors.Join(everyCall(t, openTarget(t, f, false))...); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"open": false, "target": false, "find": false, "get": false, "list staff": false, "list clubs": false, "find staff": false,
		"list lead sources": false, "identity": false, "check": false, "write": true, "start import": true, "subscribe": true,
	}
	if diff := cmp.Diff(want, f.writes); diff != "" {
		t.Error(diff)
	}
}

func TestAConnectionThatIsReadOnlyWritesNothing(t *testing.T) {
	f := answering(sdk.Result{Outcome: sdk.OutcomeOK, ID: "1"})
	f.page, f.find = pageWith(t), func(sdk.FindRequest) (sdk.FindResponse, error) { return sdk.FindResponse{}, nil }
	for i, err := range everyCall(t, openTarget(t, f, true)) {
		if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeConfig {
			t.Errorf("call %d: %v", i, err)
		}
	}
	for call, writes := range f.writes {
		if writes {
			t.Errorf("%s reached the adapter", call)
		}
	}
}
