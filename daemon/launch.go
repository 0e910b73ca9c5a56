package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// keeperCommand is the process that stands between the daemon and one adapter.
func (c *cli) keeperCommand() *cobra.Command {
	return &cobra.Command{
		Use: adapters.KeeperCommand, Hidden: true, Args: exactly("NAME"),
		Short: "Start an adapter, confined, and end what it leaves; started by the daemon",
		RunE: func(*cobra.Command, []string) error {
			if code := adapters.Keep(); code != 0 {
				return &endError{code: code}
			}
			return nil
		},
	}
}

// hideMemory keeps other processes of the daemon's user, adapters among them,
// from reading its memory and its environment, and the kernel from writing them
// to a core dump (prctl(2), PR_SET_DUMPABLE). Secrets are in both.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide the memory of the process: %w", err)
	}
	return nil
}

// privatePaths are what no adapter is let through to.
func privatePaths(cfg *config.Config, getenv func(string) string) []string {
	paths := []string{cfg.StateDir, cfg.Path}
	for _, pattern := range cfg.Include {
		files, _ := filepath.Glob(pattern) // The configuration was loaded: the patterns are well-formed.
		paths = append(paths, files...)
	}
	for _, path := range []string{cfg.Listen.TLS.Key, getenv("CREDENTIALS_DIRECTORY")} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// connectionsOf returns all connections of an adapter with what their settings
// resolve to.
func connectionsOf(cfg *config.Config) func(sdk.Info) []roster.Connection {
	return func(info sdk.Info) []roster.Connection {
		var list []roster.Connection
		for _, account := range cfg.Accounts {
			for _, conn := range account.Connections {
				if conn.Adapter != info.Name {
					continue
				}
				// What is wrong with one is told when it is opened.
				if settings, err := cfg.Settings(conn.Ref, info.Settings); err == nil {
					conn.Settings = settings
					list = append(list, conn)
				}
			}
		}
		return list
	}
}
