package config_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/config"
)

var update = flag.Bool("update", false, "rewrite what the cases in testdata want")

// TestEveryFaultIsShownAtItsPlace runs the cases of testdata. Each is an
// archive of configuration files with rosterd.yaml as the main one and what
// must be said about them under "want". Besides files it may hold
//
//	env          environment variables, NAME=VALUE a line
//	secrets      texts that nothing may show, one a line
//	schema.json  the settings of the adapter of acme/gym
//	options      the word skip-secrets
func TestEveryFaultIsShownAtItsPlace(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			a := parseArchive(string(text))
			got := runCase(t, a)
			if *update {
				a.set("want", got)
				if err := os.WriteFile(path, []byte(a.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(got, a.files["want"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func runCase(t *testing.T, a *archive) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range a.files {
		write(t, filepath.Join(dir, name), text)
	}
	t.Chdir(dir)
	env := map[string]string{}
	for line := range strings.Lines(a.files["env"]) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	cfg, err := config.Load("rosterd.yaml", config.Options{
		Getenv:      func(name string) string { return env[name] },
		SkipSecrets: strings.Contains(a.files["options"], "skip-secrets"),
		SkipScripts: strings.Contains(a.files["options"], "skip-scripts"),
	})
	var list []config.Fault
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		list = faults.List
	} else if err != nil {
		t.Fatal(err)
	} else {
		list = cfg.Warnings
		if schema := a.files["schema.json"]; schema != "" {
			list = append(list, config.CheckSettings(cfg, "acme/gym", json.RawMessage(schema))...)
		}
	}
	text := (&config.Faults{List: list}).Error()
	hold(t, list, text, a.files["secrets"])
	return strings.ReplaceAll(text, dir, "$DIR") + "\n"
}

// hold checks what is promised about every fault.
func hold(t *testing.T, list []config.Fault, text, secrets string) {
	t.Helper()
	encoded, err := json.Marshal(&config.Faults{List: list})
	if err != nil {
		t.Fatal(err)
	}
	for secret := range strings.Lines(secrets) {
		if secret = strings.TrimSpace(secret); strings.Contains(text+string(encoded), secret) {
			t.Errorf("the secret %q is shown", secret)
		}
	}
	for _, fault := range list {
		if fault.Code == "" || fault.Message == "" || fault.File == "" || fault.Hint == "" {
			t.Errorf("something is missing in %+v", fault)
		}
	}
}

// archive is a case: a comment and files, in the txtar format.
type archive struct {
	comment string
	names   []string
	files   map[string]string
}

func parseArchive(text string) *archive {
	a := &archive{files: map[string]string{}}
	name := ""
	for line := range strings.Lines(text) {
		if inner, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(inner, " --") {
			name = strings.TrimSuffix(inner, " --")
			a.names = append(a.names, name)
			a.files[name] = ""
		} else if name == "" {
			a.comment += line
		} else {
			a.files[name] += line
		}
	}
	return a
}

func (a *archive) set(name, text string) {
	if _, ok := a.files[name]; !ok {
		a.names = append(a.names, name)
	}
	a.files[name] = text
}

func (a *archive) String() string {
	text := a.comment
	for _, name := range a.names {
		text += "-- " + name + " --\n" + a.files[name]
	}
	return text
}
