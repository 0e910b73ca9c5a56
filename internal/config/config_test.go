package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

const head = "version: 1\npublic_url: https://sync.example.com/rosterd/\nplugins: {lock: plugins.lock}\n"

// site writes the files of a configuration and returns its main file.
func site(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return filepath.Join(dir, "rosterd.yaml")
}

// only is an environment of one variable.
func only(variable, text string) func(string) string {
	return func(name string) string {
		if name == variable {
			return text
		}
		return ""
	}
}

func TestPathsCountFromTheirOwnFile(t *testing.T) {
	path := site(t, map[string]string{
		"rosterd.yaml":         head + "state_dir: state\nscripts_dir: ../scripts\nlisten: {admin: \"unix:run/admin.sock\"}\ninclude: [accounts.d/*.yaml]\n",
		"accounts.d/acme.yaml": "accounts:\n  acme:\n    country: CA\n    timezone: UTC\n    connections:\n      gym: {adapter: csv, settings: {path: members.csv, other: members.csv, token: {file: gym.token}, list: [{path: a.csv}]}}\n",
		"accounts.d/gym.token": "s3cret\r\n",
	})
	dir := filepath.Dir(path)
	cfg := load(t, path, config.Options{})
	got := []string{cfg.StateDir, cfg.ScriptsDir, cfg.Listen.AdminSocket, cfg.Plugins.Lock, cfg.PublicURL}
	want := []string{dir + "/state", filepath.Dir(dir) + "/scripts", dir + "/run/admin.sock", dir + "/plugins.lock", "https://sync.example.com/rosterd"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	schema := json.RawMessage(`{"properties": {"path": {"type": "string", "format": "path"}, "list": {"items": {"$ref": "#"}}}}`)
	settings, err := cfg.Settings("acme/gym", schema)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := fmt.Sprintf(`{"list":[{"path":"%[1]s/accounts.d/a.csv"}],"other":"members.csv","path":"%[1]s/accounts.d/members.csv","token":"s3cret"}`, dir)
	if diff := cmp.Diff(settings.Reveal(), wantJSON); diff != "" {
		t.Error(diff)
	}
	if _, err := cfg.Settings("acme/none", schema); !errors.Is(err, roster.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestSettingsReachTheAdapterAsTheyAreWritten(t *testing.T) {
	path := site(t, map[string]string{"rosterd.yaml": head + `
accounts:
  acme:
    country: CA
    timezone: UTC
    connections:
      gym:
        adapter: csv
        client_id: 00456
        settings:
          big: 12345678901234567890123
          price: 1.10
          date: 2026-01-02
          yes: yes
          on: true
          empty:
          quoted: "007"
          list: [1, {env: TOKEN}, {env: TOKEN, more: 1}]
`})
	cfg := load(t, path, config.Options{Getenv: only("TOKEN", `se"cret`)})
	connection := cfg.Accounts["acme"].Connections["gym"]
	want := `{"big":12345678901234567890123,"date":"2026-01-02","empty":null,"list":[1,"se\"cret",{"env":"TOKEN","more":1}],"on":true,"price":1.10,"quoted":"007","yes":"yes"}`
	if diff := cmp.Diff(connection.Settings.Reveal(), want); diff != "" {
		t.Error(diff)
	}
	if connection.ClientID != "00456" {
		t.Errorf("got client id %q, want it as it is written", connection.ClientID)
	}
	if shown := fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg); strings.Contains(strings.ReplaceAll(shown, `\`, ""), `se"cret`) {
		t.Error("printing the configuration shows a secret")
	}
}

func TestGoodSettingsHaveNoFaults(t *testing.T) {
	path := site(t, map[string]string{"rosterd.yaml": head + `
accounts:
  acme: {country: CA, timezone: UTC, connections: {gym: {adapter: csv, settings: {token: {env: TOKEN}, n: 3}}}}
`})
	cfg := load(t, path, config.Options{Getenv: only("TOKEN", "a-secret-text")})
	schema := json.RawMessage(`{"additionalProperties": false, "properties": {"token": {"type": "string", "writeOnly": true, "minLength": 8}, "n": {"type": "integer"}}}`)
	if faults := config.CheckSettings(cfg, "acme/gym", schema); len(faults) != 0 {
		t.Errorf("got %v, want no faults", faults)
	}
	if faults := config.CheckSettings(cfg, "acme/gym", nil); len(faults) != 0 {
		t.Errorf("without a schema: got %v, want no faults", faults)
	}
	if faults := config.CheckSettings(cfg, "acme/none", schema); faults != nil {
		t.Errorf("unknown connection: got %v, want no faults", faults)
	}
}

func TestTwoJobsMayImportIntoOneBusiness(t *testing.T) {
	path := site(t, map[string]string{"m.lua": "", "rosterd.yaml": head + `scripts_dir: .
accounts:
  acme:
    country: CA
    timezone: UTC
    connections: {a: {adapter: csv}, b: {adapter: csv}, intandem: {adapter: intandem}}
    jobs:
      two: {type: import, from: b, to: intandem, mapping: m.lua, kinds: [member, prospect]}
      one: {type: import, from: a, to: intandem, mapping: m.lua}
`})
	cfg := load(t, path, config.Options{})
	if len(cfg.Jobs) != 2 || cfg.Jobs[0].Ref != "acme/one" || cfg.Jobs[1].To != "acme/intandem" {
		t.Errorf("got jobs %+v", cfg.Jobs)
	}
	if diff := cmp.Diff(fmt.Sprint(cfg.Jobs[1].Kinds), "[prospect member]"); diff != "" {
		t.Error(diff)
	}
}

func TestDirectoriesOfSystemdAreTheDefaults(t *testing.T) {
	env := map[string]string{"STATE_DIRECTORY": "/s/rosterd:/s/other", "RUNTIME_DIRECTORY": "/r/rosterd"}
	cfg := load(t, site(t, map[string]string{"rosterd.yaml": "version: 1\n"}), config.Options{Getenv: func(name string) string { return env[name] }})
	if cfg.StateDir != "/s/rosterd" || cfg.Listen.AdminSocket != "/r/rosterd/admin.sock" {
		t.Errorf("got %q and %q", cfg.StateDir, cfg.Listen.AdminSocket)
	}
}

func TestFaultsAreObjectsForPrograms(t *testing.T) {
	_, err := config.Load(site(t, map[string]string{"rosterd.yaml": "version: 1\nstate_dri: x\n"}), config.Options{})
	faults, ok := errors.AsType[*config.Faults](err)
	if !ok {
		t.Fatalf("got %v, want Faults", err)
	}
	text, err := json.Marshal(faults)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	last := list[len(list)-1]
	if last["code"] != "config.unknown_key" || last["severity"] != "error" || last["line"] != 2.0 || last["column"] != 1.0 {
		t.Errorf("got %v", last)
	}
}

// FuzzLoad holds that no text makes Load panic, and that a secret which the
// text refers to is never shown.
func FuzzLoad(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(parseArchive(string(text)).files["rosterd.yaml"])
	}
	schema := json.RawMessage(`{"required": ["path"], "additionalProperties": false, "properties": {"path": {"type": "string", "format": "path"}, "token": {"writeOnly": true, "pattern": "^x"}, "nested": {"$ref": "#"}}}`)
	path := filepath.Join(f.TempDir(), "rosterd.yaml")
	f.Add(head + "accounts: {acme: {country: CA, timezone: UTC, connections: {gym: {adapter: csv, settings: {token: {env: TOKEN}, n: [1, {a: b}], path: a}}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			t.Skip("patterns could walk over the whole machine")
		}
		write(t, path, text)
		const secret = "the-text-of-the-secret"
		cfg, err := config.Load(path, config.Options{Getenv: only("TOKEN", secret)})
		if err != nil {
			if _, ok := errors.AsType[*config.Faults](err); !ok || strings.Contains(err.Error(), secret) && !strings.Contains(text, secret) {
				t.Fatal(err)
			}
			return
		}
		for ref := range cfg.Accounts["acme"].Connections {
			config.CheckSettings(cfg, "acme/"+ref, schema)
			if _, err := cfg.Settings("acme/"+ref, schema); err != nil {
				t.Fatal(err)
			}
		}
	})
}
