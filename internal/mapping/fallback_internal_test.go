package mapping

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Where shared memory is not to be had, halving finds the records that stop.
func TestHalvingFindsTheRecordWithoutSharedMemory(t *testing.T) {
	t.Parallel()
	pool := NewPool(Options{Command: []string{"/proc/self/exe", "map-worker"}, Workers: 1, RecordDeadline: 100 * time.Millisecond})
	pool.progress = func() (*os.File, []byte, error) { return nil, nil, errors.ErrUnsupported }
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	const source = `function map(r)
		if r.id == "3" then while true do end end
		return { first_name = r.id, ["only_" .. r.id] = true }
	end`
	m, err := pool.Load(t.Context(), Script{Name: "x.lua", Source: []byte(source)}, Context{}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(err)
	}
	b := sdk.NewPageBuilder(sdk.KindMember, nil)
	for i := range 9 {
		b.Add(fmt.Sprint(i), "", "")
	}
	page, err := b.Page(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := m.Map(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range mapped.Records {
		if i == 3 {
			if r.Code != roster.CodeMapStopped {
				t.Errorf("record 3 is %+v", r)
			}
			continue
		}
		carries := map[string]bool{}
		for k, name := range mapped.Fields {
			if r.Fields.Has(k) {
				carries[name] = true
			}
		}
		if r.Row != i || r.Verdict != roster.VerdictMapped || len(carries) != 2 || !carries[fmt.Sprintf("only_%d", i)] {
			t.Errorf("record %d is %+v with the fields %v", i, r, carries)
		}
	}
}

func TestAScriptThatStopsTooOftenFailsTheCall(t *testing.T) {
	t.Parallel()
	pool := NewPool(Options{Command: []string{"/proc/self/exe", "map-worker"}, Workers: 1, RecordDeadline: 10 * time.Millisecond})
	pool.maxStops = 2
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	script := Script{Name: "x.lua", Source: []byte("function map() while true do end end")}
	m, err := pool.Load(t.Context(), script, Context{}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Map(t.Context(), BenchPage(t, 20, 1))
	if fault, ok := errors.AsType[*ScriptError](err); !ok || fault.File != "x.lua" {
		t.Errorf("%v, want a fault of the script", err)
	}
}

// The hot path allocates for the values that the script handles and for
// nothing else: a change that adds a map or a copy for each record shows here.
func TestARecordCostsFewAllocations(t *testing.T) {
	for _, form := range []struct {
		name, source string
		most         float64
	}{{"function", BenchSource, 60}, {"plan", BenchPlan, 36}, {"fields of a function", BenchProxy, 34}, {"fields of a plan", BenchFields, 24}} {
		e, page := benchEngine(t, form.source), BenchPage(t, 500, 1)
		run := func() { e.mapPage(page, rowSet{to: page.Rows}, func(int) {}) }
		run()
		perRecord := testing.AllocsPerRun(2, run) / float64(page.Rows)
		t.Logf("%s: %.1f allocations a record", form.name, perRecord)
		if perRecord > form.most {
			t.Errorf("%s: %.1f allocations a record, want at most %.0f", form.name, perRecord, form.most)
		}
	}
}

func TestBothFormsOfTheBenchmarkGiveTheSame(t *testing.T) {
	page := BenchPage(t, 500, 1)
	var want []string
	for _, source := range []string{BenchSource, BenchPlan} {
		var got []string
		for _, r := range benchEngine(t, source).mapPage(page, rowSet{to: page.Rows}, func(int) {}).Records {
			got = append(got, string(r.Data)+r.Reason)
		}
		if want == nil {
			want = got
		} else if !slices.Equal(want, got) {
			t.Errorf("the plan gives\n%s\nthe function gives\n%s", got[0], want[0])
		}
	}
}
