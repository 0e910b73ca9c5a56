package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
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
		cfg, err := c.peek(true)
		if err != nil {
			return err
		}
		o.dir = cfg.ScriptsDir
	}
	var known jobFields
	if o.job != "" {
		var err error
		if known, err = c.fieldsOfJob(ctx, o.job); err != nil {
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
		{filepath.Join(o.dir, "types", "rosterd.lua"), mapping.EditorTypes(known.source, known.target), mapping.EditorTypesEdited},
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
	return c.showWritten(written, len(known.source), len(known.target))
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
