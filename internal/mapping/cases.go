package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
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
	// Cause is what failed, without the values: cases that fail in the same way
	// have the same. It is empty for a case that passed.
	Cause string
	// Updated says how the case's expectation was changed; empty for a case that
	// was left as it is.
	Updated string
}

// Passed reports whether the outcome was what the case expects.
func (r CaseResult) Passed() bool { return r.Failure == "" }

// String returns one line for a case that passed, and the difference for one
// that did not.
func (r CaseResult) String() string {
	switch {
	case r.Updated != "":
		return fmt.Sprintf("new   %s (%s:%d)\n%s", r.Name, r.File, r.Line, r.Updated)
	case r.Passed():
		return "ok    " + r.Name
	}
	return fmt.Sprintf("FAIL  %s (%s:%d)\n%s", r.Name, r.File, r.Line, r.Failure)
}

// CaseOptions say what is done beside running the cases.
type CaseOptions struct {
	// Dir is scripts_dir, in which modules and tables are looked for; empty is
	// the script's own folder.
	Dir string
	// Update makes what came out what the cases expect, and writes their file.
	// A case on which the script fails is left as it is.
	Update bool
	// Cover counts which parts of the script are run.
	Cover bool
	// Sync is the job whose script it is, where that is a sync; nil for an
	// import's. A record's kind is the one that its case names, or else the cases'
	// context, or else the job's, if it has only one.
	Sync *roster.Job
}

// CaseRun is what came of all cases of a script.
type CaseRun struct {
	Results []CaseResult
	// Coverage is nil where it was not asked for.
	Coverage *Coverage
}

// RunCases is [TestCases] without options.
func RunCases(ctx context.Context, scriptPath string) ([]CaseResult, error) {
	run, err := TestCases(ctx, scriptPath, CaseOptions{})
	return run.Results, err
}

// TestCases runs the cases that stand beside a script, in a file of the same
// name that ends in .txtar; the package comment describes its form. The script runs in the engine that
// workers use, but inside the calling process, until ctx ends. The error is a
// [ScriptError] for a fault of the script; a case that fails is no error.
func TestCases(ctx context.Context, scriptPath string, o CaseOptions) (CaseRun, error) {
	if o.Dir == "" {
		o.Dir = filepath.Dir(scriptPath)
	}
	script, err := ReadScript(o.Dir, scriptPath)
	if err != nil {
		return CaseRun{}, err
	}
	t := caseTest{options: o, path: strings.TrimSuffix(scriptPath, filepath.Ext(scriptPath)) + ".txtar"}
	raw, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return CaseRun{}, fmt.Errorf("script %s has no cases: write them into %s, as docs/mapping.md describes: %w", scriptPath, t.path, cause(err))
	}
	if err != nil {
		return CaseRun{}, fmt.Errorf("read the script's cases: %w", err)
	}
	file, err := parseCases(t.path, raw, o.Sync)
	if err != nil {
		return CaseRun{}, err
	}
	if o.Cover {
		script.counter = &counter{}
	}
	t.kind = file.target.Kind
	if t.engine, err = newEngine(ctx, script, file.context, file.target); err != nil {
		return CaseRun{}, err
	}
	defer t.engine.close()
	if t.engine.fieldLines, err = fieldLines(script, t.engine); err != nil {
		return CaseRun{}, err
	}
	if o.Cover && t.engine.plan != nil {
		script.counter.watch(t.engine.plan)
	}
	run := CaseRun{}
	if run.Results, err = t.run(ctx, file.cases); err != nil {
		return run, err
	}
	if o.Cover {
		coverage := script.counter.coverage()
		run.Coverage = &coverage
	}
	if len(t.updates) > 0 {
		err = replaceFile(t.path, rewriteCases(raw, t.updates))
	}
	return run, err
}

// caseTest is one run of a script's cases.
type caseTest struct {
	engine  *engine
	options CaseOptions
	path    string
	// kind is that of the records whose cases name none.
	kind    sdk.Kind
	updates []caseUpdate
}

