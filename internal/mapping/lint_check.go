package mapping

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// check walks the script.
func (c *checker) check() {
	c.collect()
	c.block(c.chunk)
	c.filledFields()
	c.unreturned()
}

// collect finds what has to be known before the walk: the globals that the top
// level assigns, and the functions that are called for each record.
func (c *checker) collect() {
	define := func(target, value ast.Expr) {
		ident, ok := target.(*ast.IdentExpr)
		if !ok {
			return
		}
		c.globals[ident.Value] = true
		if fn, ok := value.(*ast.FunctionExpr); ok && ident.Value == "map" {
			c.mapFn = fn
			c.perRecord[fn] = true
		}
	}
	for _, s := range flat(c.chunk) {
		switch s := s.(type) {
		case *ast.AssignStmt:
			for i, target := range s.Lhs {
				define(target, valueAt(s.Rhs, i))
			}
		case *ast.FuncDefStmt:
			if s.Name.Func != nil {
				define(s.Name.Func, s.Func)
			}
		}
	}
}

// flat returns the statements of a list and of the blocks in it, without those
// of functions.
func flat(list []ast.Stmt) []ast.Stmt {
	var out []ast.Stmt
	for _, s := range list {
		out = append(out, s)
		for _, inner := range blocksOf(s) {
			out = append(out, flat(inner)...)
		}
	}
	return out
}

// blocksOf returns the blocks of a statement.
func blocksOf(s ast.Stmt) [][]ast.Stmt {
	switch s := s.(type) {
	case *ast.DoBlockStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.IfStmt:
		return [][]ast.Stmt{s.Then, s.Else}
	case *ast.WhileStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.RepeatStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.NumberForStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.GenericForStmt:
		return [][]ast.Stmt{s.Stmts}
	}
	return nil
}

func (c *checker) expressions(list []ast.Expr) {
	for _, e := range list {
		if e != nil {
			c.expression(e)
		}
	}
}

func (c *checker) expression(e ast.Expr) {
	if c.full() {
		return
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		c.read(e)
	case *ast.AttrGetExpr:
		c.attribute(e)
		c.expressions([]ast.Expr{e.Object, e.Key})
	case *ast.FuncCallExpr:
		c.call(e)
	case *ast.FunctionExpr:
		c.function(e, "")
	case *ast.TableExpr:
		for _, f := range e.Fields {
			c.expressions([]ast.Expr{f.Key, f.Value})
		}
	default:
		c.operator(e)
	}
}

// operator checks an operator and what it works on.
func (c *checker) operator(e ast.Expr) {
	c.planOperator(e)
	c.addedText(e)
	c.expressions(operands(e))
}

// operands returns what an operator works on; nothing for another expression.
func operands(e ast.Expr) []ast.Expr {
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		return []ast.Expr{e.Lhs, e.Rhs}
	case *ast.RelationalOpExpr:
		return []ast.Expr{e.Lhs, e.Rhs}
	case *ast.StringConcatOpExpr:
		return []ast.Expr{e.Lhs, e.Rhs}
	case *ast.ArithmeticOpExpr:
		return []ast.Expr{e.Lhs, e.Rhs}
	case *ast.UnaryMinusOpExpr:
		return []ast.Expr{e.Expr}
	case *ast.UnaryNotOpExpr:
		return []ast.Expr{e.Expr}
	case *ast.UnaryLenOpExpr:
		return []ast.Expr{e.Expr}
	}
	return nil
}

// read checks that a name is a variable, and marks it as read.
func (c *checker) read(ident *ast.IdentExpr) {
	name := ident.Value
	if l := c.find(name); l != nil {
		l.read = true
		return
	}
	if name == "source" && slices.ContainsFunc(c.around, func(fn *ast.FunctionExpr) bool { return c.perRecord[fn] }) {
		c.report(CodePlan, name, ident.Line(), "", "source belongs to a plan, and there is none inside of a function that is called for each record",
			"read the record that the function is given: `record.first`")
	}
	if c.globals[name] {
		return
	}
	where := "record."
	if len(c.around) == 0 {
		where = "source."
	}
	fallback := "a field of the record is `" + where + name + "`; a text is written in quotes; files, clock and network are out of reach"
	hint := meant(name, c.readable(), "", fallback)
	if full := c.functionNamed(name); full != "" {
		hint = "did you mean `" + full + "`?"
	}
	c.report(CodeName, name, ident.Line(), "", "unknown name "+quoted(name), hint)
}

