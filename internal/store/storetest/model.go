package storetest

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// model is what a store should hold, kept in the plainest way.
type model struct {
	t     *rapid.T
	s     Store
	clock time.Duration
	runs  map[string]roster.Run
	// rows holds the entries by record and run.
	rows    map[[2]string]roster.Quarantined
	cursors map[string]sdk.Cursor
}

// modelChecks is how many histories are tried unless -rapid.checks asks for
// another number than its default: a change that is on disk costs milliseconds.
const modelChecks = "6"

func testModel(t *testing.T, open Open) {
	if checks := flag.Lookup("rapid.checks"); checks != nil && checks.Value.String() == checks.DefValue {
		must(t, checks.Value.Set(modelChecks))
		defer func() { must(t, checks.Value.Set(checks.DefValue)) }()
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := &model{
			t: rt, s: open(t, dir), runs: make(map[string]roster.Run),
			rows: make(map[[2]string]roster.Quarantined), cursors: make(map[string]sdk.Cursor),
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "update": m.update, "quarantine": m.quarantine, "drop": m.drop, "deliver": m.deliver,
			"reopen": func(*rapid.T) {
				m.must(m.s.Close())
				m.s = open(t, dir)
			},
			"": m.check,
		})
		m.must(m.s.Close())
	})
}

func (m *model) must(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) tick() time.Time {
	m.clock += time.Second
	return begin().Add(m.clock)
}

func (m *model) pick(t *rapid.T) roster.Run {
	if len(m.runs) == 0 {
		t.Skip("no run")
	}
	return m.runs[rapid.SampledFrom(slices.Sorted(maps.Keys(m.runs))).Draw(t, "run")]
}

func (m *model) create(t *rapid.T) {
	r := run(fmt.Sprintf("r%d", len(m.runs)), rapid.SampledFrom([]string{"a/x", "a/y"}).Draw(t, "job"), 0)
	r.Asked = m.tick()
	m.must(m.s.CreateRun(m.t.Context(), r))
	m.runs[r.ID] = r
}

func (m *model) update(t *rapid.T) {
	r := m.pick(t)
	r.State = rapid.SampledFrom([]roster.RunState{roster.RunQueued, roster.RunPreparing, roster.RunOK}).Draw(t, "state")
	_, err := m.s.UpdateRun(m.t.Context(), r.ID, func(stored *roster.Run) error { stored.State = r.State; return nil })
	m.must(err)
	m.runs[r.ID] = r
}

func (m *model) quarantine(t *rapid.T) {
	r := m.pick(t)
	var batch []roster.Quarantined
	for range rapid.IntRange(1, 4).Draw(t, "records") {
		q := refused(r.Job, r.ID, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "record"), 0)
		q.At = m.tick()
		q.Code = rapid.SampledFrom([]string{roster.CodeMapError, roster.CodeMapRejected}).Draw(t, "code")
		batch = append(batch, q)
	}
	_, err := m.s.AddQuarantine(m.t.Context(), batch)
	m.must(err)
	for _, q := range batch {
		m.rows[[2]string{q.ID, q.Run}] = q
	}
}

func (m *model) drop(t *rapid.T) {
	r := m.pick(t)
	m.must(m.s.DropRunQuarantine(m.t.Context(), r.ID))
	maps.DeleteFunc(m.rows, func(key [2]string, _ roster.Quarantined) bool { return key[1] == r.ID })
}

func (m *model) deliver(t *rapid.T) {
	r := m.pick(t)
	d := roster.Delivery{ReplaceQuarantine: rapid.Bool().Draw(t, "replace")}
	if rapid.Bool().Draw(t, "move") {
		m.cursors[r.Job] = sdk.Cursor(fmt.Sprint(m.tick().Unix()))
		d.Cursors = map[sdk.Kind]sdk.Cursor{sdk.KindMember: m.cursors[r.Job]}
	}
	r.State = roster.RunDelivering
	_, err := m.s.BeginDelivery(m.t.Context(), r.ID, d, func(stored *roster.Run) error { stored.State = r.State; return nil })
	m.must(err)
	m.runs[r.ID] = r
	maps.DeleteFunc(m.rows, func(key [2]string, q roster.Quarantined) bool {
		_, own := m.rows[[2]string{key[0], r.ID}]
		return q.Job == r.Job && q.Run != r.ID && (own || d.ReplaceQuarantine)
	})
}

// check compares all that can be seen of the store with the model.
func (m *model) check(t *rapid.T) {
	ctx := m.t.Context()
	for _, states := range [][]roster.RunState{nil, {roster.RunDelivering, roster.RunQueued}} {
		got, err := m.s.Runs(ctx, roster.RunFilter{State: states})
		m.must(err)
		var want []roster.Run
		for _, r := range m.runs {
			if states == nil || slices.Contains(states, r.State) {
				want = append(want, r)
			}
		}
		slices.SortFunc(want, func(a, b roster.Run) int { return b.Asked.Compare(a.Asked) })
		same(t, got, want)
	}
	latest := make(map[string]roster.Quarantined)
	for _, q := range m.rows {
		if had, ok := latest[q.ID]; !ok || q.At.After(had.At) {
			latest[q.ID] = q
		}
	}
	got, err := m.s.Quarantine(ctx, roster.QuarantineFilter{})
	m.must(err)
	same(t, ids(got, func(q roster.Quarantined) string { return q.ID }), slices.Sorted(maps.Keys(latest)))
	for _, q := range got {
		opened, err := m.s.QuarantinedByID(ctx, q.ID)
		m.must(err)
		same(t, opened, latest[q.ID])
	}
	for _, job := range []string{"a/x", "a/y"} {
		cursor, err := m.s.Cursor(ctx, job, sdk.KindMember)
		m.must(err)
		same(t, cursor, m.cursors[job])
	}
}