func (t *caseTest) run(ctx context.Context, cases []mapCase) ([]CaseResult, error) {
	results := make([]CaseResult, 0, len(cases))
	for _, c := range cases {
		result := CaseResult{Name: c.name, File: t.path, Line: c.line}
		err := t.runCase(ctx, c, &result)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return results, fmt.Errorf("%s:%d: case %q: %w", t.path, c.line, c.name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

// runCase finds how the outcome differs from what is expected, if it does.
func (t *caseTest) runCase(ctx context.Context, c mapCase, result *CaseResult) error {
	e := t.engine
	page, err := casePage(t.kind, c.in)
	if err != nil {
		return err
	}
	e.target.Kind, e.target.Required = page.Kind, caseTarget(page.Kind, t.options.Sync).Required
	e.result.require(e.target.Required)
	got := t.guarded(ctx, func() roster.MappedRecord {
		return e.mapPage(page, rowSet{to: page.Rows}, func(int) {}).Records[0]
	})
	if result.Failure, result.Cause, err = e.compare(c, got); err != nil || result.Passed() || !t.options.Update {
		return err
	}
	update, ok, err := e.updateOf(c, got)
	if err != nil {
		return err
	}
	if !ok {
		result.Failure += "\n  left as it is: an error of the script is nothing to expect"
		return nil
	}
	t.updates = append(t.updates, update)
	result.Failure, result.Cause, result.Updated = "", "", result.Failure
	return nil
}

// replaceFile writes a file as a whole or not at all.
func replaceFile(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write the script's cases: %w", err)
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, info.Mode().Perm()); err != nil {
		return fmt.Errorf("write the script's cases: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("write the script's cases: %w", errors.Join(err, os.Remove(fresh)))
	}
	return nil
}

// compare tells how the outcome differs from what the case expects, with the
// values for people and without them as the cause; nothing where it does not.
func (e *engine) compare(c mapCase, got roster.MappedRecord) (failure, cause string, err error) {
	want := map[string]roster.Verdict{
		"out.json": roster.VerdictMapped, "skip": roster.VerdictSkipped, "reject": roster.VerdictRejected,
	}[c.want]
	failed := "  - " + c.want
	switch {
	case got.Verdict != want:
	case want == roster.VerdictMapped:
		return e.compareFields(c.expected, got)
	default:
		expected := strings.TrimSpace(string(c.expected))
		if expected == "" || expected == got.Reason || expected == got.Code || expected == strings.TrimPrefix(got.Reason, place(e.script, got.Line)) {
			return "", "", nil
		}
		failed += ": " + expected
	}
	cause = failed
	if got.Verdict == roster.VerdictMapped {
		cause += "\n  + out.json"
	} else {
		cause += "\n  + " + e.outcome(got)
	}
	return failed + "\n  + " + e.outcome(got), cause, nil
}

// outcome describes a result in one line.
func (e *engine) outcome(got roster.MappedRecord) string {
	switch got.Verdict {
	case roster.VerdictMapped:
		return "out.json: " + string(got.Data) + references(got)
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
func (e *engine) compareFields(expected []byte, got roster.MappedRecord) (failure, cause string, err error) {
	var want map[string]any
	if err := strictJSON(expected, &want); err != nil {
		return "", "", fmt.Errorf("read out.json: %w", err)
	}
	have, err := fieldsOf(got)
	if err != nil {
		return "", "", fmt.Errorf("read the mapped record: %w", err)
	}
	if _, named := want[e.target.KeyField]; !named {
		delete(have, e.target.KeyField)
	}
	names := maps.Clone(want)
	maps.Copy(names, have)
	var text, causes strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, wanted := show(want, name)
		h, had := show(have, name)
		if wanted == had && w == h {
			continue
		}
		if wanted {
			fmt.Fprintf(&text, "  - %s: %s", name, w)
		}
		if wanted && had {
			text.WriteByte('\n')
		}
		if had {
			fmt.Fprintf(&text, "  + %s: %s", name, h)
		}
		at := e.at(e.fieldLines[name]) + "\n"
		text.WriteString(at)
		fmt.Fprintf(&causes, "%s wanted=%t had=%t%s", name, wanted, had, at)
	}
	if text.Len() == 0 {
		return "", "", nil
	}
	head := e.script + ": - is what the case expects, + is what the script made\n"
	return head + strings.TrimSuffix(text.String(), "\n"), causes.String(), nil
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
