package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

var update = flag.Bool("update", false, "write the wanted faults anew")

func TestEveryFaultOfAFileIsToldWithItsPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: settingsOf(t, file, "https://example.com", nil)})
			if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeConfig {
				t.Fatalf("got %v", err)
			}
			if *update {
				if err := os.WriteFile(file+".want", []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(file + ".want")
			if diff := cmp.Diff(string(want), err.Error()+"\n"); readErr != nil || diff != "" {
				t.Error(readErr, diff)
			}
		})
	}
}

func TestSettingsThatDoNotFitTheFileAreRefused(t *testing.T) {
	file := written(t, "version: 1\nauth: basic\nkinds:\n  member: {list: {path: \"/m/{club}\"}}\n")
	for name, more := range map[string]map[string]any{
		"a token where a password is needed": nil,
		"no password":                        {"token": nil, "username": "me"},
		"no clubs":                           {"token": nil, "username": "me", "password": testToken},
		"a directory":                        {"config": t.TempDir()},
		"http to a public address":           {"base_url": "http://93.184.216.34"},
		"no PEM":                             {"token": nil, "username": "me", "password": testToken, "ca": file},
	} {
		_, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: settingsOf(t, file, "https://example.com", more)})
		if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeConfig || strings.Contains(e.Error(), testToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEveryExampleOpens(t *testing.T) {
	for file, more := range map[string]map[string]any{
		"testdata/club.rest.yaml":  nil,
		"testdata/basic.rest.yaml": {"token": nil, "username": "me", "password": testToken},
		"testdata/crm.rest.yaml":   {"token": nil, "client_id": "me", "client_secret": testToken, "vars": map[string]string{"tenant": "acme"}},
	} {
		if c := opened(t, settingsOf(t, file, "https://example.com", more), "1"); len(c.Abilities()) == 0 {
			t.Errorf("%s: no ability", file)
		}
	}
}

// TestEveryKeyIsDescribed holds FILE.md to what is read.
func TestEveryKeyIsDescribed(t *testing.T) {
	text, err := os.ReadFile("FILE.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("parse*.go")
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, source := range sources {
		code, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\w\["([a-z0-9_]+)"\]`).FindAllStringSubmatch(string(code), -1) {
			keys++
			if !regexp.MustCompile(`\b` + m[1] + `\b`).Match(text) {
				t.Errorf("FILE.md does not describe the key %s of %s", m[1], source)
			}
		}
	}
	if keys < 50 {
		t.Errorf("%d keys found", keys)
	}
}

// FuzzParse holds that no text makes the reading of a file panic.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	more, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSpec("f.yaml", text, map[string]string{"tenant": "x"}, true)
		if err == nil && s == nil {
			t.Error("neither a file nor a fault")
		}
	})
}
