package config_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const example = "../../config.example.yaml"

// environment hands secrets to a configuration as systemd does: as files in a
// folder. Every secret's text is its name, made long enough for any use.
func environment(t *testing.T, secrets ...string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range secrets {
		write(t, filepath.Join(dir, name), secretOf(name)+"\n")
	}
	return func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return dir
		}
		return ""
	}
}

func secretOf(name string) string { return "the-secret-text-of-" + strings.ReplaceAll(name, ".", "-") }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string, opts config.Options) *config.Config {
	t.Helper()
	cfg, err := config.Load(path, opts)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return cfg
}

func TestTheExampleHoldsTheDefaults(t *testing.T) {
	cfg := load(t, example, config.Options{Getenv: environment(t, "intandem")})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bare.yaml"), "version: 1\npublic_url: https://sync.example.com\nplugins: {lock: plugins.lock}\n")
	bare := load(t, filepath.Join(dir, "bare.yaml"), config.Options{})
	if diff := cmp.Diff(cfg, bare, cmpopts.IgnoreUnexported(config.Config{}), cmpopts.EquateComparable(roster.Secret{}),
		cmpopts.IgnoreFields(config.Config{}, "Path", "TrustedProxies", "Plugins.Lock", "ScriptsDir", "Include", "Accounts", "Jobs")); diff != "" {
		t.Errorf("example (-), configuration without keys (+):\n%s", diff)
	}
	job := cfg.Jobs[0]
	if job.Override || job.Upload != "single" || !job.Notify || job.Schedule != "manual" || job.Timing != (roster.Timing{}) || job.Kinds[0] != sdk.KindMember {
		t.Errorf("the example's job has no defaults: %+v", job)
	}
}

// fullExample is the example with everything in it switched on, beside scripts
// with the names that it uses.
func fullExample(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	full := regexp.MustCompile(`(?m)^( *)#([^ #\n]|  )`).ReplaceAllString(string(text), "$1$2")
	full = strings.Replace(full, "admin: unix:/run/rosterd/admin.sock ", "admin: 127.0.0.1:8081 ", 1)
	full = strings.Replace(full, "trusted_proxies: [127.0.0.1/32]", "trusted_proxies: [127.0.0.1/32, 10.1.2.3]", 1)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rosterd.yaml"), full)
	write(t, filepath.Join(dir, "scripts", "gym_to_intandem.lua"), "")
	write(t, filepath.Join(dir, "scripts", "crm_to_clubsys.lua"), "")
	return filepath.Join(dir, "rosterd.yaml")
}

