package mapping

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// This file finds what people write who know another language: it is no error
// of Lua's grammar, and what the engine says of it helps nobody.

// behindField checks what stands behind a field of a plan with a dot.
func (c *checker) behindField(e *ast.AttrGetExpr, name string) {
	if !c.isPlan(e.Object) {
		return
	}
	if slices.Contains(c.library.methods, name) {
		c.report(CodeMethod, name, e.Line(), ".", "`."+name+"` stands behind a field of a plan, where methods are called with a colon and brackets",
			"write `:"+name+"()`")
		return
	}
	c.report(CodeMethod, name, e.Line(), ".", "a field of a plan has nothing behind a dot",
		meant(name, c.library.methods, ":", "the field "+name+" of an object in the field is `:get("+quoted(name)+")`"))
}

// calledGroup checks that no group of functions is called itself.
func (c *checker) calledGroup(e *ast.FuncCallExpr) {
	ident, ok := e.Func.(*ast.IdentExpr)
	if !ok || c.find(ident.Value) != nil {
		return
	}
	names, ok := c.library.tables[ident.Value]
	if !ok {
		return
	}
	hint := ident.Value + " has " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
	if slices.Contains(c.library.methods, ident.Value) {
		hint += "; in a plan `source.field:" + ident.Value + "()` is meant"
	}
	c.report(CodeFunction, ident.Value, e.Line(), "", ident.Value+" is a group of functions and cannot be called", hint)
}

// addedText finds a text that is added with a plus.
func (c *checker) addedText(e ast.Expr) {
	sum, ok := e.(*ast.ArithmeticOpExpr)
	if !ok || sum.Operator != "+" {
		return
	}
	for _, operand := range operands(sum) {
		text, ok := operand.(*ast.StringExpr)
		if !ok {
			continue
		}
		if _, isNumber := decimal(text.Value); isNumber {
			continue
		}
		_, column := c.words.take("+", sum.Line(), "")
		c.add(Finding{
			Severity: SeverityError, Code: CodeOperator, File: c.script.Name, Line: sum.Line(), Column: column,
			Message: "`+` calculates, and a text is no number", Hint: "texts are joined with `..`, or with text.join, which leaves out what is blank",
		})
		return
	}
}

// unreturned finds a plan that the script makes and does not return, and a table
// that it returns and that is no plan.
func (c *checker) unreturned() {
	if c.isModule || len(c.chunk) == 0 {
		return
	}
	f := Finding{Severity: SeverityError, Code: CodePlan, File: c.script.Name}
	switch last := c.chunk[len(c.chunk)-1].(type) {
	case *ast.FuncCallStmt:
		call, ok := last.Expr.(*ast.FuncCallExpr)
		if !ok || call.Method != "" || !c.isGlobal(call.Func, "mapping") {
			return
		}
		f.Message, f.Hint = "the plan is made and not returned", "write `return` before `mapping{`"
		f.Line, f.Column = c.words.take("mapping", last.Line(), "")
	case *ast.ReturnStmt:
		if table, ok := valueAt(last.Exprs, 0).(*ast.TableExpr); !ok || c.mapFn != nil || len(table.Fields) == 0 {
			return
		}
		f.Message, f.Hint = "the script returns a table, which is no plan", "write `return mapping{ ... }`"
		f.Line, f.Column = c.words.take("return", last.Line(), "")
	default:
		return
	}
	c.add(f)
}
