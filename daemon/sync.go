package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// openSync makes a sync ready for a run. Everything is opened read-only; only
// the function that writes opens the target for writing, when the run delivers.
func (p view) openSync(ctx context.Context, run roster.Run, job roster.Job, closing *closers) (*pipeline.Flow, error) {
	reader, err := p.connectReadOnly(ctx, job.To, sdk.AbilityTarget)
	if err != nil {
		return nil, err
	}
	closing.add(reader.Close)
	written, err := targetKinds(ctx, job, reader)
	if err != nil {
		return nil, err
	}
	if err := matchable(job, written, reader.Has(sdk.AbilityFinder)); err != nil {
		return nil, err
	}
	to, _ := p.connection(job.To)
	flow := &pipeline.Flow{
		Kinds: job.Kinds, Changes: job.Read == roster.ReadChanges, Parallel: runtime.GOMAXPROCS(0), Close: closing.close,
		Create: func() (pipeline.ChangeSet, error) {
			// What was planned before is out of date from here on.
			if err := p.dropOrphans(ctx); err != nil {
				return nil, err
			}
			w, err := p.changes.Create(run.ID)
			return changeSet{w}, err
		},
		Discard: func() error { return p.changes.Remove(run.ID) },
		Sync: &pipeline.SyncFlow{
			From: job.From, To: job.To, Options: job.Sync, Links: p.store, Intents: p.store,
			Target: written, Clubs: to.Clubs, Digests: p.store.DigestKey(), TwoWay: p.twoWay(job),
			Write: p.writer(run, job, closing), Margin: to.SettleMargin, Began: p.began, Restored: p.restoredFor(job),
			Changes: func() (pipeline.Changes, error) { return openChanges(p.changes, run.ID) },
		},
	}
	if reader.Has(sdk.AbilityFinder) {
		flow.Sync.Find = reader.Find
	}
	if reader.Has(sdk.AbilityGetter) {
		flow.Sync.Get = reader.Get
	}
	if reader.Has(sdk.AbilityStaffLister) {
		flow.Sync.ListStaff = reader.ListStaff
	}
	if reader.Has(sdk.AbilityStaffFinder) {
		flow.Sync.FindStaff = reader.FindStaff
	}
	if reader.Has(sdk.AbilityLeadSourceLister) {
		flow.Sync.ListLeadSources = reader.ListLeadSources
	}
	if run.State == roster.RunDelivering {
		return flow, nil
	}
	return flow, p.openSource(ctx, run, job, flow, closing)
}

// matchable refuses a job that matches people before it creates them where the target
// does not search for them: they would be there twice.
func matchable(job roster.Job, written map[sdk.Kind]sdk.TargetKind, finds bool) error {
	for _, kind := range []sdk.Kind{sdk.KindProspect, sdk.KindMember} {
		target, ok := written[kind]
		if !ok || len(pipeline.MatchFields(job.Sync.Match)) == 0 {
			continue
		}
		if field := unsearched(job, target); field != "" || !finds {
			return &roster.Fault{
				Code:    codeTarget,
				Message: fmt.Sprintf("job %s matches people before it creates them, and connection %s cannot search for records of kind %s", job.Ref, job.To, kind),
				Hint:    "see what is missing with `rosterd validate`, and add the call to the connection or leave  match  out of the job",
			}
		}
	}
	return nil
}

// openSource adds what a run needs until it delivers: the source and the script.
func (p view) openSource(ctx context.Context, run roster.Run, job roster.Job, flow *pipeline.Flow, closing *closers) error {
	source, err := p.source(ctx, run, job.From, p.connectReadOnly)
	if err != nil {
		return err
	}
	closing.add(source.Close)
	if flow.Erased, err = p.erased(ctx, job); err != nil {
		return err
	}
	script, err := p.loadSyncScript(ctx, job, flow.Sync)
	if err != nil {
		return err
	}
	closing.add(script.close)
	flow.Source, flow.Script, flow.Sync.Mapper = source, script.digest, timedRows{script, p.metrics}
	if source.Has(sdk.AbilityGetter) {
		flow.Sync.GetSource = source.Get
	}
	key := flow.Sync.Digests
	flow.Sync.Basis = map[string]string{
		"script": script.digest, "configuration": p.configurationOf(key, job), "adapters": p.adaptersOf(ctx, key, job),
	}
	flow.Sync.Mapping = mappingTag(key, script.digest, p.cfg.Accounts[job.Account], job, flow.Sync.Target)
	return nil
}

// connectReadOnly is connect for what only reads.
func (p view) connectReadOnly(ctx context.Context, ref string, need sdk.Ability) (*adapters.Conn, error) {
	return p.connectWith(ctx, ref, need, p.host.OpenReadOnly)
}

