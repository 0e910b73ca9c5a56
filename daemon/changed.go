package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
)

// codeConfigChanged is the code of a finding: the daemon does not read its
// configuration again, so what was written since is not in force, guards among it.
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
				Hint:    "check it, and restart rosterd: `systemctl restart rosterd`, or end `rosterd run` and start it again; runs go on where they were",
				Command: "rosterd validate",
			}}
		}
	}
	return nil
}
