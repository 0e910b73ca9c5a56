package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// trial maps records as a run of a job does, in worker processes, and keeps nothing
// of them. Without a job it maps as for an import of members.
type trial struct {
	view   view
	pool   *mapping.Pool
	job    roster.Job
	target func(sdk.Kind) roster.MapTarget
	// unknown says why the target was not asked what it takes; empty where it was.
	unknown string
}

// withTrial makes a trial ready: of the job that is named, or else of one that has
// the script, or of none.
func (c *cli) withTrial(ctx context.Context, ref, script string, use func(*trial) error) (err error) {
	t := &trial{
		pool: mapping.NewPool(mapping.Options{Command: []string{"/proc/self/exe", mapWorkerName}}),
		job:  roster.Job{Kinds: []sdk.Kind{sdk.KindMember}}, target: roster.ImportTarget,
	}
	defer func() { err = errors.Join(err, t.pool.Close()) }()
	cfg, err := c.peek(false)
	if err != nil {
		cfg, err = c.peek(true)
	}
	if err != nil && ref == "" {
		return use(t)
	}
	if err != nil {
		return err
	}
	job, found, err := jobOfTrial(cfg, ref, script)
	if err != nil {
		return err
	}
	if !found {
		return use(t)
	}
	t.job = job
	return c.withConnections(cfg, func(p view) error {
		t.view = p
		t.askTarget(ctx)
		return use(t)
	})
}

// jobOfTrial is the job that is named, or one that has the script.
func jobOfTrial(cfg *config.Config, ref, script string) (roster.Job, bool, error) {
	if ref != "" {
		job, err := findJob(cfg, ref)
		return job, err == nil, err
	}
	wanted, err := filepath.Abs(script)
	if err != nil {
		return roster.Job{}, false, err
	}
	at := slices.IndexFunc(cfg.Jobs, func(job roster.Job) bool {
		path, err := filepath.Abs(job.Mapping)
		return err == nil && path == wanted
	})
	if at < 0 {
		return roster.Job{}, false, nil
	}
	return cfg.Jobs[at], true, nil
}

// askTarget finds out what the job's target takes.
func (t *trial) askTarget(ctx context.Context) {
	var err error
	if t.job.Type == roster.JobSync {
		err = t.askSync(ctx)
	} else {
		err = t.askImport(ctx)
	}
	if err != nil {
		t.unknown = asFault(err).Message
	}
}

func (t *trial) askSync(ctx context.Context) error {
	kinds, gets := map[sdk.Kind]sdk.TargetKind{}, true
	t.target = func(kind sdk.Kind) roster.MapTarget {
		into := roster.SyncTarget(kind, kinds[kind], digest.Key{}, t.job.Sync.Policies, gets)
		into.Digests = nil
		return into
	}
	conn, err := t.view.connectReadOnly(ctx, t.job.To, sdk.AbilityTarget)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it was only asked
	gets = conn.Has(sdk.AbilityGetter)
	asked, err := targetKinds(ctx, t.job, conn)
	if err == nil {
		kinds = asked
	}
	return err
}

func (t *trial) askImport(ctx context.Context) error {
	into := roster.ImportTarget(t.job.Kinds[0])
	if t.job.Upload == "multi" {
		into = into.WithMatters(sdk.MatterForm{})
	}
	t.target = func(kind sdk.Kind) roster.MapTarget {
		into.Kind = kind
		return into
	}
	conn, err := t.view.connectReadOnly(ctx, t.job.To, sdk.AbilityImportStarter)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it was only asked
	asked, err := mapTarget(ctx, t.job, conn)
	if err == nil {
		into = asked
	}
	return err
}

// load makes a script ready for records of a kind.
func (t *trial) load(ctx context.Context, script mapping.Script, kind sdk.Kind) (*mapping.Mapping, error) {
	var told mapping.Context
	if t.job.Ref != "" {
		told = t.view.mapContext(t.job)
	}
	return t.pool.Load(ctx, script, told, t.target(kind))
}

// withSource opens the job's source for reading.
func (t *trial) withSource(ctx context.Context, use func(*adapters.Conn) error) (err error) {
	if c, _ := t.view.connection(t.job.From); c.Adapter == roster.AdapterInbound {
		return &roster.Fault{
			Code: "adapter.ability", Message: "what is pushed to " + t.job.From + " is not kept, so that there are no records to read",
			Hint: "try a record from a file with `rosterd map try SCRIPT --record FILE`",
		}
	}
	source, err := t.view.connectReadOnly(ctx, t.job.From, sdk.AbilitySource)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	return use(source)
}

// pages reads the records of a kind from the job's source, page by page, until visit
// returns false.
func (t *trial) pages(ctx context.Context, source *adapters.Conn, kind sdk.Kind, visit func(*sdk.Page) (more bool, err error)) error {
	for req := (sdk.ReadRequest{Kind: kind, Limit: samplePage}); ; {
		page, err := source.Read(ctx, req)
		if err != nil {
			return connectionFault(t.job.From, err)
		}
		more, err := visit(page)
		if err != nil || !more || page.Done {
			return err
		}
		if string(page.Next) == string(req.After) {
			return fmt.Errorf("connection %s answered a page of kind %s whose cursor does not move", t.job.From, kind)
		}
		req.After = page.Next
	}
}

// fieldsOfMapped are the fields of a mapped record as JSON, with what it refers to by
// the names that scripts use.
func fieldsOfMapped(record roster.MappedRecord) map[string]string {
	fields := map[string]string{}
	for name, value := range fieldsOf(record.Data) {
		fields[name] = string(value)
	}
	for name, id := range map[string]string{roster.OwnerField: record.Owner, roster.LeadSourceField: record.LeadSource, roster.TargetField: record.Target} {
		if id != "" {
			fields[name] = string(roster.AppendText(nil, id))
		}
	}
	return fields
}
