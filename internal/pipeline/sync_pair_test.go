package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// pair is a sync between a crm and a club, on a real store.
type pair struct {
	*pipeline.Runner
	t       *testing.T
	dir     string
	store   *bolt.Store
	changes *store.ChangeSets
	from    pipeline.Source
	crm     *crm
	club    *club
	options roster.SyncOptions
	read    bool // changes
	basis   string
	mapping uint32
	mapped  atomic.Int64
	spoil   func(string) string
	kinds   []sdk.Kind
	twoWay  bool
	noFind  bool
	noGet   bool
	named   bool
	// restored makes every run one on a state that was put back.
	restored *pipeline.Restored
	clubKey  string
	// connect changes what the flow has of the target.
	connect func(*pipeline.Flow)
	clock   fakeClock
	ids     int
	refs    [2]string
	log     recordLog
	// back is the other side of a sync in two directions: a job backJob reads the
	// club and writes to it.
	back *club
}

// fakeClock moves only when it is slept on.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept += d
}

const backJob = "acme/back"

const syncJob = "acme/leads"

func newPair(t *testing.T, crm *crm, club *club) *pair {
	t.Helper()
	p := &pair{
		t: t, dir: t.TempDir(), crm: crm, from: crm, club: club, read: true, mapping: 7, basis: "one",
		kinds: []sdk.Kind{sdk.KindProspect}, refs: [2]string{"acme/crm", "acme/club"},
		options: roster.SyncOptions{
			Owner: "optional", LeadSources: "create", OnMatch: true, OnMissing: true, OnGone: "deactivate", Conflict: "from",
			Guards: roster.Guards{
				MaxCreate: roster.Limit{Count: 1000}, MaxUpdate: roster.Limit{Percent: 100, Relative: true},
				MaxDeactivate: roster.Limit{Percent: 100, Relative: true}, BlankField: roster.Limit{Percent: 100, Relative: true},
				BlockEmptySource: true,
			},
		},
	}
	p.clock.now = time.Unix(1_800_000_000, 0).UTC()
	p.begin()
	t.Cleanup(func() { p.end() })
	return p
}

// begin opens the store and starts a life of the daemon.
func (p *pair) begin() {
	p.t.Helper()
	keys, err := store.LoadKeyring(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.store, err = bolt.Open(p.t.Context(), p.dir, keys, bolt.WithClock(p.clock.Now)); err != nil {
		p.t.Fatal(err)
	}
	if p.changes, err = store.NewChangeSets(p.dir, keys); err != nil {
		p.t.Fatal(err)
	}
	began := p.clock.Now()
	p.Runner = &pipeline.Runner{
		Runs: p.store, Quarantine: p.store, Cursors: p.store, Records: &p.log,
		Jobs: map[string]roster.Job{syncJob: {Ref: syncJob, Type: roster.JobSync}, backJob: {Ref: backJob, Type: roster.JobSync}},
		Now:  p.clock.Now,
		NewID: func() string {
			p.ids++
			return fmt.Sprintf("run-%03d", p.ids)
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			p.clock.pass(d)
			p.club.settle()
			return ctx.Err()
		},
		Logger: slog.New(slog.DiscardHandler),
		Open: func(_ context.Context, run roster.Run, _ roster.Job) (*pipeline.Flow, error) {
			return p.open(run, began), nil
		},
		Abandon: func(context.Context, roster.Run) (int, error) { return 0, nil },
	}
	if err := p.Begin(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// end stops this life.
func (p *pair) end() {
	p.t.Helper()
	if p.store == nil {
		return
	}
	p.Stop()
	if err := p.store.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.store = nil
}

func (p *pair) open(run roster.Run, began time.Time) *pipeline.Flow {
	flow := &pipeline.Flow{
		Source: p.from, Script: "abc", Parallel: 2, Kinds: p.kinds, Changes: p.read, Close: func() {},
		Create: func() (pipeline.ChangeSet, error) {
			w, err := p.changes.Create(run.ID)
			return writer{w}, err
		},
		Discard: func() error { return p.changes.Remove(run.ID) },
		Sync: &pipeline.SyncFlow{
			From: p.refs[0], To: p.refs[1], Options: p.options, Links: p.store, Intents: p.store,
			Mapper: rows{p.store.DigestKey(), &p.mapped, p.spoil, p.named, p.clubKey}, Target: map[sdk.Kind]sdk.TargetKind{sdk.KindProspect: p.club.kind},
			Digests: p.store.DigestKey(), Mapping: p.mapping, TwoWay: p.twoWay, Basis: map[string]string{"script": p.basis},
			Write: p.club.Write, Get: p.club.Get, Began: began, Restored: p.restored,
			Changes: func() (pipeline.Changes, error) { return p.changes.Open(run.ID) },
		},
	}
	if !p.noFind {
		flow.Sync.Find = p.club.Find
	}
	if p.noGet {
		flow.Sync.Get = nil
	}
	if run.State == roster.RunDelivering {
		flow.Mapper, flow.Sync.Mapper, flow.Script, flow.Sync.Mapping, flow.Sync.Basis = nil, nil, "", 0, nil
	}
	if run.Job == backJob {
		p.turn(flow)
	}
	if p.connect != nil {
		p.connect(flow)
	}
	return flow
}

// turn makes a flow one of the other direction.
func (p *pair) turn(flow *pipeline.Flow) {
	s := flow.Sync
	s.From, s.To = s.To, s.From
	flow.Source, s.Write, s.Find = p.club, p.back.Write, p.back.Find
	if s.Get != nil {
		s.Get = p.back.Get
	}
	s.Target = map[sdk.Kind]sdk.TargetKind{sdk.KindProspect: p.back.kind}
}

type writer struct{ *store.ChangeSetWriter }

func (w writer) Finish() error {
	_, _, err := w.ChangeSetWriter.Finish()
	return err
}

// run starts the job and returns how its run ended.
func (p *pair) run() roster.Run { return p.order(pipeline.Order{Job: syncJob, Trigger: "manual"}) }

func (p *pair) order(o pipeline.Order) roster.Run {
	p.t.Helper()
	run, err := p.Order(p.t.Context(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.await(run.ID)
}

func (p *pair) await(id string) roster.Run {
	p.t.Helper()
	if err := p.Await(p.t.Context(), id); err != nil {
		p.t.Fatal(err)
	}
	run, err := p.store.Run(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	p.checkCounts(run)
	return run
}

// checkCounts checks that every record that was read is accounted for.
func (p *pair) checkCounts(run roster.Run) {
	p.t.Helper()
	c := run.Counts
	created, updated := 0, 0
	if c.Created != nil {
		created, updated = *c.Created, *c.Updated
	}
	if run.State != roster.RunOK && run.State != roster.RunPartial {
		return
	}
	if sum := created + updated + c.Linked + c.Unchanged + c.Skipped + c.Quarantined + c.Waiting; sum != c.Read {
		p.t.Errorf("run %s: %d read, %d accounted for: %+v created %d updated %d", run.ID, c.Read, sum, c, created, updated)
	}
	p.checkLog(run)
}

func (p *pair) route() roster.Route {
	return roster.Route{From: p.refs[0], To: p.refs[1], Kind: sdk.KindProspect}
}
