package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/config"
)

const compared = `version: 1
state_dir: state
public_url: https://sync.example.com
plugins: {dir: plugins, lock: plugins.lock}
accounts:
  acme:
    country: CA
    timezone: America/Toronto
    connections:
      gym: {adapter: csv, settings: {path: members.csv, token: {file: token}}}
      intandem: {adapter: intandem, settings: {business_uid: b1}}
    jobs:
      launch: {type: import, from: gym, to: intandem, mapping: m.lua, schedule: "0 6 * * *"}
`

func TestConfigurationsAreComparedByNameAndNotByText(t *testing.T) {
	for name, test := range map[string]struct {
		change func(text string) string
		token  string
		want   []config.Change
		fixed  []string
	}{
		"nothing":      {change: func(s string) string { return "# a comment\n" + s }},
		"a schedule":   {change: swap(`"0 6 * * *"`, `"0 7 * * *"`), want: []config.Change{{"job", "acme/launch", "changed"}}},
		"a connection": {change: swap("b1", "b2"), want: []config.Change{{"connection", "acme/intandem", "changed"}}},
		"a secret behind its reference": {
			change: func(s string) string { return s }, token: "another", want: []config.Change{{"connection", "acme/gym", "changed"}},
		},
		"another name of a job": {
			change: swap("launch:", "later:"),
			want:   []config.Change{{"job", "acme/later", "added"}, {"job", "acme/launch", "removed"}},
		},
		"a zone":  {change: swap("America/Toronto", "Europe/Berlin"), want: []config.Change{{"account", "acme", "changed"}, {"job", "acme/launch", "changed"}}},
		"a place": {change: swap("state_dir: state", "state_dir: elsewhere"), want: []config.Change{{"setting", "state_dir", "changed"}}, fixed: []string{"state_dir"}},
		"what is kept": {
			change: swap("version: 1", "version: 1\nretention: {keep: 9}"), want: []config.Change{{"setting", "retention", "changed"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "scripts", "m.lua"), "function map() return {} end")
			read := func(text, token string) *config.Config {
				write(t, filepath.Join(dir, "token"), token)
				write(t, filepath.Join(dir, "rosterd.yaml"), text)
				if err := os.Chmod(filepath.Join(dir, "token"), 0o600); err != nil {
					t.Fatal(err)
				}
				return load(t, filepath.Join(dir, "rosterd.yaml"), config.Options{})
			}
			before := read(compared, "the-token")
			token := "the-token"
			if test.token != "" {
				token = test.token
			}
			changes, fixed := config.Compare(before, read(test.change(compared), token))
			if diff := cmp.Diff(test.want, changes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.fixed, fixed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func swap(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}
