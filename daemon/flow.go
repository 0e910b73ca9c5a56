package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// openFlow makes a job ready for a run: it opens the connections and loads the
// script. A run that is being delivered needs neither source nor script, so
// that a fault in those does not keep it from ending.
func (p view) openFlow(ctx context.Context, run roster.Run, job roster.Job) (_ *pipeline.Flow, err error) {
	if run.State != roster.RunDelivering {
		if err := store.CheckRoom(p.cfg.StateDir); err != nil {
			return nil, err
		}
	}
	closing := &closers{warn: func(err error) { p.log.Warn("not closed", "run", run.ID, "job", run.Job, "err", err) }}
	defer func() {
		if err != nil {
			closing.close()
		}
	}()
	p.tidyInbound(ctx, job, closing)
	if job.Type == roster.JobSync {
		return p.openSync(ctx, run, job, closing)
	}
	return p.openImport(ctx, run, job, closing)
}

// openImport makes an import ready.
func (p view) openImport(ctx context.Context, run roster.Run, job roster.Job, closing *closers) (*pipeline.Flow, error) {
	target, err := p.connect(ctx, job.To, sdk.AbilityImportStarter)
	if err != nil {
		return nil, err
	}
	closing.add(target.Close)
	flow := &pipeline.Flow{
		Kinds: job.Kinds, Changes: job.Read == roster.ReadChanges, Parallel: runtime.GOMAXPROCS(0), Close: closing.close,
		Create: func() (pipeline.ChangeSet, error) {
			w, err := p.changes.Create(run.ID)
			return changeSet{w}, err
		},
		Discard: func() error { return p.changes.Remove(run.ID) },
		Deliver: func(ctx context.Context, run roster.Run, progress func(int)) (pipeline.Delivery, error) {
			return p.deliver(ctx, run, job, target, progress)
		},
	}
	if run.State == roster.RunDelivering {
		return flow, nil
	}
	source, err := p.source(ctx, run, job.From, p.connect)
	if err != nil {
		return nil, err
	}
	closing.add(source.Close)
	if flow.Erased, err = p.erased(ctx, job); err != nil {
		return nil, err
	}
	into, err := mapTarget(ctx, job, target)
	if err != nil {
		return nil, err
	}
	script, err := p.loadScript(ctx, job, into)
	if err != nil {
		return nil, err
	}
	closing.add(script.mapping.Close)
	flow.Source, flow.Mapper, flow.Script = source, timedMapper{mapper{script.mapping}, p.metrics}, script.digest
	return flow, nil
}

// changeSet fits a writer of the store to what the pipeline asks for.
type changeSet struct{ *store.ChangeSetWriter }

// Finish makes the change set durable.
func (c changeSet) Finish() error {
	_, _, err := c.ChangeSetWriter.Finish()
	return err
}

// connection finds a connection by its ref.
func (p view) connection(ref string) (roster.Connection, bool) { return connectionOf(p.cfg, ref) }

// connect opens a connection and checks that it can do what the job needs.
func (p view) connect(ctx context.Context, ref string, need sdk.Ability) (*adapters.Conn, error) {
	return p.connectWith(ctx, ref, need, p.host.Open)
}

func (p view) connectWith(
	ctx context.Context, ref string, need sdk.Ability, open func(context.Context, roster.Connection) (*adapters.Conn, error),
) (*adapters.Conn, error) {
	c, ok := p.connection(ref)
	if !ok {
		return nil, &roster.Fault{Code: "config.reference", Message: "there is no connection " + ref, Hint: "run `rosterd validate`"}
	}
	info, err := adapterInfo(ctx, p.host, c.Adapter)
	if err != nil {
		return nil, connectionFault(ref, err)
	}
	if c.Settings, err = p.cfg.Settings(ref, info.Settings); err != nil {
		return nil, err
	}
	conn, err := open(ctx, c)
	if err != nil {
		return nil, connectionFault(ref, err)
	}
	if need != "" && !conn.Has(need) {
		return nil, errors.Join(&roster.Fault{
			Code:    "adapter.ability",
			Message: fmt.Sprintf("connection %s uses adapter %s, which lacks the ability %s that the job needs", ref, c.Adapter, need),
			Hint:    "`rosterd adapter list` shows what each adapter can do",
		}, conn.Close())
	}
	return conn, nil
}

