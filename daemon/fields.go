package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// jobFields are the fields at both ends of a job. A list that is nil is not
// known.
type jobFields struct {
	source, target []mapping.EditorField
	// undeclared are the kinds of which the target does not tell its fields, so that
	// it has more than those. usual are names that are likely there.
	undeclared []sdk.Kind
	usual      []string
}

// known are the names alone, as scripts are compared with them.
func (f jobFields) known() mapping.KnownFields {
	known := mapping.KnownFields{Source: fieldNames(f.source), Target: fieldNames(f.target)}
	if len(f.undeclared) > 0 {
		known.Target, known.Usual = nil, append(known.Target, f.usual...)
	}
	return known
}

func fieldNames(fields []mapping.EditorField) []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return names
}

// findJob finds a job by its ref.
func findJob(cfg *config.Config, ref string) (roster.Job, error) {
	var refs []string
	for _, job := range cfg.Jobs {
		if job.Ref == ref {
			return job, nil
		}
		refs = append(refs, job.Ref)
	}
	return roster.Job{}, usagef("there is no job %s; the configuration has %v", ref, refs)
}

// fieldsOfJob asks the connections of one job for their fields.
func (c *cli) fieldsOfJob(ctx context.Context, ref string) (known jobFields, err error) {
	cfg, err := c.peek(false)
	if err != nil {
		return known, err
	}
	job, err := findJob(cfg, ref)
	if err != nil {
		return known, err
	}
	err = c.withConnections(cfg, func(p view) error {
		known, err = p.fieldsOf(ctx, job)
		return err
	})
	return known, err
}

// withConnections makes ready what asks connections, beside a daemon that may
// run, and without touching its state.
func (c *cli) withConnections(cfg *config.Config, use func(view) error) (err error) {
	dir, err := os.MkdirTemp("", "rosterd-")
	if err != nil {
		return fmt.Errorf("make a folder for the adapters: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	silent := slog.New(slog.DiscardHandler)
	host, err := adapters.NewHost(adapters.Options{
		Dir: cfg.Plugins.Dir, WorkDir: filepath.Dir(cfg.Path), RuntimeDir: dir, Logger: silent, Now: time.Now,
		Lock: cfg.Plugins.Lock, Private: privatePaths(cfg, c.getenv), Connections: connectionsOf(cfg),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	p := &parts{host: host, log: silent, getenv: c.getenv}
	p.current.Store(newSetup(cfg))
	return use(p.now())
}

// fieldsOf asks both ends of a job.
func (p view) fieldsOf(ctx context.Context, job roster.Job) (known jobFields, err error) {
	if known.source, err = p.sourceFields(ctx, job); err != nil {
		return known, err
	}
	if job.Type == roster.JobSync {
		known.target, known.undeclared, err = p.syncTargetFields(ctx, job, true)
		known.usual = usualFields(job)
		return known, err
	}
	known.target, err = p.targetFields(ctx, job)
	return known, err
}

// samplePage is how many records of a source are looked at for their fields,
// where the adapter does not declare them.
const samplePage = 500

// sourceFields are the fields that the adapter declares for the job's kinds, or,
// where the outside system decides, those of its first records.
func (p view) sourceFields(ctx context.Context, job roster.Job) (fields []mapping.EditorField, err error) {
	configured, _ := p.connection(job.From)
	info, err := adapterInfo(ctx, p.host, configured.Adapter)
	if err != nil {
		return nil, connectionFault(job.From, err)
	}
	if configured.Adapter == roster.AdapterInbound {
		return p.pushedFields(configured, job.Kinds)
	}
	conn, err := p.connect(ctx, job.From, sdk.AbilitySource)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, kind := range job.Kinds {
		names := declaredFields(info, kind)
		if len(names) == 0 {
			page, err := conn.Read(ctx, sdk.ReadRequest{Kind: kind, Limit: samplePage})
			if err != nil {
				return nil, connectionFault(job.From, err)
			}
			names = page.Columns
		}
		for _, name := range names {
			fields = appendField(fields, mapping.EditorField{Name: name})
		}
	}
	return fields, nil
}

// targetFields are the fields that the target of an import lists.
func (p view) targetFields(ctx context.Context, job roster.Job) (fields []mapping.EditorField, err error) {
	conn, err := p.connect(ctx, job.To, sdk.AbilityFieldLister)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	listed, err := conn.ListFields(ctx)
	if err != nil {
		return nil, connectionFault(job.To, err)
	}
	for _, f := range listed {
		fields = append(fields, mapping.EditorField{Name: f.Key, Doc: f.Label})
	}
	return append(fields, mapping.EditorField{Name: externalID, Doc: "identifies the client; the source id where it is left out"}), nil
}

func declaredFields(info sdk.Info, kind sdk.Kind) []string {
	for _, k := range info.Kinds {
		if k.Kind == kind {
			return k.Fields
		}
	}
	return nil
}

// scriptsDirOf is where the modules and tables of a script are looked for, as
// ReadScript takes it: scripts_dir for a script below it, as in a run, else the
// script's own folder. A script can be tried without a configuration.
func (c *cli) scriptsDirOf(script string) string {
	own := filepath.Dir(script)
	cfg, err := c.peek(true)
	if err != nil {
		return own
	}
	dir, err := filepath.Abs(cfg.ScriptsDir)
	if err != nil {
		return own
	}
	path, err := filepath.Abs(script)
	if err != nil {
		return own
	}
	if below, err := filepath.Rel(dir, path); err != nil || !filepath.IsLocal(below) {
		return own
	}
	if filepath.IsAbs(script) {
		return dir
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return own
	}
	// Messages show a script as it was typed, and its modules beside it.
	if dir, err = filepath.Rel(here, dir); err != nil {
		return own
	}
	return dir
}
