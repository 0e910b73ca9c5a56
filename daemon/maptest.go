package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
)

// caseJSON is a case's result with --json.
type caseJSON struct {
	Type    string `json:"type"`
	Script  string `json:"script"`
	Name    string `json:"name"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	OK      bool   `json:"ok"`
	Failure string `json:"failure,omitempty"`
	// Cause is equal for cases that fail in the same way.
	Cause   string `json:"cause,omitempty"`
	Updated string `json:"updated,omitempty"`
}

// findingJSON is a finding with --json.
type findingJSON struct {
	Type string `json:"type"`
	mapping.Finding
}

// coverageJSON is a script's coverage with --json.
type coverageJSON struct {
	Type   string `json:"type"`
	Script string `json:"script"`
	mapping.Coverage
	Percent float64 `json:"percent"`
}

// testOptions are the flags of map test.
type testOptions struct {
	update, cover bool
	// junit is the file for the results as XML; empty for none.
	junit string
	// job is the job whose connections are asked for their fields; empty for
	// none.
	job string
}

// mapTests runs the cases of scripts and counts what came of them.
type mapTests struct {
	*cli
	options        testOptions
	known          mapping.KnownFields
	passed, failed int
	// faulty counts the scripts that cannot run.
	faulty int
	report junitReport
}

func (c *cli) mapTest(ctx context.Context, scripts []string, o testOptions) error {
	t := &mapTests{cli: c, options: o}
	if o.job != "" {
		fields, err := c.fieldsOfJob(ctx, o.job)
		if err != nil {
			return err
		}
		t.known = fields.known()
	}
	for _, script := range scripts {
		if err := t.test(ctx, script); err != nil {
			return err
		}
	}
	if o.junit != "" {
		if err := t.report.write(o.junit); err != nil {
			return err
		}
	}
	if c.json {
		c.print(map[string]any{"type": "summary", "ok": t.failed+t.faulty == 0, "passed": t.passed, "failed": t.failed, "faulty": t.faulty})
	} else {
		fmt.Fprintf(c.stdout, "%d passed, %d failed\n", t.passed, t.failed)
	}
	switch {
	case t.faulty > 0:
		return &endError{code: exitConfig}
	case t.failed > 0:
		return &endError{code: exitFailure}
	}
	return nil
}

// test checks a script and, where it can run, runs its cases.
func (t *mapTests) test(ctx context.Context, script string) error {
	runs, err := t.check(script)
	if err != nil || !runs {
		return err
	}
	run, err := mapping.TestCases(ctx, script, mapping.CaseOptions{
		Dir: t.scriptsDirOf(script), Update: t.options.update, Cover: t.options.cover, Sync: t.syncOf(script),
	})
	if errors.Is(err, fs.ErrNotExist) {
		return &roster.Fault{
			Code: "script.no_cases", Message: err.Error(),
			Hint: "a case is two sections: `-- NAME/in.json --` with a record as JSON, and `-- NAME/out.json --` with the record that comes out;" +
				" write {} there, and --update fills it in",
		}
	}
	if err != nil {
		return err
	}
	t.report.add(script, run.Results)
	for _, r := range run.Results {
		if r.Passed() {
			t.passed++
		} else {
			t.failed++
		}
		if t.json {
			t.print(caseJSON{"case", script, r.Name, r.File, r.Line, r.Passed(), r.Failure, r.Cause, r.Updated})
		}
	}
	if !t.json {
		t.showResults(run.Results)
	}
	if run.Coverage != nil {
		t.showCoverage(script, *run.Coverage)
	}
	return nil
}

// maxAlike bounds the names of cases that fail like one that is shown.
const maxAlike = 5

// showResults shows a failure once, with the names of the cases that fail in the
// same way: one mistake in a script fails many.
func (t *mapTests) showResults(results []mapping.CaseResult) {
	alike := map[string][]string{}
	for _, r := range results {
		if !r.Passed() {
			alike[r.Cause] = append(alike[r.Cause], fmt.Sprintf("%s (%s:%d)", r.Name, r.File, r.Line))
		}
	}
	for _, r := range results {
		if r.Passed() {
			fmt.Fprintln(t.stdout, r)
			continue
		}
		names, first := alike[r.Cause]
		if !first {
			continue
		}
		delete(alike, r.Cause)
		fmt.Fprintln(t.stdout, r)
		if names = names[1:]; len(names) == 0 {
			continue
		}
		listed := strings.Join(names[:min(len(names), maxAlike)], ", ")
		if more := len(names) - maxAlike; more > 0 {
			listed += fmt.Sprintf(" and %d more", more)
		}
		what := "other cases fail"
		if len(names) == 1 {
			what = "other case fails"
		}
		fmt.Fprintf(t.stdout, "  %d %s in the same way: %s\n", len(names), what, listed)
	}
}

func (t *mapTests) showCoverage(script string, covered mapping.Coverage) {
	if t.json {
		t.print(coverageJSON{"coverage", script, covered, covered.Percent()})
		return
	}
	fmt.Fprintf(t.stdout, "%s: %.0f%% run by its cases\n", script, covered.Percent())
	for _, line := range covered.Never {
		fmt.Fprintf(t.stdout, "  %s:%d: not run by any case\n", script, line)
	}
}

// check shows what is wrong with a script, and reports whether it can run.
func (t *mapTests) check(script string) (bool, error) {
	findings, err := mapping.FindingsOf(t.scriptsDirOf(script), script, t.known)
	if err != nil {
		return false, &roster.Fault{
			Code: "script.unreadable", Message: err.Error(),
			Hint: "write the path of the script as it is from here; without one, `rosterd map test` tests every script of scripts_dir that has cases",
		}
	}
	for _, f := range findings {
		if t.json {
			t.print(findingJSON{"finding", f})
			continue
		}
		fmt.Fprintln(t.stdout, f)
	}
	if slices.ContainsFunc(findings, func(f mapping.Finding) bool { return f.Severity == mapping.SeverityError }) {
		t.faulty++
		t.report.addFaulty(script, findings)
		return false, nil
	}
	return true, nil
}
