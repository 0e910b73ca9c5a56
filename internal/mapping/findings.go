package mapping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Severity says whether a finding keeps a script from running.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// The codes of findings. They are stable.
const (
	CodeSyntax   = "script.syntax"
	CodeLoad     = "script.load"
	CodeName     = "script.unknown_name"
	CodeGlobal   = "script.global"
	CodeReplaced = "script.replaced"
	CodeUnused   = "script.unused"
	CodeFunction = "script.unknown_function"
	CodeMethod   = "script.unknown_method"
	CodePlan     = "script.plan"
	CodeOperator = "script.operator"
	CodeField    = "script.field"
	CodeSource   = "script.source_field"
)

// Finding is one thing that is wrong, or probably wrong, with a script.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	// File is the script's name. Line and Column count from 1, columns in
	// characters; zero is unknown.
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Message says what is wrong, Hint what to do about it; Hint may be empty.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String returns the finding as people read it, without a line break at its
// end.
func (f Finding) String() string {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, f.Line)
	}
	if f.Column > 0 {
		place = fmt.Sprintf("%s:%d", place, f.Column)
	}
	text := fmt.Sprintf("%s: %s[%s]: %s", place, f.Severity, f.Code, f.Message)
	if f.Hint != "" {
		text += "\n  hint: " + f.Hint
	}
	return text
}

// Findings checks a script without mapping a record, and returns everything
// that it finds, by line: each syntax error that can be told, names that nobody
// defines, functions and methods that the library does not have, assignments to
// globals, and, as warnings, local variables that nobody reads and target
// fields whose names look misspelt. A script whose text shows no error is loaded
// as well, as by [Check], which finds what shows only there.
// Fields are compared with those that are known.
func Findings(script Script, known KnownFields) []Finding {
	found := textFindings(script, known, false)
	for _, path := range slices.Sorted(maps.Keys(script.Modules)) {
		found = append(found, textFindings(Script{Name: script.moduleName(path), Source: script.Modules[path]}, KnownFields{}, true)...)
	}
	if !slices.ContainsFunc(found, isError) {
		if err := CheckScript(script); err != nil {
			found = append(found, loadFinding(script.Name, err))
		}
	}
	return found
}

// FindingsOf reads a script as [ReadScript] does and returns its [Findings].
// The error is that of a file that cannot be read.
func FindingsOf(dir, path string, known KnownFields) ([]Finding, error) {
	script, err := ReadScript(dir, path)
	if err == nil {
		return Findings(script, known), nil
	}
	if _, ok := errors.AsType[*ScriptError](err); !ok {
		return nil, err
	}
	// What is wrong may be a module; the script's own faults are told with it.
	source, readErr := os.ReadFile(path) //nolint:gosec // The path is the caller's, who may read the file anyway.
	if readErr != nil {
		return nil, fmt.Errorf("read the script: %w", readErr)
	}
	found := textFindings(Script{Name: path, Source: source}, known, false)
	if fault := loadFinding(path, err); fault.File != path || !slices.ContainsFunc(found, isError) {
		found = append(found, fault)
	}
	return found, nil
}

// textFindings returns what the text of one file shows, by line.
func textFindings(script Script, known KnownFields, isModule bool) []Finding {
	c, err := newChecker(script)
	c.isModule, c.known = isModule, known
	if err == nil {
		c.check()
	} else if len(c.found) == 0 {
		c.add(loadFinding(script.Name, err))
	}
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return c.found
}

func isError(f Finding) bool { return f.Severity == SeverityError }

// loadFinding makes a finding of an error of the engine.
func loadFinding(name string, err error) Finding {
	f := Finding{Severity: SeverityError, Code: CodeLoad, File: name, Message: err.Error()}
	if fault, ok := errors.AsType[*ScriptError](err); ok {
		f.File, f.Line, f.Column, f.Message, f.Hint = fault.File, fault.Line, fault.Column, fault.Message, fault.Hint
	}
	return f
}

// checker reads one script's syntax tree.
type checker struct {
	script  Script
	words   *words
	library library
	chunk   []ast.Stmt
	// globals are the names that may be read: the library's, and those that the
	// script's top level assigns.
	globals map[string]bool
	found   []Finding
	scope   *scope
	// around are the functions around the place at hand, the innermost last.
	around []*ast.FunctionExpr
	// perRecord are the functions that are called for each record.
	perRecord map[*ast.FunctionExpr]bool
	mapFn     *ast.FunctionExpr
	// isModule says that the file is a module, which assigns no global at all.
	isModule bool
	known    KnownFields
	// targets are the target fields that were checked, missing the source
	// fields that were told to be none.
	targets, missing map[string]bool
}

// newChecker parses a script. Its error is a [ScriptError].
func newChecker(script Script) (*checker, error) {
	c := &checker{
		script: script, words: newWords(script.Source), globals: map[string]bool{}, perRecord: map[*ast.FunctionExpr]bool{},
		targets: map[string]bool{}, missing: map[string]bool{},
	}
	chunk, err := parseScript(script)
	if err != nil {
		if fault, ok := errors.AsType[*ScriptError](err); ok {
			c.add(c.syntaxFinding(fault))
		}
		return c, err
	}
	if c.library, err = libraryNames(); err != nil {
		return c, err
	}
	c.chunk = chunk
	for name := range c.library.globals {
		c.globals[name] = true
	}
	return c, nil
}

// maxFindings bounds what is told of one script.
const maxFindings = 100

func (c *checker) add(f Finding) {
	if !c.full() {
		c.found = append(c.found, f)
	}
}

func (c *checker) full() bool { return len(c.found) >= maxFindings }

// syntaxFinding gives a syntax error the place that a reader looks for: the
// beginning of what the parser could not take, or the block that lacks its end.
func (c *checker) syntaxFinding(fault *ScriptError) Finding {
	f := Finding{
		Severity: SeverityError, Code: CodeSyntax, File: fault.File,
		Line: fault.Line, Column: fault.Column, Message: fault.Message, Hint: fault.Hint,
	}
	if f.Line > 0 {
		return f
	}
	if text, line := c.words.unclosed(); line > 0 {
		f.Line, f.Column = line, 0
		f.Hint = fmt.Sprintf("`%s` in line %d, or something in it, is not closed", text, line)
	}
	return f
}

// library holds the names that a script may use.
type library struct {
	globals map[string]bool
	// tables are the functions of each global table, methods those of a field
	// of a plan, planFunctions the global functions that make a part of a plan.
	tables                 map[string][]string
	methods, planFunctions []string
}

// libraryNames asks the engine itself, so that the check knows what it knows.
func libraryNames() (library, error) {
	e, err := newEngine(context.Background(), Script{Source: []byte("function map() end")}, Context{}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		return library{}, fmt.Errorf("open the library: %w", err)
	}
	defer e.close()
	l := library{globals: map[string]bool{}, tables: map[string][]string{}, methods: slices.Collect(mapKeys(e.methods))}
	for name := range e.globals() {
		l.globals[name] = true
		table, ok := e.lua.GetGlobal(name).(*lua.LTable)
		if !ok {
			continue
		}
		l.tables[name] = []string{}
		table.ForEach(func(k, _ lua.LValue) { l.tables[name] = append(l.tables[name], k.String()) })
	}
	delete(l.globals, "map")
	l.planFunctions = append(l.planFunctions, "when")
	for _, f := range e.library {
		if f.table == "" {
			l.planFunctions = append(l.planFunctions, f.name)
		}
	}
	return l, nil
}
