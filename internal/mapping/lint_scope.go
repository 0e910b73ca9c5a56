package mapping

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// scope holds the local variables of one block.
type scope struct {
	around *scope
	locals []*local
}

// local is one local variable.
type local struct {
	name string
	line int
	read bool
	// expected says that nobody is told when it is not read, as for the
	// arguments of a function.
	expected bool
	// isPlan says that it holds a part of a plan; isRecord that it is the source
	// record.
	isPlan, isRecord bool
}

func (c *checker) open() { c.scope = &scope{around: c.scope} }

// close ends a block and tells of the variables that nobody has read.
func (c *checker) close() {
	for _, l := range c.scope.locals {
		if l.read || l.expected || l.name[0] == '_' {
			continue
		}
		line, column := c.words.take(l.name, l.line, "")
		c.add(Finding{
			Severity: SeverityWarning, Code: CodeUnused, File: c.script.Name, Line: line, Column: column,
			Message: "the local variable " + l.name + " is never read",
			Hint:    "remove it, or call it _" + l.name + " if that is meant",
		})
	}
	c.scope = c.scope.around
}

func (c *checker) declare(l *local) *local {
	c.scope.locals = append(c.scope.locals, l)
	return l
}

// find returns the local variable that a name means, or nil for a global.
func (c *checker) find(name string) *local {
	for s := c.scope; s != nil; s = s.around {
		for _, l := range slices.Backward(s.locals) {
			if l.name == name {
				return l
			}
		}
	}
	return nil
}

// isGlobal reports whether an expression is the global of that name.
func (c *checker) isGlobal(e ast.Expr, name string) bool {
	ident, ok := e.(*ast.IdentExpr)
	return ok && ident.Value == name && c.find(name) == nil
}

func (c *checker) block(list []ast.Stmt) {
	c.open()
	c.statements(list)
	c.close()
}

func (c *checker) statements(list []ast.Stmt) {
	for _, s := range list {
		c.statement(s)
	}
}

func (c *checker) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.LocalAssignStmt:
		c.localAssign(s)
	case *ast.AssignStmt:
		c.expressions(s.Rhs)
		for i, target := range s.Lhs {
			c.assign(target, valueAt(s.Rhs, i))
		}
	case *ast.FuncDefStmt:
		c.functionDefinition(s)
	case *ast.FuncCallStmt:
		c.expression(s.Expr)
	case *ast.ReturnStmt:
		c.returned(s)
	case *ast.DoBlockStmt:
		c.block(s.Stmts)
	case *ast.IfStmt:
		c.condition(s.Condition)
		c.block(s.Then)
		c.block(s.Else)
	default:
		c.loop(s)
	}
}

func (c *checker) loop(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.WhileStmt:
		c.condition(s.Condition)
		c.block(s.Stmts)
	case *ast.RepeatStmt:
		c.open()
		c.statements(s.Stmts)
		c.condition(s.Condition)
		c.close()
	case *ast.NumberForStmt:
		c.expressions([]ast.Expr{s.Init, s.Limit, s.Step})
		c.open()
		c.declare(&local{name: s.Name, line: s.Line(), expected: true})
		c.statements(s.Stmts)
		c.close()
	case *ast.GenericForStmt:
		c.expressions(s.Exprs)
		c.open()
		for _, name := range s.Names {
			c.declare(&local{name: name, line: s.Line(), expected: true})
		}
		c.statements(s.Stmts)
		c.close()
	}
}

// localAssign declares variables behind their values, but for a function, which
// may call itself.
func (c *checker) localAssign(s *ast.LocalAssignStmt) {
	if len(s.Names) == 1 && len(s.Exprs) == 1 {
		if fn, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
			l := c.declare(&local{name: s.Names[0], line: s.Line()})
			c.function(fn, "")
			// Reading itself is no use.
			l.read = false
			return
		}
	}
	c.expressions(s.Exprs)
	plans := make([]bool, len(s.Names))
	for i := range s.Names {
		plans[i] = c.isPlan(valueAt(s.Exprs, i))
	}
	for i, name := range s.Names {
		c.declare(&local{name: name, line: s.Line(), isPlan: plans[i]})
	}
}

func valueAt(values []ast.Expr, i int) ast.Expr {
	if i < len(values) {
		return values[i]
	}
	return nil
}

// assign checks what an assignment writes to.
func (c *checker) assign(target, value ast.Expr) {
	ident, ok := target.(*ast.IdentExpr)
	if !ok {
		c.expression(target)
		return
	}
	if l := c.find(ident.Value); l != nil {
		l.isPlan = l.isPlan || c.isPlan(value)
		return
	}
	c.globalWrite(ident)
}

func (c *checker) globalWrite(ident *ast.IdentExpr) {
	f := Finding{Severity: SeverityError, Code: CodeGlobal, File: c.script.Name}
	where := "function"
	if len(c.around) == 0 {
		where = "module"
	}
	switch {
	case c.library.globals[ident.Value]:
		f.Code, f.Message = CodeReplaced, quoted(ident.Value)+" is part of the library and cannot be replaced"
		f.Hint = "choose another name, or write `local " + ident.Value + "`"
	case len(c.around) > 0 || c.isModule:
		f.Message = "assignment to the global " + quoted(ident.Value) + " inside a " + where
		f.Hint = "write `local " + ident.Value + " = ...`: a script keeps nothing from one record to the next"
	default:
		return
	}
	f.Line, f.Column = c.words.take(ident.Value, ident.Line(), "")
	c.add(f)
}

func (c *checker) functionDefinition(s *ast.FuncDefStmt) {
	if s.Name.Func == nil {
		c.expression(s.Name.Receiver)
		c.function(s.Func, "self")
		return
	}
	c.assign(s.Name.Func, s.Func)
	c.function(s.Func, "")
}

// function checks a function's body. self is the name of an argument that is
// not written, or empty.
func (c *checker) function(fn *ast.FunctionExpr, self string) {
	c.around = append(c.around, fn)
	c.open()
	if self != "" {
		c.declare(&local{name: self, line: fn.Line(), expected: true})
	}
	if fn.ParList != nil {
		for i, name := range fn.ParList.Names {
			c.declare(&local{name: name, line: fn.Line(), expected: true, isRecord: i == 0 && c.perRecord[fn]})
		}
	}
	c.statements(fn.Stmts)
	c.close()
	c.around = c.around[:len(c.around)-1]
}

func quoted(name string) string { return `"` + name + `"` }