const protocolHint = "install a version of the adapter that was built for this rosterd"

// connectionFault says what a person can do about a connection that does not
// open.
func connectionFault(ref string, err error) error {
	switch {
	case errors.Is(err, adapters.ErrNotInstalled):
		return &roster.Fault{
			Code: "adapter.not_installed", Message: fmt.Sprintf("connection %s: %v", ref, err),
			Hint: "put the program into plugins.dir, or correct plugins.dir or the connection's adapter; `rosterd adapter list` shows what is there",
		}
	case errors.Is(err, adapters.ErrProtocol):
		return &roster.Fault{
			Code: "adapter.protocol", Message: fmt.Sprintf("connection %s: %v", ref, err),
			Hint: protocolHint,
		}
	case errors.Is(err, adapters.ErrPin):
		return &roster.Fault{
			Code: "adapter.pin", Message: fmt.Sprintf("connection %s: %v", ref, err),
			Hint: "find out who changed the program; `rosterd adapter lock --update` accepts what is installed",
		}
	case errors.Is(err, adapters.ErrParked):
		return &roster.Fault{
			Code: "adapter.parked", Message: fmt.Sprintf("connection %s: %v", ref, err),
			Hint: "read the adapter's lines in the log, then install a corrected version or restart rosterd",
		}
	}
	return fmt.Errorf("connection %s: %w", ref, err)
}

// mapTarget is what the script of a job must make. With upload multi a client
// may hold matters, in the form that the connection's settings give.
func mapTarget(ctx context.Context, job roster.Job, target *adapters.Conn) (roster.MapTarget, error) {
	into := roster.ImportTarget(job.Kinds[0])
	if job.Upload != "multi" {
		return into, nil
	}
	identity, err := target.ImportIdentity(ctx)
	if err != nil {
		return into, fmt.Errorf("connection %s: %w", job.To, err)
	}
	return into.WithMatters(identity.Matters), nil
}

// mapper maps with a script and says what to do when that cannot go on.
type mapper struct{ mapping *mapping.Mapping }

// Map maps a page.
func (m mapper) Map(ctx context.Context, page *sdk.Page) (*roster.Mapped, error) {
	mapped, err := m.mapping.Map(ctx, page)
	return mapped, scriptFault(err)
}

// scriptFault makes the fault of a run of what is wrong with its script; other
// errors stay what they are.
func scriptFault(err error) error {
	fault, ok := errors.AsType[*mapping.ScriptError](err)
	if !ok {
		return err
	}
	return &roster.Fault{
		Code: "mapping.script", Message: fault.Error(), Hint: "mend the script, try it with `rosterd map test`, and start the job again",
	}
}

// script is a loaded mapping and the digest of its source with its modules.
type script struct {
	mapping *mapping.Mapping
	digest  string
}

func (p view) loadScript(ctx context.Context, job roster.Job, target roster.MapTarget) (script, error) {
	source, err := mapping.ReadScript(p.cfg.ScriptsDir, job.Mapping)
	if _, ok := errors.AsType[*mapping.ScriptError](err); ok {
		return script{}, fmt.Errorf("load the mapping of job %s: %w", job.Ref, scriptFault(err))
	}
	if err != nil {
		return script{}, &roster.Fault{
			Code: "mapping.script", Message: fmt.Sprintf("read the mapping of job %s: %v", job.Ref, err),
			Hint: "restore the file or correct the job's mapping",
		}
	}
	m, err := p.pool.Load(ctx, source, p.mapContext(job), target)
	if err != nil {
		return script{}, fmt.Errorf("load the mapping of job %s: %w", job.Ref, scriptFault(err))
	}
	return script{mapping: m, digest: source.Digest()}, nil
}

// mapContext is what a job's script is told beside the record.
func (p view) mapContext(job roster.Job) mapping.Context {
	account := p.cfg.Accounts[job.Account]
	from, _ := p.connection(job.From)
	c := mapping.Context{
		Account: account.ID, Job: job.Ref, Country: account.Country, Timezone: account.Timezone,
		Clubs: map[string]mapping.Club{}, ClubsRequired: len(from.Clubs) > 0,
	}
	for key, foreign := range from.Clubs {
		club := account.Clubs[key]
		c.Clubs[foreign] = mapping.Club{Key: key, Name: club.Name, Country: club.Country, Timezone: club.Timezone}
	}
	return c
}

