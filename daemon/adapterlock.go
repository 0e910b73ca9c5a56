package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// defaultLock is the file of pins, beside the configuration, where plugins.lock
// names none.
const defaultLock = "plugins.lock"

func (c *cli) adapterLockCommand() *cobra.Command {
	var update bool
	cmd := &cobra.Command{
		Use: "lock", Short: "Write down which adapter programs may be started", Args: exactly(),
		Long: `Write the digest of every installed adapter to the file that plugins.lock names.
From then on rosterd starts these programs and no others, and compares them at
each start. Adapters that are not in the file are added. A program that differs
from its line is an error, unless --update accepts it; --update also drops the
lines of adapters that are gone. A running daemon needs no restart.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(true)
			if err != nil {
				return err
			}
			return c.lockAdapters(cmd.Context(), cfg, update)
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "accept programs that have changed, drop those that are gone")
	return cmd
}

func (c *cli) lockAdapters(ctx context.Context, cfg *config.Config, update bool) error {
	path := cfg.Plugins.Lock
	if path == "" {
		path = filepath.Join(filepath.Dir(cfg.Path), defaultLock)
	}
	old, err := adapters.ReadLock(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !update {
		return err
	}
	installed, err := installedPins(ctx, cfg)
	if err != nil {
		return err
	}
	pins, err := mergePins(path, old, installed, update)
	if err != nil {
		return err
	}
	if err := adapters.WriteLock(path, pins); err != nil {
		return err
	}
	if c.json {
		c.print(map[string]any{"command": "adapter lock", "ok": true, "result": map[string]any{"lock": path, "pins": pins}, "error": nil})
		return nil
	}
	c.table("ADAPTER\tVERSION\tSHA-256", func(line func(...any)) {
		for _, p := range pins {
			line(p.Name, p.Version, p.SHA256)
		}
	})
	fmt.Fprintf(c.stdout, "%s pins %d adapters\n", path, len(pins))
	if cfg.Plugins.Lock == "" {
		fmt.Fprintf(c.stdout, "nothing reads it yet: set plugins.lock to %s in %s\n", defaultLock, cfg.Path)
	}
	return nil
}

// installedPins starts every adapter once, without comparing it with anything.
// One that does not start is not pinned by accident: it stops the command.
func installedPins(ctx context.Context, cfg *config.Config) (_ []adapters.Pin, err error) {
	dir, err := os.MkdirTemp("", "rosterd-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, err := adapters.NewHost(adapters.Options{
		Dir: cfg.Plugins.Dir, WorkDir: filepath.Dir(cfg.Path), RuntimeDir: dir, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	list, err := host.List(ctx)
	if err != nil {
		return nil, err
	}
	pins := make([]adapters.Pin, 0, len(list))
	for _, in := range list {
		if in.Err != nil {
			return nil, &roster.Fault{
				Code: "adapter.start", Message: fmt.Sprintf("%s cannot be pinned: %v", in.Path, in.Err),
				Hint: "mend the program or move it out of plugins.dir, and run this again; nothing was written",
			}
		}
		pins = append(pins, in.Pin)
	}
	return pins, nil
}

// mergePins adds to the old pins what is installed and not in them. With update
// the installed ones are all there is.
func mergePins(path string, old, installed []adapters.Pin, update bool) ([]adapters.Pin, error) {
	if update {
		return installed, nil
	}
	pins := slices.Clone(old)
	var changed error
	for _, pin := range installed {
		i := slices.IndexFunc(old, func(p adapters.Pin) bool { return p.Name == pin.Name })
		switch {
		case i < 0:
			pins = append(pins, pin)
		case old[i].SHA256 != pin.SHA256:
			changed = errors.Join(changed, fmt.Errorf("adapter %s %s has SHA-256 %s, but %s has %s (version %s)",
				pin.Name, pin.Version, pin.SHA256, path, old[i].SHA256, old[i].Version))
		}
	}
	if changed != nil {
		return nil, &roster.Fault{
			Code: "adapter.pin", Message: changed.Error(),
			Hint: "accept the change with `rosterd adapter lock --update`, or put the old program back; nothing was written",
		}
	}
	return pins, nil
}
