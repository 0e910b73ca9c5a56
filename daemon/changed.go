package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
)

// codeConfigChanged is the code of a finding: what was written since the daemon
// read its configuration is not in force, guards among it.
const codeConfigChanged = "config.changed"

// changedConfig names a file of the configuration that was written after the daemon
// had read it.
func changedConfig(cfg *config.Config, read time.Time) []admin.Finding {
	files := []string{cfg.Path}
	for _, pattern := range cfg.Include {
		found, _ := filepath.Glob(pattern) // the pattern was taken when it was read
		files = append(files, found...)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(read) {
			return []admin.Finding{{
				Code:    codeConfigChanged,
				Message: fmt.Sprintf("%s was changed after the daemon had read it: the daemon goes on with what it read", name),
				Hint:    "check it with `rosterd validate`, and let the daemon take it over",
				Command: "rosterd reload",
			}}
		}
	}
	return nil
}