// deliver serves a run's change set as an import.
func (p view) deliver(
	ctx context.Context, run roster.Run, job roster.Job, target *adapters.Conn, progress func(int),
) (pipeline.Delivery, error) {
	identity, err := target.ImportIdentity(ctx)
	if err != nil {
		return pipeline.Delivery{}, fmt.Errorf("connection %s: %w", job.To, err)
	}
	clients, err := p.changes.Open(run.ID)
	if err != nil {
		return pipeline.Delivery{}, err
	}
	defer clients.Close()
	announcer := &announcer{
		target: target, fields: run.Fields, script: job.Mapping, log: p.log.With("run", run.ID, "job", job.Ref),
		matters: *roster.MapTarget{}.WithMatters(identity.Matters).Matters,
	}
	result, err := p.sessions.Deliver(ctx, export.Import{
		Run: run.ID, Job: job.Ref, Identity: identity, Clients: clients,
		Override: job.Override, Upload: job.Upload, Notify: job.Notify, Kind: onlyKind(job), Progress: progress,
		Starter: subscriber{announcer: announcer, p: p.parts, ref: job.To, target: target},
	})
	return pipeline.Delivery{Served: result.Served, Warnings: announcer.warned()}, err
}

// announcer announces an import with the labels that the business gave its
// fields. They are asked for just before, since a business may rename them.
type announcer struct {
	target *adapters.Conn
	fields []string
	// script is the path of the mapping that filled the fields.
	script  string
	matters sdk.MatterForm
	log     interface{ Warn(msg string, args ...any) }

	mu       sync.Mutex
	warnings []string
}

// StartImport labels the fields and announces. When the fields cannot be
// listed nothing is sent, so that the import is refused and not in doubt.
func (a *announcer) StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	labels := map[string]string{}
	listed := a.target.Has(sdk.AbilityFieldLister)
	if listed {
		fields, err := a.target.ListFields(ctx)
		if err != nil && ctx.Err() != nil {
			return sdk.StartImportResponse{}, err
		}
		if err != nil {
			e := sdk.AsError(err)
			return sdk.StartImportResponse{
				Outcome: sdk.OutcomeRefused, Code: e.Code,
				Detail: "the business's fields could not be listed, so the import was not announced: " + err.Error(),
			}, nil
		}
		for _, f := range fields {
			labels[f.Key] = f.Label
		}
	}
	req.Fields = a.declare(labels, listed)
	return a.target.StartImport(ctx, req)
}

// declare labels the fields that are announced, and warns of those that the
// business does not have. Fields of matters are announced when the connection
// says so: whether inTandem expects them there is not documented. A key that a
// client and its matters share is announced once.
func (a *announcer) declare(labels map[string]string, listed bool) []sdk.ImportField {
	var declared []sdk.ImportField
	for _, field := range a.fields {
		key, ofMatter := roster.CutMatterField(field)
		if field == externalID {
			continue
		}
		label, known := labels[key]
		// The name of a matter has a key of the connection's own.
		if listed && !known && (!ofMatter || key != a.matters.Name) {
			a.warn(key, ofMatter)
		}
		if label == "" {
			label = key
		}
		there := slices.ContainsFunc(declared, func(f sdk.ImportField) bool { return f.Key == key })
		if !there && (!ofMatter || a.matters.Declared) {
			declared = append(declared, sdk.ImportField{Key: key, Label: label})
		}
	}
	return declared
}

// externalID identifies a client and is no field of the business.
const externalID = "external_id"

func (a *announcer) warn(key string, ofMatter bool) {
	what := "field"
	if ofMatter {
		what = "field of matters"
	}
	a.log.Warn("the business has no such field; the target ignores it", what, key, "script", a.script)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.warnings = append(a.warnings, fmt.Sprintf(
		"the business has no %s %q, which %s fills; the target ignores it: add it at the business, or take it out of the script",
		what, key, a.script))
}

func (a *announcer) warned() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(a.warnings)))
}
