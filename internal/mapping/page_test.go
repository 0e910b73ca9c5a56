package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestAPageBecomesTheSameBytesOnEveryWorker(t *testing.T) {
	t.Parallel()
	page := mapping.BenchPage(t, 60, 3)
	want := mapOne(t, load(t, newPool(t, 1), mapping.BenchSource), page)
	if first := string(want.Records[0].Data); first == "" {
		t.Fatalf("record 0 is %+v", want.Records[0])
	}
	m := load(t, newPool(t, 2), mapping.BenchSource)
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			got, err := m.Map(t.Context(), page)
			if err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	calls.Wait()
}

func TestAMappedRecordNamesItsFieldsAndItsSource(t *testing.T) {
	t.Parallel()
	m := load(t, newPool(t, 1), `function map(r)
		if r.trouble then return { first_name = r.name, email = "a@b.org" } end
		return { first_name = r.name, phone = "+1" }
	end`)
	mapped := mapOne(t, m, people(t, 2, map[int]string{1: "x"}))
	for i, want := range [][]string{{"first_name", "phone"}, {"email", "first_name"}} {
		var got []string
		for k, field := range mapped.Fields {
			if mapped.Records[i].Fields.Has(k) {
				got = append(got, field)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record %d carries other fields: %s", i, diff)
		}
		r := mapped.Records[i]
		if r.ID != fmt.Sprintf("m-%d", i) || r.Key != r.ID || r.Club != "downtown" || r.Position != fmt.Sprintf("line %d", i+2) {
			t.Errorf("record %d is %+v", i, r)
		}
	}
}

func TestAnEmptyPageIsMapped(t *testing.T) {
	t.Parallel()
	m := load(t, newPool(t, 1), "function map(r) return {} end")
	if mapped := mapOne(t, m, people(t, 0, nil)); len(mapped.Records) != 0 {
		t.Errorf("records %v", mapped.Records)
	}
}

func TestACallEndsWithItsContextOrItsMapping(t *testing.T) {
	t.Parallel()
	opts := options(1)
	opts.RecordDeadline = 1 << 40
	pool := mapping.NewPool(opts)
	m := load(t, pool, "function map(r) if r.trouble then while true do end end return { first_name = r.name } end")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	endless := people(t, 3, map[int]string{1: "x"})
	go func() {
		_, err := m.Map(ctx, endless)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
	if mapped := mapOne(t, m, people(t, 2, nil)); len(mapped.Records) != 2 {
		t.Errorf("after a cancelled call: %v", mapped.Records)
	}
	go func() {
		_, err := m.Map(t.Context(), endless)
		done <- err
	}()
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, mapping.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	script := mapping.Script{Name: "x.lua", Source: []byte("function map() end")}
	if _, err := pool.Load(t.Context(), script, account(), roster.ImportTarget(sdk.KindMember)); !errors.Is(err, mapping.ErrClosed) {
		t.Errorf("load after Close: %v", err)
	}
}

func TestAFaultOfTheScriptComesFromTheWorkerWithItsPlace(t *testing.T) {
	t.Parallel()
	pool := newPool(t, 1)
	script := mapping.Script{Name: "x.lua", Source: []byte("function map(r)\n  return recordd.name\nend")}
	_, err := pool.Load(t.Context(), script, account(), roster.ImportTarget(sdk.KindMember))
	fault, ok := errors.AsType[*mapping.ScriptError](err)
	if !ok || fault.Line != 2 || fault.File != "x.lua" || fault.Hint == "" {
		t.Errorf("%v", err)
	}
}

func TestAMalformedPageIsRefused(t *testing.T) {
	t.Parallel()
	m := load(t, newPool(t, 1), "function map(r) return { first_name = r.name } end")
	page := *people(t, 3, nil)
	page.Rows = 4
	if _, err := m.Map(t.Context(), &page); !errors.Is(err, sdk.ErrPage) {
		t.Errorf("%v, want a malformed page", err)
	}
	if mapped := mapOne(t, m, people(t, 3, nil)); len(mapped.Records) != 3 {
		t.Errorf("after a malformed page: %v", mapped.Records)
	}
}

func TestADaemonWithoutAWorkerProgramSaysSo(t *testing.T) {
	t.Parallel()
	pool := mapping.NewPool(mapping.Options{Command: []string{"/nowhere/rosterd", "map-worker"}})
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	script := mapping.Script{Name: "x.lua", Source: []byte("function map() end")}
	if _, err := pool.Load(t.Context(), script, account(), roster.ImportTarget(sdk.KindMember)); err == nil {
		t.Error("a worker was started from nowhere")
	}
}