// writer returns the function that writes a run's changes. It opens the target
// for writing when it is first called, which a run that is only planned never
// does.
func (p view) writer(run roster.Run, job roster.Job, closing *closers) func(context.Context, sdk.WriteRequest) (sdk.WriteResponse, error) {
	var mu sync.Mutex
	var target *adapters.Conn
	return func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		if run.Plan && !run.Approved {
			return unwritten(req, errPlanWrites), nil
		}
		if target == nil {
			conn, err := p.connect(ctx, job.To, sdk.AbilityTarget)
			if err != nil {
				return unwritten(req, err), nil
			}
			closing.add(conn.Close)
			target = conn
		}
		return target.Write(ctx, req)
	}
}

var errPlanWrites = errors.New("a run that is only planned writes nothing")

// unwritten answers a write that was never made.
func unwritten(req sdk.WriteRequest, err error) sdk.WriteResponse {
	e := sdk.AsError(err)
	results := make([]sdk.Result, len(req.Operations))
	for i := range results {
		results[i] = sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassFail, Code: e.Code, Detail: e.Error()}
	}
	return sdk.WriteResponse{Results: results}
}

// targetKinds is what the target writes, by kind. A kind of the job that the
// target does not write is left out; staff are never written.
func targetKinds(ctx context.Context, job roster.Job, target *adapters.Conn) (map[sdk.Kind]sdk.TargetKind, error) {
	info, err := target.Target(ctx)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", job.To, err)
	}
	kinds := map[sdk.Kind]sdk.TargetKind{}
	for _, kind := range job.Kinds {
		if k, ok := info.Kind(kind); ok && kind != sdk.KindStaff {
			kinds[kind] = k
		}
	}
	return kinds, nil
}

// syncScript maps with a script loaded once for each kind: what a record has to
// satisfy depends on its kind.
type syncScript struct {
	byKind map[sdk.Kind]*mapping.Mapping
	digest string
}

// MapRows maps some records of a page.
func (s syncScript) MapRows(ctx context.Context, page *sdk.Page, rows []int) (*roster.Mapped, error) {
	mapped, err := s.byKind[page.Kind].MapRows(ctx, page, rows)
	return mapped, scriptFault(err)
}

func (s syncScript) close() error {
	var errs []error
	for _, m := range s.byKind {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

func (p view) loadSyncScript(ctx context.Context, job roster.Job, flow *pipeline.SyncFlow) (syncScript, error) {
	s := syncScript{byKind: map[sdk.Kind]*mapping.Mapping{}}
	for _, kind := range job.Kinds {
		into := roster.SyncTarget(kind, flow.Target[kind], flow.Digests, job.Sync.Policies, flow.Get != nil)
		loaded, err := p.loadScript(ctx, job, into)
		if err != nil {
			return s, errors.Join(err, s.close())
		}
		s.byKind[kind], s.digest = loaded.mapping, loaded.digest
	}
	return s, nil
}

// twoWay reports whether another job syncs the other way.
func (p view) twoWay(job roster.Job) bool {
	return slices.ContainsFunc(p.cfg.Jobs, func(other roster.Job) bool {
		return opposite(job, other)
	})
}

// configurationOf is the digest of all of the configuration that a change set
// rests on.
func (p view) configurationOf(key digest.Key, job roster.Job) string {
	from, _ := p.connection(job.From)
	to, _ := p.connection(job.To)
	return key.Text(packed(job.Sync, job.Kinds, job.Read, job.Mapping, p.cfg.Accounts[job.Account].Clubs),
		packed(from), from.Settings.Reveal(), packed(to), to.Settings.Reveal())
}

// adaptersOf is the digest of the two adapters' programs.
func (p view) adaptersOf(ctx context.Context, key digest.Key, job roster.Job) string {
	from, _ := p.connection(job.From)
	to, _ := p.connection(job.To)
	var parts []string
	for _, name := range []string{from.Adapter, to.Adapter} {
		if name == roster.AdapterInbound {
			continue // it is this program
		}
		pin, err := p.host.Pin(ctx, name)
		if err != nil {
			pin.SHA256 = err.Error()
		}
		parts = append(parts, pin.SHA256)
	}
	return key.Text(parts...)
}

// mappingTag names what makes a target record of a source record: the script and
// what it is told, and what the target asks of a record.
func mappingTag(key digest.Key, script string, account roster.Account, job roster.Job, target map[sdk.Kind]sdk.TargetKind) uint32 {
	from := account.Connections[keyOf(job.From)]
	text := key.Text(script, account.Country, account.Timezone, packed(account.Clubs, from.Clubs, job.Sync.Policies, target))
	tag, _ := strconv.ParseUint(text[:8], 16, 32)
	return max(uint32(tag), 2)
}

// keyOf is the connection's key of a ref.
func keyOf(ref string) string {
	for i := range ref {
		if ref[i] == '/' {
			return ref[i+1:]
		}
	}
	return ref
}

// packed is a digestible form of values: maps in the order of their keys.
func packed(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// closers are what a flow releases when it ends, the latest first. They serve
// concurrent calls.
type closers struct {
	mu   sync.Mutex
	list []func() error
	warn func(error)
}

func (c *closers) add(f func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, f)
}

func (c *closers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range slices.Backward(c.list) {
		if err := f(); err != nil {
			c.warn(err)
		}
	}
	c.list = nil
}