func TestEveryKeyOfTheExampleIsRead(t *testing.T) {
	path := fullExample(t)
	dir := filepath.Dir(path)
	cfg := load(t, path, config.Options{Getenv: environment(t, "master.key", "admin", "export", "intandem", "crm", "clubsys", "web", "smtp", "webhook")})
	toronto, err := time.LoadLocation("America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	secret := func(name string) roster.Secret { return roster.NewSecret(secretOf(name)) }
	want := &config.Config{
		Path: path, Version: 1, StateDir: "/var/lib/rosterd", MasterKey: secret("master.key"),
		Listen: config.Listen{
			Public: ":8080", TLS: config.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")},
			Admin: "127.0.0.1:8081", AdminToken: secret("admin"),
		},
		PublicURL:      "https://sync.example.com",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.1.2.3/32")},
		Plugins:        config.Plugins{Dir: "/usr/lib/rosterd/plugins", Lock: filepath.Join(dir, "plugins.lock")},
		Export: config.Export{
			Secrets: []roster.Secret{secret("export")}, AnnounceWait: 2 * time.Minute, SessionTimeout: 30 * time.Minute,
			SessionGap: 10 * time.Second, OutcomeWait: 24 * time.Hour, Repeats: 20,
		},
		Alerts: config.Alerts{Repeat: 24 * time.Hour, Receivers: []config.AlertReceiver{
			{
				Name: "chat", Account: "acme", On: []string{"failed", "partial"},
				Webhook: &config.AlertWebhook{URL: "https://alerts.example.com/rosterd", Key: secret("webhook")},
			},
			{
				Name: "ops", On: []string{"failed", "blocked", "parked", "stale", "adapter_parked", "disk"},
				Email: &config.AlertEmail{
					Host: "mail.example.com", Port: 587, TLS: "starttls", Username: "rosterd", Password: secret("smtp"),
					From: "rosterd@example.com", To: []string{"ops@example.com"},
				},
			},
		}},
		Concurrency: 4, Retention: config.Retention{
			Runs: 90 * 24 * time.Hour, Keep: 50, Log: 30 * 24 * time.Hour, LogBytes: 1 << 30,
			Quarantine: 365 * 24 * time.Hour, History: 365 * 24 * time.Hour, Gone: 730 * 24 * time.Hour,
		},
		ScriptsDir: filepath.Join(dir, "scripts"), Include: []string{filepath.Join(dir, "accounts.d/*.yaml")},
		Accounts: map[string]roster.Account{"acme": {
			ID: "acme", Name: "Acme Fitness", Country: "CA", Timezone: "America/Toronto",
			Clubs: map[string]roster.Club{
				"downtown": {Name: "Downtown", Country: "CA", Timezone: "America/Toronto"},
				"airport":  {Name: "Airport", Country: "CA", Timezone: "America/Vancouver"},
			},
			Connections: map[string]roster.Connection{
				"gym": {
					Ref: "acme/gym", SettleMargin: 2 * time.Second, Concurrency: 1, Adapter: "csv", Clubs: map[string]string{"downtown": "1", "airport": "2"},
					Settings: roster.NewSecret(`{"club":"club_no","id":"member_no","path":"/srv/acme/members.csv"}`),
				},
				"intandem": {
					Ref: "acme/intandem", SettleMargin: 2 * time.Second, Concurrency: 1, Adapter: "intandem", Clubs: map[string]string{},
					Settings: roster.NewSecret(`{"app_code_name":"acmeimport","business_uid":"b1","token":"` + secretOf("intandem") + `"}`),
				},
				"crm": {
					Ref: "acme/crm", SettleMargin: 2 * time.Second, Concurrency: 1, Adapter: "rest", ClientID: "456", Clubs: map[string]string{"downtown": "12", "airport": "13"},
					Settings: roster.NewSecret(`{"base_url":"https://crm.example.com","config":"crm.rest.yaml","password":"` + secretOf("crm") + `","username":"sync"}`),
				},
				"web": {
					Ref: "acme/web", SettleMargin: 2 * time.Second, Concurrency: 1, Adapter: "inbound", ClientID: "456", Clubs: map[string]string{"downtown": "12", "airport": "13"},
					Settings: roster.NewSecret(`{"provider":"WEB","secret":"` + secretOf("web") + `"}`),
				},
				"clubsys": {
					Ref: "acme/clubsys", SettleMargin: 2 * time.Second, Concurrency: 1, Adapter: "rest", Clubs: map[string]string{"downtown": "A", "airport": "B"},
					Settings: roster.NewSecret(`{"base_url":"https://10.1.2.3","config":"clubsys.rest.yaml","token":"` + secretOf("clubsys") + `"}`),
				},
			},
		}},
		Jobs: []roster.Job{
			{
				Ref: "acme/launch", Account: "acme", Type: roster.JobImport, From: "acme/gym", To: "acme/intandem",
				Kinds: []sdk.Kind{sdk.KindMember}, Read: roster.ReadAll, Mapping: filepath.Join(dir, "scripts/gym_to_intandem.lua"),
				Schedule: "manual", Timing: roster.Timing{MaxAge: 12 * time.Hour}, Location: toronto, Upload: "single", Notify: true,
			},
			{
				Ref: "acme/leads", Account: "acme", Type: roster.JobSync, From: "acme/crm", To: "acme/clubsys",
				Kinds: sdk.Kinds(), Read: roster.ReadChanges, Mapping: filepath.Join(dir, "scripts/crm_to_clubsys.lua"),
				Schedule: "*/5 * * * *", Location: toronto,
				Sync: roster.SyncOptions{Sweep: "0 3 * * 0", Owner: "optional", LeadSources: "create", Guards: roster.Guards{
					MaxCreate: roster.Limit{Count: 500}, MaxUpdate: roster.Limit{Percent: 20, Relative: true},
					MaxDeactivate: roster.Limit{Percent: 5, Relative: true}, BlankField: roster.Limit{Percent: 10, Relative: true},
					BlockEmptySource: true,
				}, OnMatch: true, OnMissing: true, OnGone: "deactivate", Match: []string{"stored_id", "name_email_mobile", "name_email"}, Conflict: "from", Modified: "updated_at", Policies: map[string]roster.FieldPolicy{
					"notes": roster.PolicyFillIfEmpty, "mobile": roster.PolicyNeverNull,
				}},
			},
		},
	}
	slices.SortFunc(want.Jobs, func(a, b roster.Job) int { return strings.Compare(a.Ref, b.Ref) })
	sameSecret := cmp.Comparer(func(a, b roster.Secret) bool { return a.Reveal() == b.Reveal() })
	samePlace := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	if diff := cmp.Diff(cfg, want, cmpopts.IgnoreUnexported(config.Config{}), cmpopts.IgnoreFields(config.Config{}, "Warnings"),
		cmpopts.EquateComparable(netip.Prefix{}), sameSecret, samePlace); diff != "" {
		t.Error(diff)
	}
	if len(cfg.Warnings) != 0 {
		t.Errorf("got warnings %v, want none", cfg.Warnings)
	}
}

func TestTheExampleHoldsEveryKeyOfTheSchema(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	properties(schema, names)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		// env and file are shown in the example's head as text.
		if !regexp.MustCompile(`(?m)(^|[ #{])` + name + `:`).Match(text) {
			t.Errorf("the example lacks %q", name)
		}
	}
}

// properties collects the keys that a JSON Schema knows.
func properties(schema any, names map[string]bool) {
	switch at := schema.(type) {
	case map[string]any:
		if known, ok := at["properties"].(map[string]any); ok {
			for name := range known {
				names[name] = true
			}
		}
		for _, inside := range at {
			properties(inside, names)
		}
	case []any:
		for _, inside := range at {
			properties(inside, names)
		}
	}
}

func TestTheExampleIsAcceptableWithoutItsSecrets(t *testing.T) {
	cfg := load(t, example, config.Options{SkipSecrets: true})
	if len(cfg.Warnings) != 1 || cfg.Warnings[0].Code != config.CodeSecret || cfg.Warnings[0].Severity != config.SeverityWarning {
		t.Errorf("got %v, want one warning about the missing secret", cfg.Warnings)
	}
}
