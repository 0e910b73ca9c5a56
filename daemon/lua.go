package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// luaSettings is the file from which the Lua language server takes its settings.
// What scripts cannot reach is switched off, so that it is not completed.
const luaSettings = `{
  "$schema": "https://raw.githubusercontent.com/LuaLS/vscode-lua/master/setting/schema.json",
  "runtime.version": "Lua 5.1",
  "runtime.builtin": {
    "coroutine": "disable", "debug": "disable", "io": "disable", "os": "disable", "package": "disable"
  },
  "workspace.library": ["types"],
  "workspace.checkThirdParty": false,
  "diagnostics.disable": ["lowercase-global"]
}
`

func (c *cli) luaCommand() *cobra.Command {
	var o luaOptions
	init := &cobra.Command{
		Use: "init", Short: "Write what an editor needs to complete and check scripts", Args: exactly(),
		Long: `Write .luarc.json and types/rosterd.lua into the folder of the scripts: with them
an editor that has the Lua language server completes the library and says what
its functions do. With --job the fields of the job's source and target are
completed, too; the connections are asked for them. A file that was edited is not
overwritten.`,
		Example: "  rosterd lua init --dir scripts\n  rosterd lua init --job acme/launch",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.luaInit(cmd.Context(), o) },
	}
	init.Flags().StringVar(&o.dir, "dir", "", "the `folder` of the scripts (default scripts_dir of the configuration)")
	init.Flags().StringVar(&o.job, "job", "", "complete the fields of this `job`, as account/job")
	init.Flags().BoolVar(&o.force, "force", false, "overwrite files that were edited")
	return group("lua", "Prepare an editor for mapping scripts", init)
}

// luaOptions are the flags of lua init.
type luaOptions struct {
	dir, job string
	force    bool
}

func (c *cli) luaInit(ctx context.Context, o luaOptions) error {
	if o.dir == "" {
		cfg, err := c.load(true)
		if err != nil {
			return err
		}
		o.dir = cfg.ScriptsDir
	}
	var source, target []mapping.EditorField
	if o.job != "" {
		var err error
		if source, target, err = c.jobFields(ctx, o.job); err != nil {
			return err
		}
	}
	isOther := func(text []byte) bool { return !bytes.Equal(text, []byte(luaSettings)) }
	files := []struct {
		path   string
		text   []byte
		edited func([]byte) bool
	}{
		{filepath.Join(o.dir, ".luarc.json"), []byte(luaSettings), isOther},
		{filepath.Join(o.dir, "types", "rosterd.lua"), mapping.EditorTypes(source, target), mapping.EditorTypesEdited},
	}
	for _, f := range files {
		have, err := os.ReadFile(f.path)
		if err == nil && f.edited(have) && !o.force {
			return &roster.Fault{
				Code: "lua.edited", Message: f.path + " was edited, or is not from `rosterd lua init`; nothing was written",
				Hint: "move it away, or overwrite it with --force",
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read what is there: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Join(o.dir, "types"), 0o755); err != nil { //nolint:gosec // Scripts are read by whoever edits them.
		return fmt.Errorf("make the folder of the types: %w", err)
	}
	var written []string
	for _, f := range files {
		if err := os.WriteFile(f.path, f.text, 0o644); err != nil { //nolint:gosec // The same.
			return fmt.Errorf("write the editor's files: %w", err)
		}
		written = append(written, f.path)
	}
	return c.showWritten(written, len(source), len(target))
}

func (c *cli) showWritten(written []string, source, target int) error {
	if c.json {
		c.print(map[string]any{"written": written, "source_fields": source, "target_fields": target})
		return nil
	}
	for _, path := range written {
		fmt.Fprintf(c.stdout, "written  %s\n", path)
	}
	if source+target > 0 {
		fmt.Fprintf(c.stdout, "completes %d source and %d target fields\n", source, target)
	}
	return nil
}

// jobFields asks a job's connections for their fields.
func (c *cli) jobFields(ctx context.Context, ref string) (source, target []mapping.EditorField, err error) {
	cfg, err := c.load(false)
	if err != nil {
		return nil, nil, err
	}
	var job *roster.Job
	for i := range cfg.Jobs {
		if cfg.Jobs[i].Ref == ref {
			job = &cfg.Jobs[i]
		}
	}
	if job == nil {
		return nil, nil, usagef("there is no job %s; a job is written account/job", ref)
	}
	dir, err := os.MkdirTemp("", "rosterd-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a folder for the adapters: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, err := adapters.NewHost(adapters.Options{
		Dir: cfg.Plugins.Dir, WorkDir: filepath.Dir(cfg.Path), RuntimeDir: dir, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Lock: cfg.Plugins.Lock, Private: privatePaths(cfg, c.getenv), Connections: connectionsOf(cfg),
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	p := view{&parts{host: host, log: slog.New(slog.DiscardHandler)}, newSetup(cfg)}
	if source, err = p.sourceFields(ctx, *job); err != nil {
		return nil, nil, err
	}
	target, err = p.targetFields(ctx, *job)
	return source, target, err
}

// sourceFields are the fields that the adapter declares, or, where the outside
// system decides, the columns of its first page.
func (p view) sourceFields(ctx context.Context, job roster.Job) (fields []mapping.EditorField, err error) {
	conn, err := p.connect(ctx, job.From, sdk.AbilitySource)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	configured, _ := p.connection(job.From)
	info, err := p.host.Describe(ctx, configured.Adapter)
	if err != nil {
		return nil, connectionFault(job.From, err)
	}
	for _, kind := range job.Kinds {
		var names []string
		for _, declared := range info.Kinds {
			if declared.Kind == kind {
				names = declared.Fields
			}
		}
		if len(names) == 0 {
			page, err := conn.Read(ctx, sdk.ReadRequest{Kind: kind, Limit: 1})
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

func (p view) targetFields(ctx context.Context, job roster.Job) (fields []mapping.EditorField, err error) {
	if job.Type == roster.JobSync {
		return syncFields(job), nil
	}
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