// functionNamed is the function of the library that has a name of its own or as
// a method, with its table, or nothing.
func (c *checker) functionNamed(name string) string {
	for _, f := range functions() {
		if f.table != "" && (f.name == name || f.method == name) {
			return f.fullName()
		}
	}
	return ""
}

// readable are the names that may be read at the place at hand.
func (c *checker) readable() []string {
	names := slices.Collect(mapKeys(c.globals))
	for s := c.scope; s != nil; s = s.around {
		for _, l := range s.locals {
			names = append(names, l.name)
		}
	}
	return names
}

func (c *checker) report(code, name string, line int, led, message, hint string) {
	f := Finding{Severity: SeverityError, Code: code, File: c.script.Name, Message: message, Hint: hint}
	f.Line, f.Column = c.words.take(name, line, led)
	c.add(f)
}

// attribute checks the name of a function of the library, or of a field of the
// source.
func (c *checker) attribute(e *ast.AttrGetExpr) {
	table, isIdent := e.Object.(*ast.IdentExpr)
	key, isText := e.Key.(*ast.StringExpr)
	if !isText {
		return
	}
	c.behindField(e, key.Value)
	if !isIdent {
		return
	}
	c.sourceField(e, key.Value)
	if c.find(table.Value) != nil {
		return
	}
	names, isTable := c.library.tables[table.Value]
	if !isTable || slices.Contains(names, key.Value) {
		return
	}
	slices.Sort(names)
	c.report(CodeFunction, key.Value, e.Line(), ".", "unknown function "+table.Value+"."+key.Value,
		meant(key.Value, names, table.Value+".", table.Value+" has "+strings.Join(names, ", ")))
}

func (c *checker) call(e *ast.FuncCallExpr) {
	if e.Method != "" {
		c.method(e)
		c.expression(e.Receiver)
		c.expressions(e.Args)
		return
	}
	c.calledGroup(e)
	argument := valueAt(e.Args, 0)
	if fn, ok := argument.(*ast.FunctionExpr); ok && c.isGlobal(e.Func, "call") {
		c.perRecord[fn] = true
	}
	if c.isGlobal(e.Func, "mapping") {
		c.targetFields(argument)
	}
	c.expression(e.Func)
	c.expressions(e.Args)
}

// method checks the name of a method, where what it is called on is known.
func (c *checker) method(e *ast.FuncCallExpr) {
	texts := c.library.tables["string"]
	switch receiver := e.Receiver.(type) {
	case *ast.IdentExpr:
		if c.isGlobal(receiver, "source") {
			c.report(CodeMethod, e.Method, e.Line(), ":", "source:"+e.Method+" is called with a colon", "a field of the source is `source."+e.Method+"`")
			return
		}
		if names, ok := c.library.tables[receiver.Value]; ok && c.find(receiver.Value) == nil {
			c.report(CodeMethod, e.Method, e.Line(), ":", receiver.Value+":"+e.Method+" is called with a colon",
				meant(e.Method, names, receiver.Value+".", "a function of the library is called with a dot"))
			return
		}
	case *ast.AttrGetExpr:
		if ident, ok := receiver.Object.(*ast.IdentExpr); ok {
			if l := c.find(ident.Value); l != nil && l.isRecord && !slices.Contains(texts, e.Method) {
				c.report(CodeMethod, e.Method, e.Line(), ":", "a field of the record has no method "+e.Method, c.methodOfRecord(e.Method))
				return
			}
		}
	}
	if c.isPlan(e.Receiver) && !slices.Contains(c.library.methods, e.Method) {
		names := slices.Sorted(slices.Values(c.library.methods))
		c.report(CodeMethod, e.Method, e.Line(), ":", "a field of a plan has no method "+e.Method,
			meant(e.Method, names, ":", "it has "+strings.Join(names, ", ")))
	}
}

// methodOfRecord says how a function is written that a plan calls as a method.
func (c *checker) methodOfRecord(method string) string {
	for _, f := range functions() {
		if f.method == method {
			return "in a function it is written `" + f.fullName() + "(record.field)`"
		}
	}
	return meant(method, c.library.tables["string"], ":", "write a function of the library around it, as in `text.trim(record.field)`")
}

// returned checks the target fields where map returns a table.
func (c *checker) returned(s *ast.ReturnStmt) {
	if n := len(c.around); n > 0 && c.around[n-1] == c.mapFn && len(s.Exprs) > 0 {
		c.targetFields(s.Exprs[0])
	}
	c.expressions(s.Exprs)
}
