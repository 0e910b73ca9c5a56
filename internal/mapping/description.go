package mapping

import (
	"context"

	"github.com/yuin/gopher-lua/ast"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Form is how a script is written.
type Form string

// The forms.
const (
	FormPlan     Form = "plan"
	FormFunction Form = "function"
)

// Description says what a script reads and what it fills.
type Description struct {
	// Script is the script's name.
	Script string `json:"script"`
	Form   Form   `json:"form"`
	// Guess says that Lineage was read off the script's text, because only a
	// run tells what a function does. A plan's is exact.
	Guess   bool      `json:"guess"`
	Lineage []Lineage `json:"lineage"`
	// Reads are the source fields that the script names anywhere, in order.
	Reads []string `json:"reads"`
}

// Describe loads a script as [CheckScript] does, and reads off where each target field
// comes from without mapping a record. The error is a [ScriptError] for a fault
// of the script.
func Describe(script Script) (Description, error) {
	e, err := newEngine(context.Background(), script, Context{}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		return Description{}, err
	}
	defer e.close()
	d := Description{Script: script.Name, Form: FormFunction, Guess: true, Lineage: []Lineage{}, Reads: []string{}}
	chunk, err := parseScript(script)
	if err != nil {
		return Description{}, err
	}
	if e.plan != nil {
		d.Form, d.Guess = FormPlan, false
		d.Lineage = append(d.Lineage, e.plan.lineage()...)
		placeConstants(d.Lineage, chunk)
	} else {
		d.Lineage = append(d.Lineage, guessLineage(chunk)...)
	}
	for _, l := range d.Lineage {
		for _, field := range l.Sources {
			d.Reads = appendOnce(d.Reads, field)
		}
	}
	return d, nil
}

// fieldLines returns where the target fields of a loaded script stand.
func fieldLines(script Script, e *engine) (map[string]int, error) {
	chunk, err := parseScript(script)
	if err != nil {
		return nil, err
	}
	var lineage []Lineage
	if e.plan != nil {
		lineage = e.plan.lineage()
		placeConstants(lineage, chunk)
	} else {
		lineage = guessLineage(chunk)
	}
	lines := map[string]int{}
	for _, l := range lineage {
		lines[l.Field] = l.Line
	}
	return lines, nil
}

// Lines are the lines of the target fields, where they are known.
func (d Description) Lines() map[string]int {
	lines := map[string]int{}
	for _, l := range d.Lineage {
		if l.Field != "" && l.Line > 0 {
			lines[l.Field] = l.Line
		}
	}
	return lines
}

// placeFields tells the fields that the script fills in one place where that is.
func (e *engine) placeFields(script Script) error {
	chunk, err := parseScript(script)
	if err != nil {
		return err
	}
	lines := placedLines(chunk)
	if e.plan != nil {
		lines = namedLines(chunk)
	}
	for name, line := range lines {
		if s := e.result.slots.find(name); s != nil && s.line == 0 {
			s.line, s.fixed = line, true
		}
	}
	return nil
}

// placeConstants gives fields whose values know no line, as constants do, the
// line of their names.
func placeConstants(lineage []Lineage, chunk []ast.Stmt) {
	lines := namedLines(chunk)
	for i := range lineage {
		if lineage[i].Line == 0 {
			lineage[i].Line = lines[lineage[i].Field]
		}
	}
}

// namedLines are the lines of the names of a plan's fields.
func namedLines(chunk []ast.Stmt) map[string]int {
	lines := map[string]int{}
	for _, s := range flat(chunk) {
		returned, ok := s.(*ast.ReturnStmt)
		if !ok || len(returned.Exprs) == 0 {
			continue
		}
		call, ok := returned.Exprs[0].(*ast.FuncCallExpr)
		if !ok || len(call.Args) == 0 {
			continue
		}
		if table, ok := call.Args[0].(*ast.TableExpr); ok {
			for _, f := range table.Fields {
				if key, ok := f.Key.(*ast.StringExpr); ok {
					lines[key.Value] = key.Line()
				}
			}
		}
	}
	return lines
}
