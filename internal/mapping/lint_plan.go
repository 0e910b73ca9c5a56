package mapping

import (
	"slices"
	"unicode"

	"github.com/yuin/gopher-lua/ast"

	"github.com/rosterd/rosterd/internal/roster"
)

// isPlan reports whether an expression is a part of a plan for certain: a field
// of the source, or something made of one.
func (c *checker) isPlan(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.IdentExpr:
		l := c.find(e.Value)
		return l != nil && l.isPlan
	case *ast.AttrGetExpr:
		return c.isGlobal(e.Object, "source")
	case *ast.FuncCallExpr:
		return c.isPlanCall(e)
	case *ast.StringConcatOpExpr, *ast.ArithmeticOpExpr:
		return slices.ContainsFunc(operands(e), c.isPlan)
	}
	return false
}

// isPlanCall reports whether a call makes a part of a plan: the library does so
// of its functions where an argument is one.
func (c *checker) isPlanCall(e *ast.FuncCallExpr) bool {
	if e.Method != "" {
		return c.isPlan(e.Receiver)
	}
	switch fn := e.Func.(type) {
	case *ast.IdentExpr:
		if c.find(fn.Value) != nil || !c.library.globals[fn.Value] {
			return false
		}
		if fn.Value == "const" || fn.Value == "call" {
			return true
		}
		return slices.Contains(c.library.planFunctions, fn.Value) && slices.ContainsFunc(e.Args, c.isPlan)
	case *ast.AttrGetExpr:
		table, ok := fn.Object.(*ast.IdentExpr)
		return ok && c.find(table.Value) == nil && c.library.tables[table.Value] != nil && slices.ContainsFunc(e.Args, c.isPlan)
	}
	return false
}

// planOperator refuses the operators that Lua decides while the script is
// loaded, when there is no record yet.
func (c *checker) planOperator(e ast.Expr) {
	if len(c.around) > 0 {
		return
	}
	switch e := e.(type) {
	case *ast.RelationalOpExpr:
		if !c.isPlan(e.Lhs) && !c.isPlan(e.Rhs) {
			return
		}
		hint := "write `source.field:is(\"...\")`, and no(...) around it for the contrary"
		if e.Operator != "==" && e.Operator != "~=" {
			hint = "write :lt(), :le(), :gt() or :ge()"
		}
		c.planFinding(e.Line(), e.Operator, hint)
	case *ast.LogicalOpExpr:
		if !c.isPlan(e.Lhs) {
			return
		}
		hint := "write first(a, b) for the first that has a value, or any(a, b) in a condition"
		if e.Operator == "and" {
			hint = "write when(a, b), or all(a, b) in a condition"
		}
		c.planFinding(e.Line(), e.Operator, hint)
	case *ast.UnaryNotOpExpr:
		if c.isPlan(e.Expr) {
			c.planFinding(e.Line(), "not", "write no(a)")
		}
	}
}

func (c *checker) planFinding(line int, operator, hint string) {
	_, column := c.words.take(operator, line, "")
	c.add(Finding{
		Severity: SeverityError, Code: CodePlan, File: c.script.Name, Line: line, Column: column,
		Message: "`" + operator + "` on a field of a plan is decided while the script is loaded, before any record is there", Hint: hint,
	})
}

// condition checks what an if or a loop decides by.
func (c *checker) condition(e ast.Expr) {
	if len(c.around) == 0 && c.isPlan(e) {
		c.planFinding(e.Line(), "if", "write when(condition, value) in the mapping")
	}
	c.expression(e)
}

// wellKnown are the target fields that every business has, and those that
// rosterd itself knows.
func wellKnown() []string {
	return []string{"first_name", "last_name", "email", "phone", "address", "status", "opt_in", "external_id", roster.MattersField}
}

// targetFields warns of fields that look misspelt, and of those that stand there
// twice. Which fields a business has beyond the well-known ones is not known
// here.
func (c *checker) targetFields(e ast.Expr) {
	table, ok := e.(*ast.TableExpr)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, f := range table.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if !ok {
			continue
		}
		finding := Finding{Severity: SeverityWarning, Code: CodeField, File: c.script.Name}
		if seen[key.Value] {
			finding.Message = "the target field " + key.Value + " stands here twice, and only the last one counts"
			finding.Hint = "write first(a, b) in a plan, or a or b in a function"
		} else if known := misspelt(key.Value); known != "" {
			finding.Message = "the target field " + key.Value + " is none that every business has"
			finding.Hint = "did you mean `" + known + "`?"
		}
		line, column := c.words.take(key.Value, key.Line(), "")
		seen[key.Value] = true
		if finding.Message != "" {
			finding.Line, finding.Column = line, column
			c.add(finding)
		}
	}
}

// misspelt returns the well-known field that a name is one letter or only its
// case and separators away from. A number behind a name is no misspelling.
func misspelt(name string) string {
	known := wellKnown()
	if name == "" || slices.Contains(known, name) || unicode.IsDigit(rune(name[len(name)-1])) {
		return ""
	}
	for _, candidate := range known {
		if bareName(candidate) == bareName(name) || len(name) > 3 && edits(candidate, name) == 1 {
			return candidate
		}
	}
	return ""
}
