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

	"github.com/rogpeppe/go-internal/txtar"

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
// name that ends in .txtar; the package comment describes its form. The script
// runs in the engine that workers use, but inside the calling process, until
// ctx ends. The error is a [ScriptError] for a fault of the script; a case
// that fails is no error.
func RunCases(ctx context.Context, scriptPath string) ([]CaseResult, error) {
	source, err := os.ReadFile(scriptPath) //nolint:gosec // The path is the caller's, who may read the file anyway.
	if err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	casesPath := strings.TrimSuffix(scriptPath, filepath.Ext(scriptPath)) + ".txtar"
	raw, err := os.ReadFile(casesPath) //nolint:gosec // The same.
	if err != nil {
		return nil, fmt.Errorf("read the script's cases: %w", err)
	}
	file, err := parseCases(casesPath, raw)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(ctx, Script{Name: scriptPath, Source: source}, file.context, roster.ImportTarget(file.kind))
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

// caseFile is a parsed file of cases.
type caseFile struct {
	context Context
	kind    sdk.Kind
	cases   []mapCase
}

// mapCase is one record and what is expected of it.
type mapCase struct {
	name string
	line int
	in   []byte
	// want is "out.json", "skip" or "reject"; expected is its content.
	want     string
	expected []byte
}

// caseContext is the JSON form of a file's context.
type caseContext struct {
	Account, Job, Country, Timezone string
	Kind                            sdk.Kind
	Clubs                           map[string]Club
}

func parseCases(path string, raw []byte) (*caseFile, error) {
	file := &caseFile{kind: sdk.KindMember}
	index := map[string]int{}
	for _, section := range txtar.Parse(raw).Files {
		line := sectionLine(raw, section.Name)
		if section.Name == "context.json" {
			if err := file.setContext(section.Data); err != nil {
				return nil, fmt.Errorf("%s:%d: read the context: %w", path, line, err)
			}
			continue
		}
		name, part := splitSection(section.Name)
		i, ok := index[name]
		if !ok {
			i = len(file.cases)
			index[name] = i
			file.cases = append(file.cases, mapCase{name: name, line: line})
		}
		c := &file.cases[i]
		switch {
		case part == "in.json" && c.in == nil:
			c.in = section.Data
		case (part == "out.json" || part == "skip" || part == "reject") && c.want == "":
			c.want, c.expected = part, section.Data
		default:
			return nil, fmt.Errorf("%s:%d: section %q is no part of a case or twice there: a case has NAME/in.json and one of "+
				"NAME/out.json, NAME/skip, NAME/reject", path, line, section.Name)
		}
	}
	for _, c := range file.cases {
		if c.in == nil || c.want == "" {
			return nil, fmt.Errorf("%s:%d: case %q needs NAME/in.json and one of NAME/out.json, NAME/skip, NAME/reject", path, c.line, c.name)
		}
	}
	return file, nil
}

func (f *caseFile) setContext(data []byte) error {
	var c caseContext
	if err := strictJSON(data, &c); err != nil {
		return err
	}
	if c.Kind != "" {
		f.kind = c.Kind
	}
	f.context = Context{
		Account: c.Account, Job: c.Job, Country: c.Country, Timezone: c.Timezone,
		Clubs: c.Clubs, ClubsRequired: len(c.Clubs) > 0,
	}
	return nil
}

func splitSection(name string) (string, string) {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// sectionLine returns the line of a section's marker.
func sectionLine(raw []byte, name string) int {
	line := 0
	for text := range strings.Lines(string(raw)) {
		line++
		if strings.TrimSpace(text) == "-- "+name+" --" {
			return line
		}
	}
	return 1
}

func strictJSON(data []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// casePage packs the record of a case. "@id" and "@club" are the record's id
// and its club's id in the source system; the other keys are its fields.
func casePage(kind sdk.Kind, in []byte) (*sdk.Page, error) {
	var fields map[string]json.RawMessage
	if err := strictJSON(in, &fields); err != nil {
		return nil, fmt.Errorf("read in.json: %w", err)
	}
	id, club := "1", ""
	for key, into := range map[string]*string{"@id": &id, "@club": &club} {
		if raw, ok := fields[key]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return nil, fmt.Errorf("read in.json: %s must be text", key)
			}
			delete(fields, key)
		}
	}
	columns := slices.Sorted(maps.Keys(fields))
	b := sdk.NewPageBuilder(kind, columns)
	b.Add(id, club, "")
	for _, column := range columns {
		if err := addCell(b, fields[column]); err != nil {
			return nil, fmt.Errorf("read in.json: field %s: %w", column, err)
		}
	}
	return b.Page(nil, true)
}

func addCell(b *sdk.PageBuilder, raw json.RawMessage) error {
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		b.String(text)
	case 't', 'f':
		b.Bool(raw[0] == 't')
	case 'n':
		b.Null()
	case '{', '[':
		b.JSON(raw)
	default:
		b.Number(string(raw))
	}
	return nil
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
