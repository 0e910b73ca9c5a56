package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// memory is a store of runs and quarantined records.
type memory struct {
	mu         sync.Mutex
	runs       map[string]roster.Run
	quarantine []roster.Quarantined
	cursors    map[sdk.Kind]sdk.Cursor
}

func newMemory() *memory {
	return &memory{runs: map[string]roster.Run{}, cursors: map[sdk.Kind]sdk.Cursor{}}
}

func (m *memory) Cursor(_ context.Context, _ string, kind sdk.Kind) (sdk.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[kind], nil
}

func (m *memory) CreateRun(_ context.Context, run roster.Run) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[run.ID] = run
	return nil
}

func (m *memory) Run(_ context.Context, id string) (roster.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	run, ok := m.runs[id]
	if !ok {
		return run, roster.ErrNotFound
	}
	return run, nil
}

func (m *memory) UpdateRun(_ context.Context, id string, update func(*roster.Run) error) (roster.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	run := m.runs[id]
	if err := update(&run); err != nil {
		return run, err
	}
	m.runs[id] = run
	return run, nil
}

func (m *memory) Runs(_ context.Context, f roster.RunFilter) ([]roster.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []roster.Run
	for _, run := range m.runs {
		if slices.Contains(f.State, run.State) {
			found = append(found, run)
		}
	}
	return found, nil
}

func (m *memory) BeginDelivery(
	ctx context.Context, id string, d roster.Delivery, update func(*roster.Run) error,
) (roster.Run, error) {
	m.mu.Lock()
	if d.ReplaceQuarantine {
		m.quarantine = slices.DeleteFunc(m.quarantine, func(q roster.Quarantined) bool { return q.Run != id })
	}
	maps.Copy(m.cursors, d.Cursors)
	m.mu.Unlock()
	return m.UpdateRun(ctx, id, update)
}

func (m *memory) AddQuarantine(_ context.Context, records []roster.Quarantined) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quarantine = append(m.quarantine, records...)
	return 0, nil
}

func (*memory) Supersede(context.Context, string, string, sdk.Kind, []roster.Superseded) (int, error) {
	return 0, nil // an import refuses places, not forms
}

func (m *memory) DropRunQuarantine(_ context.Context, run string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quarantine = slices.DeleteFunc(m.quarantine, func(q roster.Quarantined) bool { return q.Run == run })
	return nil
}

func (m *memory) RetryQuarantine(_ context.Context, job, after string, limit int) ([]roster.Quarantined, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []roster.Quarantined
	for _, q := range m.quarantine {
		if q.Job == job && q.ID > after && q.ID != "" {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b roster.Quarantined) int { return strings.Compare(a.ID, b.ID) })
	return found[:min(limit, len(found))], nil
}

func (m *memory) codes() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	codes := map[string]int{}
	for _, q := range m.quarantine {
		codes[q.Code]++
	}
	return codes
}

// source delivers the ids, a page of at most two at a time.
type source struct {
	ids     []string
	columns []string
	reject  []sdk.Rejected
	fail    func(call int) error

	mu    sync.Mutex
	calls int
}

func (s *source) Read(_ context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		if err := s.fail(s.calls); err != nil {
			return nil, err
		}
	}
	at := 0
	if req.After != nil {
		at, _ = strconv.Atoi(string(req.After))
	}
	end := min(at+2, len(s.ids))
	b := sdk.NewPageBuilder(req.Kind, s.columns)
	for i, id := range s.ids[at:end] {
		b.Add(id, "", fmt.Sprintf("line %d", at+i+1))
		for range s.columns {
			b.Absent()
		}
	}
	if at == 0 {
		for _, r := range s.reject {
			b.Reject(r)
		}
	}
	return b.Page(sdk.Cursor(strconv.Itoa(end)), end == len(s.ids))
}

// mapper maps a record to its id; "skip" and "bad" prefixes do as they say.
type mapper struct {
	broken  error
	unknown []string
}

