package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// InboundStore keeps records that were pushed until the jobs have read them.
type InboundStore interface {
	SaveInbound(ctx context.Context, conn string, record roster.Inbound, most int) (roster.Inbound, error)
	InboundAfter(ctx context.Context, conn string, kind sdk.Kind, after uint64, limit int) ([]roster.Inbound, error)
	InboundLatest(ctx context.Context, conn string, kind sdk.Kind, id string) (roster.Inbound, error)
	DropInbound(ctx context.Context, conn string, kind sdk.Kind, upTo uint64) (int, error)
	InboundWaiting(ctx context.Context, conn string) (int, error)
}

const pushed = "acme/crm"

func push(kind sdk.Kind, id string, fields map[string]*string) roster.Inbound {
	return roster.Inbound{Kind: kind, ID: id, Club: "12", At: begin(), Fields: fields}
}

func inboundID(r roster.Inbound) string { return fmt.Sprint(r.Seq, " ", r.ID) }

func waiting(t *testing.T, s Store, kind sdk.Kind, after uint64, limit int) []string {
	found, err := s.InboundAfter(t.Context(), pushed, kind, after, limit)
	must(t, err)
	return ids(found, inboundID)
}

func testInbound(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	same(t, waiting(t, s, sdk.KindProspect, 0, 10), nil)
	fields := map[string]*string{"first_name": new("Ann"), "mobile": nil}
	for _, id := range []string{"c", "a", "b"} {
		_, err := s.SaveInbound(ctx, pushed, push(sdk.KindProspect, id, fields), 10)
		must(t, err)
	}
	_, err := s.SaveInbound(ctx, pushed, push(sdk.KindStaff, "a", fields), 10)
	must(t, err)
	_, err = s.SaveInbound(ctx, "acme/other", push(sdk.KindStaff, "z", fields), 10)
	must(t, err)
	must(t, s.Close())

	s = open(t, dir)
	same(t, waiting(t, s, sdk.KindProspect, 0, 2), []string{"1 c", "2 a"})
	same(t, waiting(t, s, sdk.KindProspect, 2, 2), []string{"3 b"})
	same(t, waiting(t, s, sdk.KindStaff, 0, 9), []string{"4 a"})
	got, err := s.InboundLatest(ctx, pushed, sdk.KindMember, "a")
	must(t, err)
	want := push(sdk.KindProspect, "a", fields)
	want.Seq = 2
	same(t, got, want)
	_, err = s.InboundLatest(ctx, pushed, sdk.KindLeadSource, "a")
	wantErr(t, err, store.ErrNotFound)
	dropped, err := s.DropInbound(ctx, pushed, sdk.KindProspect, 2)
	must(t, err)
	same(t, dropped, 2)
	_, err = s.InboundLatest(ctx, pushed, sdk.KindMember, "a")
	wantErr(t, err, store.ErrNotFound)
	dropped, err = s.DropInbound(ctx, pushed, sdk.KindProspect, ^uint64(0))
	must(t, err)
	same(t, dropped, 1)
	must(t, s.Close())

	// A place is never given twice, or a job's cursor would pass a record.
	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	saved, err := s.SaveInbound(ctx, pushed, push(sdk.KindProspect, "a", fields), 10)
	must(t, err)
	same(t, saved.Seq, 5)
	n, err := s.InboundWaiting(ctx, pushed)
	must(t, err)
	same(t, n, 2)
}

func testInboundRepeated(t *testing.T, open Open) {
	ctx, s := t.Context(), opened(t, open)
	for _, one := range []roster.Inbound{
		push(sdk.KindProspect, "a", map[string]*string{"first_name": new("Ann"), "mobile": new("1")}),
		push(sdk.KindProspect, "b", nil),
		push(sdk.KindMember, "a", map[string]*string{"first_name": nil, "city": new("Rome")}),
	} {
		_, err := s.SaveInbound(ctx, pushed, one, 2)
		must(t, err)
	}
	same(t, waiting(t, s, sdk.KindProspect, 0, 9), []string{"2 b"})
	got, err := s.InboundAfter(ctx, pushed, sdk.KindMember, 0, 9)
	must(t, err)
	want := push(sdk.KindMember, "a", map[string]*string{"first_name": nil, "mobile": new("1"), "city": new("Rome")})
	want.Seq = 3
	same(t, got, []roster.Inbound{want})
	dropped, err := s.DropInbound(ctx, pushed, sdk.KindProspect, 3)
	must(t, err)
	same(t, dropped, 1)
	_, err = s.InboundLatest(ctx, pushed, sdk.KindProspect, "a")
	must(t, err)
}

func testInboundConcurrent(t *testing.T, open Open) {
	const callers, saves = 8, 12
	ctx, s := t.Context(), opened(t, open)
	var wg sync.WaitGroup
	errs := make(chan error, callers*saves)
	for caller := range callers {
		wg.Go(func() {
			for i := range saves {
				_, err := s.SaveInbound(ctx, pushed, push(sdk.KindMember, fmt.Sprint(caller, "-", i%4), nil), 1000)
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	found, err := s.InboundAfter(ctx, pushed, sdk.KindMember, 0, 1000)
	must(t, err)
	n, err := s.InboundWaiting(ctx, pushed)
	must(t, err)
	if len(found) != 4*callers || n != len(found) || found[len(found)-1].Seq != callers*saves {
		t.Fatalf("%d records wait, %d are counted, the last is at %d", len(found), n, found[len(found)-1].Seq)
	}
}

func testInboundBounds(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	one := push(sdk.KindMember, Canary, map[string]*string{"email": new(Canary)})
	one.Club = Canary
	_, err := s.SaveInbound(ctx, pushed, one, 1)
	must(t, err)
	_, err = s.SaveInbound(ctx, pushed, push(sdk.KindMember, "b", nil), 1)
	wantErr(t, err, store.ErrFull)
	_, err = s.SaveInbound(ctx, pushed, one, 1)
	must(t, err)
	same(t, len(waiting(t, s, sdk.KindMember, 0, 9)), 1)
	for _, conn := range []string{"", "acme/crm member", "a\x00b"} {
		_, err = s.SaveInbound(ctx, conn, one, 9)
		wantErr(t, err, roster.ErrInvalid)
	}
	_, err = s.SaveInbound(ctx, pushed, push("robot", "a", nil), 9)
	wantErr(t, err, roster.ErrInvalid)
	_, err = s.SaveInbound(ctx, pushed, push(sdk.KindMember, "", nil), 9)
	wantErr(t, err, roster.ErrInvalid)
	_, err = s.InboundAfter(ctx, pushed, "robot", 0, 9)
	wantErr(t, err, roster.ErrInvalid)
	noCanary(t, dir)
	must(t, s.Close())
	noCanary(t, dir)
}
