package adapters_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func creates(n int) sdk.WriteRequest {
	req := sdk.WriteRequest{Kind: sdk.KindMember}
	for i := range n {
		req.Operations = append(req.Operations, sdk.Operation{Op: sdk.OpCreate, Key: fmt.Sprint("k", i), Data: []byte(`{}`)})
	}
	return req
}

func wantAll(t *testing.T, res sdk.WriteResponse, n int, outcome sdk.Outcome, class sdk.Class) {
	t.Helper()
	if len(res.Results) != n {
		t.Fatalf("%d results, want %d", len(res.Results), n)
	}
	for _, r := range res.Results {
		if r.Outcome != outcome || r.Class != class {
			t.Fatalf("%+v, want %s of class %q", r, outcome, class)
		}
	}
}

func TestEveryAbilityIsCalledInItsProcess(t *testing.T) {
	t.Parallel()
	c := open(t, newHost(t, nil, "fake"), connection("fake", ""))
	ctx := t.Context()
	info, err1 := c.Target(ctx)
	written, err2 := c.Write(ctx, creates(2))
	found, err3 := c.Find(ctx, sdk.FindRequest{Kind: sdk.KindMember, Queries: []sdk.Query{{Marker: "m"}}})
	page, err4 := c.Get(ctx, sdk.GetRequest{Kind: sdk.KindMember, IDs: []string{"1"}})
	staff, err5 := c.ListStaff(ctx)
	ann, err6 := c.FindStaff(ctx, "ann@example.com")
	leads, err7 := c.ListLeadSources(ctx)
	clubs, err8 := c.ListClubs(ctx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8); err != nil {
		t.Fatal(err)
	}
	wantAll(t, written, 2, sdk.OutcomeOK, "")
	if len(info.Kinds) != 1 || len(found.Matches) != 1 || page.Rows != 1 || len(staff) != 1 || len(ann) != 1 || len(leads) != 1 || len(clubs) != 1 {
		t.Error(info, found, page, staff, ann, leads, clubs)
	}
}

// TestAWriteWithoutAnAnswerSendsNothingAfterItReturned has an adapter that
// ignores its context and would send as soon as the outside system lets it.
func TestAWriteWithoutAnAnswerSendsNothingAfterItReturned(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(*adapters.Options) time.Duration{
		"deadline": func(o *adapters.Options) time.Duration { o.CallTimeout = 300 * time.Millisecond; return time.Minute },
		"caller":   func(*adapters.Options) time.Duration { return 300 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int32
			pids, gate, left := make(chan string, 1), make(chan struct{}), make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/gate" {
					sent.Add(1)
					return
				}
				pids <- r.URL.Query().Get("pid")
				select {
				case <-gate:
				case <-r.Context().Done():
					close(left)
				}
			}))
			defer server.Close()
			var patience time.Duration
			h := newHost(t, func(o *adapters.Options) { patience = limit(o) }, "fake")
			conn := connection("fake", "")
			conn.Settings = roster.NewSecret(fmt.Sprintf(`{"mode":"late","url":%q}`, server.URL))
			c := open(t, h, conn)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			res, err := c.Write(ctx, creates(3))
			wantClass(t, err, sdk.ClassRetry)
			wantAll(t, res, 3, sdk.OutcomeUnknown, "")
			if pid := <-pids; !gone(pid) {
				t.Fatal("the process that was to write is still there")
			}
			<-left
			close(gate)
			if n := sent.Load(); n != 0 {
				t.Errorf("%d records were sent after the write was given up", n)
			}
			// The connection goes on in another process.
			if _, err := c.ListStaff(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnAdapterThatKeepsWritesWaitingIsParked(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) {
		o.CallTimeout, o.Pause, o.Budget = 50*time.Millisecond, time.Nanosecond, 2
	}, "fake")
	c := open(t, h, connection("fake", "hang"))
	for range 2 {
		_, err := c.Write(t.Context(), creates(1))
		if !errors.Is(err, adapters.ErrCrashed) {
			t.Fatal(err)
		}
	}
	res, err := c.Write(t.Context(), creates(1))
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, res, 1, sdk.OutcomeRefused, sdk.ClassRetry)
}

func TestACallerThatGivesUpAWriteIsNotHeldAgainstTheAdapter(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.Pause, o.Budget = time.Hour, 2 }, "fake")
	c := open(t, h, connection("fake", "hang"))
	for range 3 {
		// The process is there before the time begins.
		if _, err := c.ListStaff(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := c.Write(ctx, creates(1))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

func TestAWriteThatDiedUnderWayIsUnknown(t *testing.T) {
	t.Parallel()
	c := open(t, newHost(t, nil, "fake"), connection("fake", "crash"))
	res, err := c.Write(t.Context(), creates(2))
	wantClass(t, err, sdk.ClassRetry)
	wantAll(t, res, 2, sdk.OutcomeUnknown, "")
	if !errors.Is(err, adapters.ErrCrashed) {
		t.Error(err)
	}
}

func TestAWriteThatWasNeverSentIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", ""))
	res, err := c.Write(t.Context(), creates(wire.MaxOperations+1))
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, res, wire.MaxOperations+1, sdk.OutcomeRefused, sdk.ClassFail)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{t.Context(), cancelled} {
		res, err = c.Write(ctx, creates(2))
		if err != nil {
			t.Fatal(err)
		}
		wantAll(t, res, 2, sdk.OutcomeRefused, sdk.ClassRetry)
	}
}

func TestAnErrorOfTheAdapterIsUnknownAndLeavesItsProcess(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	good := open(t, h, connection("fake", ""))
	pid := valuesOf(good)[0]
	for mode, class := range map[string]sdk.Class{"fail": sdk.ClassFail, "too few": sdk.ClassFail} {
		res, err := open(t, h, connection("fake", mode)).Write(t.Context(), creates(2))
		wantClass(t, err, class)
		wantAll(t, res, 2, sdk.OutcomeUnknown, "")
	}
	if valuesOf(good)[0] != pid {
		t.Error("the process was replaced")
	}
}

func TestAConnectionThatIsReadOnlyIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	// Each call that writes would end the process.
	c, err := h.OpenReadOnly(t.Context(), connection("fake", "crash"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Write(t.Context(), creates(2))
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, res, 2, sdk.OutcomeRefused, sdk.ClassFail)
	if res.Results[0].Code != sdk.CodeConfig {
		t.Errorf("%+v", res.Results[0])
	}
	started, err := c.StartImport(t.Context(), sdk.StartImportRequest{})
	if err != nil || started.Outcome != sdk.OutcomeRefused || started.Code != sdk.CodeConfig {
		t.Errorf("%+v, %v", started, err)
	}
	if err := c.SubscribeOutcomes(t.Context(), sdk.SubscribeOutcomesRequest{}); !errors.Is(err, adapters.ErrReadOnly) {
		t.Error(err)
	}
	staff, err := c.ListStaff(t.Context())
	if err != nil || staff[0].ID != "true" {
		t.Errorf("the adapter was not told: %+v, %v", staff, err)
	}
}
