package mapping

import (
	"slices"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// Coverage says which parts of a script the cases have run: the statements of
// Lua code, and in a plan what is only sometimes reached: the alternatives of
// first and when.
type Coverage struct {
	// Parts are those of the script, Run those that some case has run.
	Parts int `json:"parts"`
	Run   int `json:"run"`
	// Never are the lines of the parts that no case has run, in order.
	Never []int `json:"never"`
}

// Percent is the share of the parts that were run; a script without parts is
// covered.
func (c Coverage) Percent() float64 {
	if c.Parts == 0 {
		return 100
	}
	return 100 * float64(c.Run) / float64(c.Parts)
}

// counterName is the global that counts. No script can write such a name.
const counterName = "\x00count"

// counter counts how often each part of a script is run. The engine has no hook
// for this, so the script is compiled with a call before each statement.
type counter struct {
	lines, counts []int
}

// add makes a counter of its own for a part.
func (c *counter) add(line int) int {
	c.lines, c.counts = append(c.lines, line), append(c.counts, 0)
	return len(c.counts) - 1
}

// compile compiles the script with its counters.
func (c *counter) compile(e *engine, script Script) (*lua.FunctionProto, error) {
	chunk, err := parseScript(script)
	if err != nil {
		return nil, err
	}
	walk(chunk, func(node any) {
		switch n := node.(type) {
		case *ast.FunctionExpr:
			n.Stmts = c.insert(n.Stmts)
		case *ast.DoBlockStmt:
			n.Stmts = c.insert(n.Stmts)
		case *ast.WhileStmt:
			n.Stmts = c.insert(n.Stmts)
		case *ast.RepeatStmt:
			n.Stmts = c.insert(n.Stmts)
		case *ast.NumberForStmt:
			n.Stmts = c.insert(n.Stmts)
		case *ast.GenericForStmt:
			n.Stmts = c.insert(n.Stmts)
		case *ast.IfStmt:
			n.Then, n.Else = c.insert(n.Then), c.insert(n.Else)
		}
	})
	proto, err := lua.Compile(c.insert(chunk), script.Name)
	if err != nil {
		return nil, compileError(script.Name, chunk, err)
	}
	e.lua.SetGlobal(counterName, e.lua.NewFunction(func(l *lua.LState) int {
		c.counts[l.CheckInt(1)]++
		return 0
	}))
	return proto, nil
}

// insert puts a counting call before each statement.
func (c *counter) insert(list []ast.Stmt) []ast.Stmt {
	out := make([]ast.Stmt, 0, 2*len(list))
	for _, s := range list {
		if _, ok := s.(*ast.LabelStmt); !ok {
			out = append(out, countingCall(c.add(s.Line()), s.Line()))
		}
		out = append(out, s)
	}
	return out
}

func countingCall(n, line int) ast.Stmt {
	name := &ast.IdentExpr{Value: counterName}
	number := &ast.NumberExpr{Value: lua.LNumber(n).String()}
	call := &ast.FuncCallExpr{Func: name, Args: []ast.Expr{number}}
	stmt := &ast.FuncCallStmt{Expr: call}
	for _, node := range []ast.PositionHolder{name, number, call, stmt} {
		node.SetLine(line)
		node.SetLastLine(line)
	}
	return stmt
}

// watch counts the alternatives of a plan.
func (c *counter) watch(p *plan) {
	visit := func(x expression) {
		switch x := x.(type) {
		case *firstOf:
			for i, arg := range x.args {
				x.args[i] = c.counted(arg, lineageOf("", x, 0).Line)
			}
		case *branch:
			line := lineageOf("", x.condition, 0).Line
			x.then, x.otherwise = c.counted(x.then, line), c.counted(x.otherwise, line)
		}
	}
	for _, rule := range p.rules {
		rule.walk(visit)
	}
	for _, f := range p.fields {
		f.from.walk(visit)
	}
}

// countedExpression is an alternative of a plan that counts.
type countedExpression struct {
	expression
	counter *counter
	number  int
}

func (x *countedExpression) eval(e *engine) value {
	x.counter.counts[x.number]++
	return x.expression.eval(e)
}

// counted makes an alternative count. One that nobody wrote, as the missing last
// argument of when, and one that counts already are left alone: an expression
// may stand in several fields.
func (c *counter) counted(x expression, line int) expression {
	switch have := x.(type) {
	case *countedExpression:
		return x
	case *constant:
		if have.value.kind == kindNone {
			return x
		}
	}
	if own := lineageOf("", x, 0).Line; own > 0 {
		line = own
	}
	return &countedExpression{expression: x, counter: c, number: c.add(line)}
}

func (c *counter) coverage() Coverage {
	out := Coverage{Parts: len(c.counts), Never: []int{}}
	for i, n := range c.counts {
		if n > 0 {
			out.Run++
		} else {
			out.Never = append(out.Never, c.lines[i])
		}
	}
	slices.Sort(out.Never)
	out.Never = slices.Compact(out.Never)
	return out
}
