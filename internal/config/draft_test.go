package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/config"
)

func TestADraftCanBeReadAndIsLikeTheOtherButForItsIdsAndSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := filepath.Join(dir, "rosterd.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(main, `version: 1
state_dir: state
scripts_dir: scripts
include: ["*.d.yaml"]
accounts:
  acme:
    country: CA
    timezone: UTC
    clubs: {a: {name: A}}
    connections:
      gym: {adapter: made, client_id: acme-9, clubs: {a: "7"}, concurrency: 3,
        settings: {path: acme.csv, site_id: "123", deep: {list: [1, {key: {env: ACME_KEY}}]}, map: {x: [1, "two"]}, on: "yes"}}
      club: {adapter: made, settings: {path: x}}
    jobs:
      leads: {type: sync, from: gym, to: club, mapping: m.lua, schedule: "0 3 * * *", sweep: "0 4 * * 0", kinds: [member], misfire: skip}
`)
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "scripts", "m.lua"), "")
	load := func() *config.Config {
		t.Helper()
		cfg, err := config.Load(main, config.Options{SkipSecrets: true})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	draft := config.Draft{
		ID: "zenith", Name: "null", Country: "NO", Timezone: "Europe/Oslo", Like: "acme",
		Clubs:       []config.DraftClub{{Key: "no", Name: "True: #1"}},
		Connections: []config.DraftConnection{{Key: "extra", Adapter: "made"}},
		Schemas: map[string]json.RawMessage{"made": json.RawMessage(
			`{"required": ["path", "key"], "properties": {"path": {"description": "Where\nit is."}, "key": {"writeOnly": true}}}`)},
	}
	written, err := draft.Write(load())
	if err != nil {
		t.Fatal(err)
	}
	text, open := written.Text, written.Open
	write(filepath.Join(dir, "zenith.d.yaml"), string(text))
	cfg := load()
	got := cfg.Accounts["zenith"]
	if got.Name != "null" || got.Country != "NO" || got.Clubs["no"].Name != "True: #1" || len(got.Connections) != 3 {
		t.Errorf("the account is %+v", got)
	}
	gym := got.Connections["gym"]
	if s := gym.Settings.Reveal(); s != `{"map":{"x":[1,"two"]},"on":"yes"}` || gym.Concurrency != 3 || gym.ClientID != "" || len(gym.Clubs) != 0 {
		t.Errorf("the connection is %+v with the settings %s", gym, s)
	}
	if job := cfg.Jobs[len(cfg.Jobs)-1]; job.Ref != "zenith/leads" || job.Schedule != "manual" || job.Sync.Sweep != "" || !job.Timing.SkipMissed {
		t.Errorf("the job is %+v", job)
	}
	if strings.Contains(string(text), "ACME_KEY") || strings.Contains(string(text), "123") || strings.Contains(string(text), "acme.csv") {
		t.Errorf("it holds what is the other's own:\n%s", text)
	}
	lines := strings.Split(string(text), "\n")
	var places []string
	for _, o := range open {
		places = append(places, o.Place)
		if line := strings.TrimSpace(lines[o.Line-1]); !strings.HasPrefix(line, "#"+o.Place[strings.LastIndex(o.Place, ".")+1:]+":") {
			t.Errorf("%s is said to be open in line %d, which is %q", o.Place, o.Line, line)
		}
	}
	want := "connections.gym.client_id connections.gym.clubs connections.gym.settings.deep connections.gym.settings.key connections.gym.settings.path " +
		"connections.gym.settings.site_id connections.club.clubs connections.club.settings.key connections.club.settings.path " +
		"connections.extra.clubs connections.extra.settings.key connections.extra.settings.path jobs.leads.schedule jobs.leads.sweep"
	if strings.Join(places, " ") != want {
		t.Errorf("open are %s", places)
	}
}
