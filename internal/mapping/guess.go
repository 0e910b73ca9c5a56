package mapping

import (
	"cmp"
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// guesser reads off a function `map` where its fields come from. It follows
// local variables by their names and looks into no function that map calls, so
// what it tells is likely and not certain.
type guesser struct {
	record string
	// values are what the function's local variables are given.
	values map[string][]ast.Expr
	found  []Lineage
	// many are the fields that are filled in several places.
	many map[string]bool
}

// guessLineage returns the fields of the tables that map returns, and the places
// at which it skips or rejects, by line.
func guessLineage(chunk []ast.Stmt) []Lineage { return guessFields(chunk).found }

// placedLines are the lines of the fields that map fills in one place.
func placedLines(chunk []ast.Stmt) map[string]int {
	g := guessFields(chunk)
	lines := map[string]int{}
	for _, l := range g.found {
		if l.Field != "" && !g.many[l.Field] {
			lines[l.Field] = l.Line
		}
	}
	return lines
}

func guessFields(chunk []ast.Stmt) *guesser {
	g := &guesser{values: map[string][]ast.Expr{}, many: map[string]bool{}}
	c := &checker{globals: map[string]bool{}, perRecord: map[*ast.FunctionExpr]bool{}}
	c.chunk = chunk
	c.collect()
	if c.mapFn == nil {
		return g
	}
	if c.mapFn.ParList != nil && len(c.mapFn.ParList.Names) > 0 {
		g.record = c.mapFn.ParList.Names[0]
	}
	statements := flat(c.mapFn.Stmts)
	for _, s := range statements {
		g.gather(s)
	}
	for _, s := range statements {
		g.guess(s, statements)
	}
	slices.SortStableFunc(g.found, func(a, b Lineage) int { return cmp.Compare(a.Line, b.Line) })
	return g
}

// gather notes what local variables are given.
func (g *guesser) gather(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.LocalAssignStmt:
		for i, name := range s.Names {
			g.give(name, valueAt(s.Exprs, i))
		}
	case *ast.AssignStmt:
		for i, target := range s.Lhs {
			if ident, ok := target.(*ast.IdentExpr); ok {
				g.give(ident.Value, valueAt(s.Rhs, i))
			}
		}
	case *ast.GenericForStmt:
		for _, name := range s.Names {
			g.give(name, valueAt(s.Exprs, 0))
		}
	}
}

func (g *guesser) give(name string, value ast.Expr) {
	if value != nil && name != g.record {
		g.values[name] = append(g.values[name], value)
	}
}

// guess takes what a statement tells of the target record.
func (g *guesser) guess(s ast.Stmt, all []ast.Stmt) {
	switch s := s.(type) {
	case *ast.ReturnStmt:
		g.returned(s, all)
	case *ast.FuncCallStmt:
		if call, ok := s.Expr.(*ast.FuncCallExpr); ok {
			g.decided(call)
		}
	}
}

func (g *guesser) returned(s *ast.ReturnStmt, all []ast.Stmt) {
	if len(s.Exprs) == 0 {
		return
	}
	switch e := s.Exprs[0].(type) {
	case *ast.TableExpr:
		g.table(e)
	case *ast.NilExpr:
		l := Lineage{Sources: []string{}, Decides: "skip", Line: s.Line()}
		if reason, ok := valueAt(s.Exprs, 1).(*ast.StringExpr); ok {
			l.Reason = reason.Value
		}
		g.found = append(g.found, l)
	case *ast.IdentExpr:
		for _, value := range g.values[e.Value] {
			if table, ok := value.(*ast.TableExpr); ok {
				g.table(table)
			}
		}
		g.filled(e.Value, all)
	}
}

// filled takes what is assigned to the fields of a local table.
func (g *guesser) filled(name string, all []ast.Stmt) {
	for _, s := range all {
		assign, ok := s.(*ast.AssignStmt)
		if !ok {
			continue
		}
		for i, target := range assign.Lhs {
			attribute, ok := target.(*ast.AttrGetExpr)
			if !ok {
				continue
			}
			table, isIdent := attribute.Object.(*ast.IdentExpr)
			key, isText := attribute.Key.(*ast.StringExpr)
			if isIdent && isText && table.Value == name {
				g.field(key.Value, assign.Line(), valueAt(assign.Rhs, i))
			}
		}
	}
}

