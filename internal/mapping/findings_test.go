package mapping_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/mapping"
)

func TestTheFaultsOfModulesAreFoundWithTheScripts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, source := range map[string]string{
		"main.lua":  "local m = require(\"names\")\nlocal x = 1\nfunction map(r) return { first_name = m.title(r.first) } end\n",
		"names.lua": "count = 1\nreturn { title = function(s) return text.titel(s) end }\n",
		"lost.lua":  "local m = require(\"nowhere\")\nlocal x = 1\nfunction map(r) return {} end\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{
		"main.lua": {"main.lua:2:7: warning[script.unused]", "names.lua:1:1: error[script.global]", "names.lua:2:42: error[script.unknown_function]"},
		"lost.lua": {"lost.lua:1:7: warning[script.unused]", "lost.lua:2:7: warning[script.unused]", "lost.lua:1: error[script.load]"},
	} {
		found, err := mapping.FindingsOf(dir, filepath.Join(dir, name), mapping.KnownFields{})
		if err != nil || len(found) != len(want) {
			t.Fatalf("%s: %v, error %v", name, found, err)
		}
		for i, f := range found {
			if !strings.HasPrefix(f.String(), filepath.Join(dir, want[i])) {
				t.Errorf("%s, want %s", f, want[i])
			}
		}
	}
}

var update = flag.Bool("update", false, "rewrite what the tests expect in testdata and in scripts/types")

// golden compares with a file, or rewrites it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestEveryFaultOfAScriptIsFoundAtOnceWithItsPlace(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/findings/*.lua")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, error %v", len(scripts), err)
	}
	for _, path := range scripts {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range mapping.Findings(mapping.Script{Name: filepath.Base(path), Source: source}, mapping.KnownFields{}) {
			b.WriteString(f.String() + "\n")
		}
		golden(t, strings.TrimSuffix(path, ".lua")+".want", b.String())
	}
}

func TestTheShippedScriptsHaveNoFindings(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("../../scripts/*.lua")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, error %v", len(scripts), err)
	}
	for _, path := range scripts {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range mapping.Findings(mapping.Script{Name: path, Source: source}, mapping.KnownFields{}) {
			t.Error(f)
		}
	}
}

func TestHostileSourcesAreFoundFaultyWithoutHarm(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"", strings.Repeat("(", 5000), strings.Repeat("x", mapping.MaxScriptBytes+1), "\x00", "local \xff = 1", "goto x",
		"return " + strings.Repeat("a..", 20000) + "a", "x = [[", "--[[", "function map() end while true do end",
	} {
		if found := mapping.Findings(mapping.Script{Name: "x.lua", Source: []byte(source)}, mapping.KnownFields{}); len(found) == 0 {
			t.Errorf("%.20q: nothing found", source)
		}
	}
}
