package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (c *cli) adapterDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "describe ADAPTER", Short: "Show what an adapter reads, what it can do and which settings it has", Args: exactly("ADAPTER"),
		Example: "  rosterd adapter describe csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.peek(true)
			if err != nil {
				return err
			}
			return withHost(cfg, func(host *adapters.Host) error { return c.describeAdapter(cmd.Context(), host, args[0]) })
		},
	}
}

// withHost starts adapters on sockets of their own, beside a daemon that may be
// running, and stops them again.
func withHost(cfg *config.Config, use func(*adapters.Host) error) (err error) {
	dir, err := os.MkdirTemp("", "rosterd-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, err := adapters.NewHost(adapters.Options{
		Dir: cfg.Plugins.Dir, WorkDir: filepath.Dir(cfg.Path), RuntimeDir: dir, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Lock: cfg.Plugins.Lock,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	return use(host)
}

func (c *cli) describeAdapter(ctx context.Context, host *adapters.Host, name string) error {
	info, err := adapterInfo(ctx, host, name)
	if err != nil {
		return connectionFault(name, err)
	}
	if c.json {
		c.print(info)
		return nil
	}
	fmt.Fprintf(c.stdout, "%s %s: %s\n", info.Name, info.Version, info.Description)
	fmt.Fprintf(c.stdout, "abilities: %s\n", join(info.Abilities))
	for _, kind := range info.Kinds {
		fmt.Fprintf(c.stdout, "reads %s, cursor %s, fields %s\n", kind.Kind, kind.Cursor, fieldsText(kind))
	}
	fmt.Fprintln(c.stdout)
	return printSettings(c.stdout, info.Settings)
}

func fieldsText(kind sdk.KindInfo) string {
	if len(kind.Fields) == 0 {
		return "as the system has them"
	}
	return join(kind.Fields)
}

// settingsSchema is the part of a JSON Schema that people ask for.
type settingsSchema struct {
	Required   []string `json:"required"`
	Properties map[string]struct {
		Type        any    `json:"type"`
		Enum        []any  `json:"enum"`
		Default     any    `json:"default"`
		Description string `json:"description"`
		WriteOnly   bool   `json:"writeOnly"`
	} `json:"properties"`
}

func printSettings(out io.Writer, raw json.RawMessage) error {
	var schema settingsSchema
	if err := json.Unmarshal(raw, &schema); err != nil {
		return fmt.Errorf("read the adapter's settings: %w", err)
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tTYPE\tDEFAULT\tDESCRIPTION")
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[name]
		kind, fallback := fmt.Sprint(p.Type), "-"
		switch {
		case p.WriteOnly:
			kind = "secret"
		case len(p.Enum) > 0:
			kind = fmt.Sprintf("%q", p.Enum)
		}
		if p.Default != nil {
			fallback = fmt.Sprint(p.Default)
		}
		if slices.Contains(schema.Required, name) {
			fallback = "required"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, kind, fallback, p.Description)
	}
	return w.Flush()
}
