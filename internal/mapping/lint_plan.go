package mapping

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
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
