package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// exitMeaning is what an exit code says.
type exitMeaning struct {
	code    int
	meaning string
}

// exitMeanings are all exit codes in their order; every command may end with each.
func exitMeanings() []exitMeaning {
	return []exitMeaning{
		{exitOK, "done"},
		{exitFailure, "failed"},
		{exitRejected, "finished, with records left behind; or planned, with changes, where that was asked for"},
		{exitBlocked, "stopped by a guard"},
		{exitUsage, "wrong call"},
		{exitData, "damaged data"},
		{exitUnavailable, "no daemon, or a system that does not answer"},
		{exitTryLater, "try again later"},
		{exitAuth, "not allowed"},
		{exitConfig, "faulty configuration"},
	}
}

// examples are what to type, for commands that do not say so themselves.
func examples() map[string]string {
	return map[string]string{
		"run":              "rosterd run --config rosterd.yaml",
		"quickstart":       "rosterd quickstart",
		"validate":         "rosterd validate --strict",
		"job resume":       "rosterd job resume acme/launch",
		"runs":             "rosterd runs --job acme/launch --limit 5",
		"session list":     "rosterd session list --open",
		"session show":     "rosterd session show 20261128-030000-abcdef",
		"session retry":    "rosterd session retry 20261128-030000-abcdef",
		"session close":    "rosterd session close 20261128-030000-abcdef",
		"quarantine list":  "rosterd quarantine list --job acme/launch --code freeze.missing_field",
		"quarantine show":  "rosterd quarantine show ENTRY",
		"parked list":      "rosterd parked list --job acme/leads",
		"parked show":      "rosterd parked show ENTRY",
		"parked create":    "rosterd parked create ENTRY",
		"parked drop":      "rosterd parked drop ENTRY",
		"review list":      "rosterd review list --job acme/leads",
		"review show":      "rosterd review show ENTRY",
		"review create":    "rosterd review create ENTRY",
		"review drop":      "rosterd review drop ENTRY",
		"connections":      "rosterd connections",
		"adapter list":     "rosterd adapter list",
		"adapter describe": "rosterd adapter describe csv",
		"adapter new":      "rosterd adapter new mycrm",
		"adapter test":     "rosterd adapter test bin/mycrm --settings settings.json",
		"adapter lock":     "rosterd adapter lock --update",
		"map test":         "rosterd map test scripts/members.lua",
		"map show":         "rosterd map show scripts/members.lua",
		"lua init":         "rosterd lua init",
		"sandbox intandem": "rosterd sandbox intandem --listen 127.0.0.1:9090",
		"sandbox club":     "rosterd sandbox club --class C",
		"version":          "rosterd version --json",
	}
}

// complete gives every command an example and tells its exit codes.
func complete(root *cobra.Command) {
	known := examples()
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		_, words, _ := strings.Cut(cmd.CommandPath(), " ")
		if text, ok := known[words]; ok && cmd.Example == "" {
			cmd.Example = "  " + text
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	var codes []string
	for _, e := range exitMeanings() {
		codes = append(codes, fmt.Sprintf("  %-3d %s\n", e.code, e.meaning))
	}
	root.SetUsageTemplate(root.UsageTemplate() + "{{if not .HasAvailableSubCommands}}\nExit codes:\n" + strings.Join(slices.Clip(codes), "") + "{{end}}")
}
