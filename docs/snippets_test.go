package docs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/mapping"
)

// TestEveryConfigurationLoads reads the yaml blocks: one that begins with
// "version:" is a whole configuration, one that begins with "adapter:" is a
// connection, any other one is connections with their keys. Settings are
// checked against the schema of their adapter.
func TestEveryConfigurationLoads(t *testing.T) {
	t.Parallel()
	p := builtProgram(t)
	found := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language != "yaml" {
				continue
			}
			found++
			text := b.text
			if strings.HasPrefix(text, "adapter:") {
				text = "system:\n" + indent(text, "  ")
			}
			if !strings.HasPrefix(text, "version:") {
				text = "version: 1\nplugins: {lock: plugins.lock}\naccounts:\n  acme:\n    country: CA\n    timezone: America/Toronto\n" +
					"    clubs: {downtown: {}, airport: {}}\n    connections:\n" + indent(text, "      ")
			}
			checkConfiguration(t, p, d.path, b.line, text)
		}
	}
	if found < 3 {
		t.Errorf("%d configurations found, want 3 or more", found)
	}
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

func checkConfiguration(t *testing.T, p *program, doc string, line int, text string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "gym_to_intandem.lua"), "")
	write(t, filepath.Join(dir, "rosterd.yaml"), text)
	cfg, err := config.Load(filepath.Join(dir, "rosterd.yaml"), config.Options{SkipSecrets: true})
	if err != nil {
		t.Errorf("%s:%d: %v", doc, line, err)
		return
	}
	for _, account := range cfg.Accounts {
		for _, c := range account.Connections {
			for _, fault := range config.CheckSettings(cfg, c.Ref, p.schema(t, c.Adapter)) {
				t.Errorf("%s:%d: %s", doc, line, fault)
			}
		}
	}
}

// TestEverySettingIsInItsReadme holds the tables of settings to the schemas.
func TestEverySettingIsInItsReadme(t *testing.T) {
	t.Parallel()
	p := builtProgram(t)
	for _, d := range documents(t) {
		if ok, _ := filepath.Match("plugins/*/README.md", d.path); !ok {
			continue
		}
		var schema struct{ Properties map[string]any }
		if err := json.Unmarshal(p.schema(t, filepath.Base(filepath.Dir(d.path))), &schema); err != nil || len(schema.Properties) == 0 {
			t.Errorf("%s: schema with %d settings, error %v", d.path, len(schema.Properties), err)
		}
		for name := range schema.Properties {
			if !strings.Contains(d.text, "\n| `"+name+"` |") {
				t.Errorf("%s has no row for the setting %s", d.path, name)
			}
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryScriptPassesTheCasesBelowIt runs each lua block with the txtar block
// that follows it.
func TestEveryScriptPassesTheCasesBelowIt(t *testing.T) {
	t.Parallel()
	found := 0
	for _, d := range documents(t) {
		for i, b := range d.blocks {
			if b.language != "lua" || b.info != "" {
				continue
			}
			if i+1 == len(d.blocks) || d.blocks[i+1].language != "txtar" {
				t.Errorf("%s:%d: the script has no cases below it", d.path, b.line)
				continue
			}
			found++
			script := filepath.Join(t.TempDir(), "script.lua")
			write(t, script, b.text)
			write(t, strings.TrimSuffix(script, ".lua")+".txtar", d.blocks[i+1].text)
			results, err := mapping.RunCases(t.Context(), script)
			if err != nil || len(results) == 0 {
				t.Errorf("%s:%d: %d cases, error %v", d.path, b.line, len(results), err)
			}
			for _, r := range results {
				if !r.Passed() {
					t.Errorf("%s:%d: %s", d.path, b.line, r)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no document has a script with cases")
	}
}
