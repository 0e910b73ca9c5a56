package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
)

func writeCases(t *testing.T, script, cases string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.lua")
	for name, content := range map[string]string{path: script, strings.TrimSuffix(path, ".lua") + ".txtar": cases} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

const caseScript = `function map(r)
	if r.a == "skip" then skip("no wish") end
	return { first_name = r.a, n = r.b }
end`

func TestACaseThatFailsShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	path := writeCases(t, caseScript, `comment
-- right/in.json --
{"a": "Ann", "b": 1}
-- right/out.json --
{"first_name": "Ann", "n": "1"}
-- wrong/in.json --
{"a": "Ann", "b": "x"}
-- wrong/out.json --
{"first_name": "Anna", "m": 2}
-- skipped/in.json --
{"a": "skip"}
-- skipped/reject --
`)
	results, err := mapping.RunCases(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 || !results[0].Passed() || results[1].Passed() || results[2].Passed() {
		t.Fatalf("%v", results)
	}
	want := path + `: - is what the case expects, + is what the script made
  - first_name: "Anna"
  + first_name: "Ann"
  - m: 2
  + n: "x"`
	if results[1].Failure != want || results[1].Line != 6 {
		t.Errorf("line %d\n%s\nwant\n%s", results[1].Line, results[1].Failure, want)
	}
	if want := "  - reject\n  + skip: no wish (" + path + ":2)"; results[2].Failure != want {
		t.Errorf("%s\nwant\n%s", results[2].Failure, want)
	}
}

func TestAMalformedFileOfCasesIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	for cases, want := range map[string]string{
		"-- a/in.json --\n{}\n":                                     `x.txtar:1: case "a" needs`,
		"\n-- b --\n{}\n":                                           `x.txtar:2: section "b" is no part of a case`,
		"-- context.json --\n{\"county\": 1}\n":                     "x.txtar:1: read the context",
		"-- a/in.json --\n{]\n-- a/skip --\n":                       `x.txtar:1: case "a": read in.json`,
		"-- a/in.json --\n{\"a\":\"A\"}\n-- a/out.json --\nnothing": `x.txtar:1: case "a": read out.json`,
	} {
		_, err := mapping.RunCases(t.Context(), writeCases(t, caseScript, cases))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
