package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rosterd/rosterd/internal/mapping"
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
}

// findingJSON is a finding with --json.
type findingJSON struct {
	Type string `json:"type"`
	mapping.Finding
}

// mapTests runs the cases of scripts and counts what came of them.
type mapTests struct {
	*cli
	passed, failed int
	// faulty counts the scripts that cannot run.
	faulty int
}

func (c *cli) mapTest(ctx context.Context, scripts []string) error {
	t := &mapTests{cli: c}
	for _, script := range scripts {
		if err := t.test(ctx, script); err != nil {
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
	results, err := mapping.RunCases(ctx, script)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Passed() {
			t.passed++
		} else {
			t.failed++
		}
		if t.json {
			t.print(caseJSON{"case", script, r.Name, r.File, r.Line, r.Passed(), r.Failure})
			continue
		}
		fmt.Fprintln(t.stdout, r)
	}
	return nil
}

// check shows what is wrong with a script, and reports whether it can run.
func (t *mapTests) check(script string) (bool, error) {
	findings, err := mapping.FindingsOf(filepath.Dir(script), script)
	if err != nil {
		return false, err
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
		return false, nil
	}
	return true, nil
}
