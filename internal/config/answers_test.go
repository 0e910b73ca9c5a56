package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

const madeSchema = `{"type": "object", "additionalProperties": false, "required": ["base_url"], "properties": {
	"zone": {"enum": ["east", "west"], "default": "east"},
	"base_url": {"type": "string", "format": "uri", "description": "Where\nit is."},
	"username": {"type": "string", "minLength": 2},
	"password": {"type": "string", "minLength": 3, "writeOnly": true},
	"pages": {"type": "integer", "maximum": 100},
	"vars": {"type": "object", "additionalProperties": {"type": "string"}}}}`

// emptySite is a folder with a configuration that includes accounts.d.
func emptySite(t *testing.T) (main string, load func(pretend map[string][]byte) (*config.Config, error)) {
	t.Helper()
	dir := t.TempDir()
	main = filepath.Join(dir, "rosterd.yaml")
	if err := os.WriteFile(main, []byte("version: 1\nplugins: {lock: plugins.lock}\nscripts_dir: .\ninclude: [\"accounts.d/*.yaml\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "m.lua"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return main, func(pretend map[string][]byte) (*config.Config, error) {
		return config.Load(main, config.Options{Pretend: pretend})
	}
}

func TestAnswersBecomeAnAccountWhoseSecretsStandElsewhere(t *testing.T) {
	t.Parallel()
	main, load := emptySite(t)
	cfg, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := config.ReadAnswers("answers.yaml", []byte(`
name: Zenith
country: CA
timezone: America/Toronto
clubs: {north: {name: North, timezone: America/Vancouver}, south: {}}
connections:
  crm:
    adapter: made
    client_id: "0456"
    clubs: {north: 12}
    concurrency: 3
    settings: {pages: 010, vars: {a: "1"}, base_url: "https://crm.example.com", username: sync, password: 0123}
  club: {adapter: made, settings: {base_url: "http://10.0.0.1", password: {env: CLUB}}}
jobs:
  leads: {type: sync, from: crm, to: club, mapping: m.lua, schedule: "0 3 * * *"}
`))
	if err != nil {
		t.Fatal(err)
	}
	draft.ID, draft.SecretsDir = "zenith", "../secrets"
	draft.Schemas = map[string]json.RawMessage{"made": json.RawMessage(strings.Replace(madeSchema, `"integer"`, `["integer","string"]`, 1))}
	if err := draft.CheckSettings(cfg); err != nil {
		t.Fatal(err)
	}
	found, err := draft.PartSecrets(cfg)
	if err != nil || !found {
		t.Fatalf("found %v, error %v", found, err)
	}
	written, err := draft.Write(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(written.Secrets) != 1 || written.Secrets[0].Name != "zenith-crm-password" || written.Secrets[0].Value.Reveal() != "0123" {
		t.Errorf("secrets: %+v", written.Secrets)
	}
	if len(written.Open) != 2 || written.Open[0].Place != "connections.crm.clubs.south" || written.Open[1].Place != "connections.club.clubs" {
		t.Errorf("open: %+v", written.Open)
	}
	if strings.Contains(string(written.Text), "0123") {
		t.Errorf("the secret stands in the file:\n%s", written.Text)
	}
	dir := filepath.Dir(main)
	cfg, err = config.Load(main, config.Options{Getenv: func(string) string { return "s3" }, Pretend: map[string][]byte{
		filepath.Join(dir, "accounts.d", "zenith.yaml"): written.Text, filepath.Join(dir, "secrets", "zenith-crm-password"): []byte("0123\n"),
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, written.Text)
	}
	account := cfg.Accounts["zenith"]
	crm := account.Connections["crm"]
	if crm.ClientID != "0456" || crm.Clubs["north"] != "12" || crm.Concurrency != 3 || account.Clubs["north"].Timezone != "America/Vancouver" {
		t.Errorf("the account is %+v", account)
	}
	if s := crm.Settings.Reveal(); s != `{"base_url":"https://crm.example.com","pages":"010","password":"0123","username":"sync","vars":{"a":"1"}}` {
		t.Errorf("the settings are %s", s)
	}
	if len(cfg.Jobs) != 1 || cfg.Jobs[0].Schedule != "0 3 * * *" {
		t.Errorf("the jobs are %+v", cfg.Jobs)
	}
}

func TestAnswersThatCannotBeMeantAreToldWithTheirPlaceAndWithoutSecrets(t *testing.T) {
	t.Parallel()
	_, load := emptySite(t)
	cfg, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"county: CA":                      `answers.yaml:1:1: error[config.unknown_key]: unknown key "county"`,
		"country: XX":                     `"XX" is no country`,
		"timezone: Nowhere":               `"Nowhere" is no time zone`,
		"clubs: {North: {}}":              `"North" is no name`,
		"connections: {crm: {adaptr: x}}": `did you mean "adapter"?`,
		"":                                "the file is empty",
		"connections: {crm: {adapter: made, settings: {pasword: hunter2}}}":       `did you mean "password"?`,
		"connections: {crm: {adapter: made, settings: {password: [hunter2]}}}":    `"password" must be a text, not a list`,
		"connections: {crm: {adapter: made, settings: {base_url: 10.0.0.1}}}":     `"base_url" is no web address`,
		"connections: {crm: {adapter: made, settings: {zone: wst}}}":              `did you mean "west"?`,
		"connections: {crm: {adapter: made, settings: {vars: {a: {env: SOME}}}}}": "",
	} {
		draft, err := config.ReadAnswers("answers.yaml", []byte(text))
		if err == nil {
			draft.Schemas = map[string]json.RawMessage{"made": json.RawMessage(madeSchema)}
			err = draft.CheckSettings(cfg)
		}
		if want == "" && err == nil {
			continue
		}
		if faults, ok := errors.AsType[*config.Faults](err); !ok || !strings.Contains(faults.Error(), want) || strings.Contains(faults.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestAFormHasTheRequiredSettingsFirstAndChecksWhatIsTyped(t *testing.T) {
	t.Parallel()
	form, err := config.ReadForm(json.RawMessage(madeSchema))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range form.Fields {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "base_url zone username password pages vars" {
		t.Errorf("the fields are %s", got)
	}
	if f := form.Fields[0]; f.Description != "Where it is." || !f.Required || !f.URL || form.Fields[1].Default != "east" || !form.Fields[3].Secret {
		t.Errorf("the fields are %+v", form.Fields)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"base_url", "https://example.com", ""},
		{"base_url", "10.0.0.1", "write it with its scheme"},
		{"username", "x", "too short"},
		{"username", "007", ""},
		{"password", "no", "too short"},
		{"pages", "7", ""},
		{"pages", "many", "must be a whole number"},
		{"pages", "101", "the most is 100"},
		{"pages", "[", "cannot be read"},
		{"zone", "wst", `did you mean "west"?`},
		{"vars", "{a: b}", ""},
		{"vars", "{a: {b: c}}", "must be a text"},
		{"pasword", "x", `did you mean "password"?`},
		{"nothing", "x", "there are base_url"},
	} {
		field, err := form.Field(tt.name)
		if err == nil {
			_, err = form.Parse(field, tt.text)
		}
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s %s: got %v, want %q", tt.name, tt.text, err, tt.want)
		}
	}
}

func TestASecretThatIsNotKnownHereIsNamed(t *testing.T) {
	t.Parallel()
	main, _ := emptySite(t)
	path := filepath.Join(filepath.Dir(main), "accounts.d", "zenith.yaml")
	cfg, err := config.Load(main, config.Options{SkipSecrets: true, Pretend: map[string][]byte{path: []byte(
		"accounts: {zenith: {country: CA, timezone: UTC, connections: {crm: {adapter: made, settings: {url: x, deep: [{key: {env: NONE}}]}}}}}")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.UnknownSecrets("zenith/crm"); len(got) != 1 || got[0] != "deep" {
		t.Errorf("got %v", got)
	}
	if got := cfg.UnknownSecrets("zenith/none"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestASecretOfADraftIsNeverPrinted(t *testing.T) {
	t.Parallel()
	var draft config.Draft
	draft.Of("crm").Secrets["password"] = roster.NewSecret("hunter2")
	text, err := json.Marshal(config.DraftSecret{Value: roster.NewSecret("hunter2")})
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%s, error %v", text, err)
	}
}
