package scripts_test

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/scripts"
)

func TestEveryScriptPassesItsCases(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("*.lua")
	if err != nil || len(names) == 0 {
		t.Fatalf("scripts %v, error %v", names, err)
	}
	for _, name := range names {
		results, err := mapping.RunCases(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(results) < 12 {
			t.Errorf("%s has %d cases, want 12 or more", name, len(results))
		}
		for _, r := range results {
			if !r.Passed() {
				t.Error(r)
			}
		}
	}
}

func TestTheBinaryCarriesEveryScriptWithItsCases(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(scripts.Files, "*.lua")
	if err != nil || len(names) == 0 {
		t.Fatalf("scripts %v, error %v", names, err)
	}
	for _, name := range names {
		if _, err := fs.Stat(scripts.Files, name[:len(name)-len(".lua")]+".txtar"); err != nil {
			t.Errorf("%s has no cases: %v", name, err)
		}
	}
}
