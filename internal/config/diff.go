package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// Change is one difference between two configurations.
type Change struct {
	// What is "account", "connection", "job" or "setting"; Name is its ref or key.
	What, Name string
	// How is "added", "removed" or "changed".
	How string
}

// Compare tells what another configuration changes, in the order of the names.
// Fixed are the changed keys that a running daemon cannot take over: those need a
// restart. What a reference to a secret resolves to is compared as well.
func Compare(before, after *Config) (changes []Change, fixed []string) {
	for _, key := range settings() {
		if !equal(key.of(before), key.of(after)) {
			if key.fixed {
				fixed = append(fixed, key.name)
			}
			changes = append(changes, Change{"setting", key.name, "changed"})
		}
	}
	changes = append(changes, compareNamed("account", accountsOf(before), accountsOf(after))...)
	changes = append(changes, compareNamed("connection", connectionsOf(before), connectionsOf(after))...)
	return append(changes, compareNamed("job", jobsOf(before), jobsOf(after))...), fixed
}

// setting is a key of the main file.
type setting struct {
	name  string
	fixed bool
	of    func(*Config) any
}

// settings are all keys of the main file but the accounts.
func settings() []setting {
	return []setting{
		{"state_dir", true, func(c *Config) any { return c.StateDir }},
		{"keys", true, func(c *Config) any { return c.MasterKey }},
		{"listen", true, func(c *Config) any { return c.Listen }},
		{"public_url", true, func(c *Config) any { return c.PublicURL }},
		{"trusted_proxies", true, func(c *Config) any { return c.TrustedProxies }},
		{"plugins", true, func(c *Config) any { return c.Plugins }},
		{"export", true, func(c *Config) any { return c.Export }},
		{"concurrency", true, func(c *Config) any { return c.Concurrency }},
		{"include", true, func(c *Config) any { return c.Include }},
		{"scripts_dir", false, func(c *Config) any { return c.ScriptsDir }},
		{"alerts", false, func(c *Config) any { return c.Alerts }},
		{"retention", false, func(c *Config) any { return c.Retention }},
	}
}

func accountsOf(c *Config) map[string]any {
	out := map[string]any{}
	for id, account := range c.Accounts {
		account.Connections = nil
		out[id] = account
	}
	return out
}

func connectionsOf(c *Config) map[string]any {
	out := map[string]any{}
	for _, account := range c.Accounts {
		for _, conn := range account.Connections {
			out[conn.Ref] = conn
		}
	}
	return out
}

// jobsOf names zones instead of holding them: a zone remembers what it was asked.
func jobsOf(c *Config) map[string]any {
	type zoned struct {
		job  roster.Job
		zone string
	}
	out := map[string]any{}
	for _, job := range c.Jobs {
		zone := job.Location.String()
		job.Location = nil
		out[job.Ref] = zoned{job, zone}
	}
	return out
}

func compareNamed(what string, before, after map[string]any) []Change {
	var changes []Change
	for name, was := range before {
		is, there := after[name]
		switch {
		case !there:
			changes = append(changes, Change{what, name, "removed"})
		case !equal(was, is):
			changes = append(changes, Change{what, name, "changed"})
		}
	}
	for name := range maps.Keys(after) {
		if _, there := before[name]; !there {
			changes = append(changes, Change{what, name, "added"})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return changes
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }
