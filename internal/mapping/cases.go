package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// CaseResult is what came of one case.
type CaseResult struct {
	// Name is the case's name; File and Line say where it stands.
	Name, File string
	Line       int
	// Failure says how the outcome differs from what the case expects, and at
	// which line of the script where that is known; empty for a case that
	// passed.
	Failure string
}

// Passed reports whether the outcome was what the case expects.
func (r CaseResult) Passed() bool { return r.Failure == "" }

// String returns one line for a case that passed, and the difference for one
// that did not.
func (r CaseResult) String() string {
	if r.Passed() {
		return "ok    " + r.Name
	}
	return fmt.Sprintf("FAIL  %s (%s:%d)\n%s", r.Name, r.File, r.Line, r.Failure)
}

// RunCases runs the cases that stand beside a script, in a file of the same
// name that ends in .txtar; the package comment describes its form. Modules are
// looked for from the script's folder. The script runs in the engine that
// workers use, but inside the calling process, until ctx ends. The error is a
// [ScriptError] for a fault of the script; a case that fails is no error.
func RunCases(ctx context.Context, scriptPath string) ([]CaseResult, error) {
	script, err := ReadScript(filepath.Dir(scriptPath), scriptPath)
	if err != nil {
		return nil, err
	}
	casesPath := strings.TrimSuffix(scriptPath, filepath.Ext(scriptPath)) + ".txtar"
	raw, err := os.ReadFile(casesPath) //nolint:gosec // The path is the caller's, who may read the file anyway.
	if err != nil {
		return nil, fmt.Errorf("read the script's cases: %w", err)
	}
	file, err := parseCases(casesPath, raw)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(ctx, script, file.context, file.target)
	if err != nil {
		return nil, err
	}
	defer e.close()
	results := make([]CaseResult, 0, len(file.cases))
	for _, c := range file.cases {
		e.lua.SetContext(ctx)
		failure, err := e.runCase(c)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return results, fmt.Errorf("%s:%d: case %q: %w", casesPath, c.line, c.name, err)
		}
		results = append(results, CaseResult{Name: c.name, File: casesPath, Line: c.line, Failure: failure})
	}
	return results, nil
}

// runCase returns how the outcome differs from what is expected, or nothing.
func (e *engine) runCase(c mapCase) (string, error) {
	page, err := casePage(e.target.Kind, c.in)
	if err != nil {
		return "", err
	}
	mapped := e.mapPage(page, rowSet{to: page.Rows}, func(int) {})
	return e.compare(c, mapped.Records[0])
}

func (e *engine) compare(c mapCase, got roster.MappedRecord) (string, error) {
	want := map[string]roster.Verdict{
		"out.json": roster.VerdictMapped, "skip": roster.VerdictSkipped, "reject": roster.VerdictRejected,
	}[c.want]
	if got.Verdict != want {
		return "  - " + c.want + "\n  + " + e.outcome(got), nil
	}
	if want != roster.VerdictMapped {
		expected := strings.TrimSpace(string(c.expected))
		if expected == "" || expected == got.Reason || expected == got.Code {
			return "", nil
		}
		return "  - " + c.want + ": " + expected + "\n  + " + e.outcome(got), nil
	}
	return e.compareFields(c.expected, got)
}

// outcome describes a result in one line.
func (e *engine) outcome(got roster.MappedRecord) string {
	switch got.Verdict {
	case roster.VerdictMapped:
		return "out.json: " + string(got.Data)
	case roster.VerdictSkipped:
		return "skip: " + got.Reason + e.at(got.Line)
	case roster.VerdictRejected:
	}
	return "reject: " + got.Reason + " [" + got.Code + "]" + e.at(got.Line)
}

func (e *engine) at(line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", e.script, line)
}

// compareFields lists the fields that differ. The field that identifies the
// record is compared only where the case names it: left to itself it is the
// source id.
func (e *engine) compareFields(expected []byte, got roster.MappedRecord) (string, error) {
	var want, have map[string]any
	if err := strictJSON(expected, &want); err != nil {
		return "", fmt.Errorf("read out.json: %w", err)
	}
	if err := strictJSON(got.Data, &have); err != nil {
		return "", fmt.Errorf("read the mapped record: %w", err)
	}
	if _, named := want[e.target.KeyField]; !named {
		delete(have, e.target.KeyField)
	}
	names := maps.Clone(want)
	maps.Copy(names, have)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, wanted := show(want, name)
		h, had := show(have, name)
		if wanted && (!had || w != h) {
			fmt.Fprintf(&b, "  - %s: %s\n", name, w)
		}
		if had && (!wanted || w != h) {
			fmt.Fprintf(&b, "  + %s: %s\n", name, h)
		}
	}
	if b.Len() == 0 {
		return "", nil
	}
	return e.script + ": - is what the case expects, + is what the script made\n" + strings.TrimSuffix(b.String(), "\n"), nil
}

// show returns a field as JSON. Values of one decoder have one form.
func show(fields map[string]any, name string) (string, bool) {
	v, ok := fields[name]
	if !ok {
		return "", false
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", false
	}
	return strings.TrimSpace(b.String()), true
}
