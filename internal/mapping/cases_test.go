package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
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
  + first_name: "Ann" (` + path + `:3)
  - m: 2
  + n: "x" (` + path + `:3)`
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

func TestCasesAreUpdatedAndTheRestOfTheFileIsKept(t *testing.T) {
	t.Parallel()
	path := writeCases(t, `function map(r)
	if r.a == "skip" then skip("no wish") end
	if r.a == "fail" then error("broken") end
	return { first_name = r.a, n = r.b, m = "ü" }
end`, `a comment
-- context.json --
{"country": "CA"}

-- wrong/in.json --
{"a": "Ann", "b": "x"}
-- wrong/out.json --
{"n": "y",
 "first_name": "Anna", "gone": 1}

-- skipped/reject --
something
-- skipped/in.json --
{"a": "skip"}

-- failing/in.json --
{"a": "fail"}
-- failing/out.json --
{"first_name": "fail"}

-- right/in.json --
{"a": "Ann"}
-- right/out.json --
{  "m": "ü",   "first_name": "Ann"}
`)
	run, err := mapping.TestCases(t.Context(), path, mapping.CaseOptions{Update: true})
	if err != nil {
		t.Fatal(err)
	}
	if r := run.Results; len(r) != 4 || r[0].Updated == "" || r[1].Updated == "" || r[2].Passed() || r[2].Updated != "" || r[3].Updated != "" {
		t.Errorf("%v", r)
	}
	got, err := os.ReadFile(strings.TrimSuffix(path, ".lua") + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	want := `a comment
-- context.json --
{"country": "CA"}

-- wrong/in.json --
{"a": "Ann", "b": "x"}
-- wrong/out.json --
{"n": "x", "first_name": "Ann", "m": "ü"}

-- skipped/skip --
no wish
-- skipped/in.json --
{"a": "skip"}

-- failing/in.json --
{"a": "fail"}
-- failing/out.json --
{"first_name": "fail"}

-- right/in.json --
{"a": "Ann"}
-- right/out.json --
{  "m": "ü",   "first_name": "Ann"}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestCoverageNamesTheLinesThatNoCaseRan(t *testing.T) {
	t.Parallel()
	const cases = `-- one/in.json --
{"a": "Ann"}
-- one/out.json --
{"first_name": "Ann"}
`
	for name, test := range map[string]struct {
		script string
		want   mapping.Coverage
	}{
		"a function": {`local function never(x)
  return x
end
function map(r)
  if r.b then
    for i = 1, 3 do
      never(i)
    end
  elseif r.a then
    return { first_name = r.a }
  end
  return nil
end`, mapping.Coverage{Parts: 9, Run: 5, Never: []int{2, 6, 7, 12}}},
		"a plan": {`return mapping{
  when(source.b:is("x"),
    skip("x")),
  first_name = first(source.a,
    source.c),
}`, mapping.Coverage{Parts: 4, Run: 2, Never: []int{3, 5}}},
	} {
		run, err := mapping.TestCases(t.Context(), writeCases(t, test.script, cases), mapping.CaseOptions{Cover: true})
		if err != nil || !run.Results[0].Passed() {
			t.Fatalf("%s: %v, error %v", name, run.Results, err)
		}
		if diff := cmp.Diff(&test.want, run.Coverage); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCasesOfASyncHoldTheirRecordsToWhatASyncAsks(t *testing.T) {
	t.Parallel()
	path := writeCases(t, `return mapping{
		first_name = source.a, last_name = "Ek", type = "member", status = "active", phone = first(source.phone, null), owner = source.boss, lead_source = source.from,
	}`, `-- whole/in.json --
{"a": "Ann", "boss": 7, "from": "web", "phone": "+1"}
-- whole/out.json --
{"first_name": "Ann", "last_name": "Ek", "type": "member", "status": "active", "phone": "+1", "owner": "7", "lead_source": "web"}
-- without a phone/in.json --
{"a": "Ann"}
-- without a phone/out.json --
{"first_name": "Ann", "last_name": "Ek", "type": "member", "status": "active"}
-- another owner/in.json --
{"a": "Ann", "boss": "8"}
-- another owner/out.json --
{"first_name": "Ann", "last_name": "Ek", "type": "member", "status": "active", "owner": "7"}
-- of staff/in.json --
{"@kind": "staff", "a": "Ann"}
-- of staff/reject --
email is missing
`)
	job := roster.Job{
		Type: roster.JobSync, Kinds: []sdk.Kind{sdk.KindProspect},
		Sync: roster.SyncOptions{Policies: map[string]roster.FieldPolicy{"phone": roster.PolicyNeverNull}},
	}
	run, err := mapping.TestCases(t.Context(), path, mapping.CaseOptions{Sync: &job})
	if err != nil {
		t.Fatal(err)
	}
	if r := run.Results; len(r) != 4 || !r[0].Passed() || !r[1].Passed() || !r[3].Passed() || !strings.Contains(r[2].Failure, "- owner: \"7\"\n  + owner: \"8\"") {
		t.Errorf("%v", run.Results)
	}
	job.Kinds = []sdk.Kind{sdk.KindStaff}
	if run, err = mapping.TestCases(t.Context(), path, mapping.CaseOptions{Sync: &job}); err != nil {
		t.Fatal(err)
	}
	if want := "reject: email is missing"; !strings.Contains(run.Results[0].Failure, want) {
		t.Errorf("a case of staff: %v, want %s", run.Results[0], want)
	}
	if _, err = mapping.TestCases(t.Context(), path, mapping.CaseOptions{Sync: &job, Update: true}); err != nil {
		t.Fatal(err)
	}
	job.Kinds = []sdk.Kind{sdk.KindMember}
	if _, err = mapping.TestCases(t.Context(), path, mapping.CaseOptions{Sync: &job, Update: true}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path[:len(path)-len("lua")] + "txtar")
	if want := `{"first_name": "Ann", "last_name": "Ek", "lead_source": "web", "owner": "7", "phone": "+1", "status": "active",`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%v: %s", err, text)
	}
}