func (m mapper) Map(_ context.Context, page *sdk.Page) (*roster.Mapped, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	out := &roster.Mapped{Fields: []string{"external_id", "first_name"}, Unknown: m.unknown}
	for i := range page.Rows {
		row := page.Row(i)
		r := roster.MappedRecord{Row: i, ID: row.ID(), Key: row.ID(), Position: row.Position(), Data: []byte(row.ID())}
		r.Fields.Add(1)
		switch {
		case strings.HasPrefix(r.ID, "skip"):
			r.Verdict = roster.VerdictSkipped
		case strings.HasPrefix(r.ID, "bad"):
			r.Verdict, r.Stage, r.Code = roster.VerdictRejected, roster.StageMap, roster.CodeMapRejected
		case strings.HasPrefix(r.ID, "huge"):
			r.Data = make([]byte, 65<<10)
		case strings.HasPrefix(r.ID, "panic"):
			panic("a fault")
		}
		out.Records = append(out.Records, r)
	}
	return out, nil
}

// changeSet keeps what was frozen.
type changeSet struct {
	ids      []string
	finished bool
}

func (c *changeSet) Append(id string, _ []byte) error { c.ids = append(c.ids, id); return nil }
func (c *changeSet) Finish() error                    { c.finished = true; return nil }
func (c *changeSet) Abort()                           {}

// world is a runner with fakes around it.
type world struct {
	*pipeline.Runner
	store     *memory
	source    *source
	mapper    pipeline.Mapper
	changes   *changeSet
	deliver   func(ctx context.Context, run roster.Run, progress func(int)) (pipeline.Delivery, error)
	waits     []time.Duration
	created   int
	dropped   int
	abandoned int
	// abandon is told the number of each call and answers it.
	abandon     func(n int) (served int, err error)
	changesOnly bool
	// discard is told the number of each removal of a change set.
	discard func(n int)
}

const job = "acme/launch"

func newWorld(t *testing.T, store *memory, ids ...string) *world {
	t.Helper()
	w := &world{store: store, source: &source{ids: ids}, mapper: mapper{}}
	w.deliver = func(_ context.Context, run roster.Run, progress func(int)) (pipeline.Delivery, error) {
		progress(run.Counts.Frozen)
		return pipeline.Delivery{Served: run.Counts.Frozen}, nil
	}
	ids2 := 0
	w.Runner = &pipeline.Runner{
		Runs: store, Quarantine: store, Cursors: store,
		Jobs:    map[string]roster.Job{job: {Ref: job, Type: roster.JobImport}},
		Now:     func() time.Time { return time.Unix(1_800_000_000, 0).UTC() },
		NewID:   func() string { ids2++; return "run-" + strconv.Itoa(ids2) },
		Sleep:   func(_ context.Context, d time.Duration) error { w.waits = append(w.waits, d); return nil },
		Logger:  slog.New(slog.DiscardHandler),
		Open:    w.open,
		Abandon: func(context.Context, roster.Run) (int, error) { w.abandoned++; return w.abandon(w.abandoned) },
	}
	w.abandon = func(int) (int, error) { return 0, nil }
	t.Cleanup(w.Stop)
	return w
}

func (w *world) open(context.Context, roster.Run, roster.Job) (*pipeline.Flow, error) {
	return &pipeline.Flow{
		Source: w.source, Mapper: w.mapper, Script: "abc", Parallel: 3, Kinds: []sdk.Kind{sdk.KindMember},
		Changes: w.changesOnly,
		Create: func() (pipeline.ChangeSet, error) {
			w.created++
			w.changes = &changeSet{}
			return w.changes, nil
		},
		Deliver: func(ctx context.Context, run roster.Run, progress func(int)) (pipeline.Delivery, error) {
			return w.deliver(ctx, run, progress)
		},
		Discard: func() error {
			w.dropped++
			if w.discard != nil {
				w.discard(w.dropped)
			}
			return nil
		},
		Close: func() {},
	}, nil
}

// run starts the job and returns how its run ended.
func (w *world) run(t *testing.T) roster.Run {
	t.Helper()
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, err := w.Start(t.Context(), job, "manual")
	if err != nil {
		t.Fatal(err)
	}
	return w.ended(t, run.ID)
}

// ended waits for a run to end.
func (w *world) ended(t *testing.T, id string) roster.Run {
	t.Helper()
	for {
		err := w.Await(t.Context(), id)
		run, rerr := w.store.Run(t.Context(), id)
		if err = errors.Join(err, rerr); err != nil {
			t.Fatal(err)
		}
		if run.State.Ended() {
			return run
		}
	}
}