func (g *guesser) table(table *ast.TableExpr) {
	for _, f := range table.Fields {
		if key, ok := f.Key.(*ast.StringExpr); ok {
			g.field(key.Value, key.Line(), f.Value)
		}
	}
}

// decided takes a call of skip or reject.
func (g *guesser) decided(call *ast.FuncCallExpr) {
	name, ok := call.Func.(*ast.IdentExpr)
	if !ok || name.Value != "skip" && name.Value != "reject" {
		return
	}
	l := Lineage{Sources: []string{}, Decides: name.Value, Line: call.Line()}
	if reason, ok := valueAt(call.Args, 0).(*ast.StringExpr); ok {
		l.Reason = reason.Value
	}
	g.found = append(g.found, l)
}

func (g *guesser) field(name string, line int, value ast.Expr) {
	l := Lineage{Field: name, Line: line, Sources: []string{}}
	if value == nil {
		return
	}
	g.follow(value, &l, map[string]bool{})
	switch value.(type) {
	case *ast.StringExpr, *ast.NumberExpr, *ast.TrueExpr, *ast.FalseExpr:
		l.Constant = true
	}
	slices.Reverse(l.Steps)
	// The same field in two returned tables is one field.
	for i := range g.found {
		if g.found[i].Field == name && name != "" {
			for _, source := range l.Sources {
				g.found[i].Sources = appendOnce(g.found[i].Sources, source)
			}
			g.found[i].Constant = g.found[i].Constant && l.Constant
			g.many[name] = g.many[name] || g.found[i].Line != line
			return
		}
	}
	g.found = append(g.found, l)
}

// follow collects the source fields and the functions of an expression.
func (g *guesser) follow(e ast.Expr, l *Lineage, seen map[string]bool) {
	switch e := e.(type) {
	case nil:
	case *ast.IdentExpr:
		if !seen[e.Value] {
			seen[e.Value] = true
			for _, value := range g.values[e.Value] {
				g.follow(value, l, seen)
			}
		}
	case *ast.AttrGetExpr:
		g.attribute(e, l, seen)
	case *ast.FuncCallExpr:
		g.call(e, l, seen)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			g.follow(f.Value, l, seen)
		}
	case *ast.FunctionExpr:
		l.Code = true
	default:
		for _, operand := range operands(e) {
			g.follow(operand, l, seen)
		}
	}
}

func (g *guesser) attribute(e *ast.AttrGetExpr, l *Lineage, seen map[string]bool) {
	ident, isIdent := e.Object.(*ast.IdentExpr)
	key, isText := e.Key.(*ast.StringExpr)
	if isIdent && isText && ident.Value == g.record {
		l.Sources = appendOnce(l.Sources, key.Value)
		return
	}
	g.follow(e.Object, l, seen)
	g.follow(e.Key, l, seen)
}

// call collects a function of the library as a step; a function of the script's
// own is Lua code.
func (g *guesser) call(e *ast.FuncCallExpr, l *Lineage, seen map[string]bool) {
	switch fn := e.Func.(type) {
	case *ast.IdentExpr:
		l.Code = l.Code || !isLibraryFunction("", fn.Value)
		l.Steps = append(l.Steps, fn.Value)
	case *ast.AttrGetExpr:
		table, isIdent := fn.Object.(*ast.IdentExpr)
		key, isText := fn.Key.(*ast.StringExpr)
		if isIdent && isText {
			l.Steps = append(l.Steps, stepName(table.Value, key.Value))
			l.Code = l.Code || !isLibraryFunction(table.Value, key.Value)
		}
	default:
		l.Steps = append(l.Steps, e.Method)
		g.follow(e.Receiver, l, seen)
	}
	for _, arg := range e.Args {
		if ident, ok := arg.(*ast.IdentExpr); ok && ident.Value == g.record {
			l.Code = true
		}
		g.follow(arg, l, seen)
	}
}

func stepName(table, name string) string {
	if table == "text" {
		return name
	}
	return table + "." + name
}

func isLibraryFunction(table, name string) bool {
	return slices.ContainsFunc(functions(), func(f function) bool { return f.table == table && f.name == name })
}
