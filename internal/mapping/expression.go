package mapping

import (
	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
)

// expression is the right-hand side of a plan's field. Lua builds it when the
// script is loaded; Go evaluates it for each record.
type expression interface {
	// eval returns the value for the row at hand. It is called by one goroutine
	// at a time.
	eval(e *engine) value
	// walk calls visit for the expression and for everything in it.
	walk(visit func(expression))
}

// fieldOfSource reads a field of the source record.
type fieldOfSource struct {
	name string
	line int
	// column is the field's place on the pages with the columns numbered
	// columns; below zero where those have no such field.
	columns, column int
}

func (x *fieldOfSource) eval(e *engine) value {
	if x.columns != e.columnsNumber {
		x.columns, x.column = e.columnsNumber, -1
		if column, ok := e.index[x.name]; ok {
			x.column = column
		}
	}
	if x.column >= 0 {
		return e.cellValue(e.row.Cell(x.column))
	}
	switch x.name {
	case "id":
		return textValue(e.row.ID())
	case "club":
		return textValue(e.club.Key)
	}
	e.missed(x.name)
	return value{}
}

func (x *fieldOfSource) walk(visit func(expression)) { visit(x) }

// constant is a value that stands in the script.
type constant struct{ value value }

func (x *constant) eval(*engine) value          { return x.value }
func (x *constant) walk(visit func(expression)) { visit(x) }

// application applies a function of the library.
type application struct {
	fn   *function
	args []expression
	line int
	// values holds the arguments of one evaluation.
	values []value
}

func (x *application) eval(e *engine) value {
	for i, arg := range x.args {
		x.values[i] = arg.eval(e)
		if x.values[i].ends() {
			return x.values[i]
		}
	}
	return e.apply(x.fn, x.values, x.line)
}

func (x *application) walk(visit func(expression)) {
	visit(x)
	for _, arg := range x.args {
		arg.walk(visit)
	}
}

// firstOf is the first of its alternatives that is something; those behind it
// are not evaluated.
type firstOf struct{ args []expression }

func (x *firstOf) eval(e *engine) value {
	for _, arg := range x.args {
		if v := arg.eval(e); !isNothing(v) {
			return v
		}
	}
	return value{}
}

// isNothing reports whether first passes a value over: nil, null or a blank
// text.
func isNothing(v value) bool { return v.isNone() || v.kind == kindText && trim(v.text) == "" }

func (x *firstOf) walk(visit func(expression)) {
	visit(x)
	for _, arg := range x.args {
		arg.walk(visit)
	}
}

// branch is one of two expressions; only the chosen one is evaluated.
type branch struct{ condition, then, otherwise expression }

func (x *branch) eval(e *engine) value {
	condition := x.condition.eval(e)
	switch {
	case condition.ends():
		return condition
	case condition.isTrue():
		return x.then.eval(e)
	}
	return x.otherwise.eval(e)
}

func (x *branch) walk(visit func(expression)) {
	visit(x)
	x.condition.walk(visit)
	x.then.walk(visit)
	x.otherwise.walk(visit)
}

// decision ends the record: what skip and reject are in a plan.
type decision struct {
	verdict roster.Verdict
	reason  string
	line    int
}

func (x *decision) eval(e *engine) value {
	e.ruling = ruling{verdict: x.verdict, reason: x.reason, line: x.line}
	return value{kind: kindRuling}
}

func (x *decision) walk(visit func(expression)) { visit(x) }

// luaCall runs Lua code for one field.
type luaCall struct {
	fn   *lua.LFunction
	line int
}

func (x *luaCall) eval(e *engine) value {
	l := e.lua
	l.Push(x.fn)
	l.Push(e.record)
	l.Push(e.contextArg)
	if err := l.PCall(2, 1, nil); err != nil {
		e.failed = err
		return value{kind: kindFault}
	}
	v := l.Get(-1)
	l.Pop(1)
	return e.valueOf(v)
}

func (x *luaCall) walk(visit func(expression)) { visit(x) }

// list is a table that a plan nests, as a list of matters.
type list struct{ elements []expression }

func (x *list) eval(e *engine) value {
	table := e.lua.CreateTable(len(x.elements), 0)
	for _, element := range x.elements {
		v := element.eval(e)
		if v.ends() {
			return v
		}
		if v.kind != kindNone {
			table.Append(e.toLua(v))
		}
	}
	if table.Len() == 0 {
		return value{}
	}
	return value{kind: kindLua, lua: table}
}

func (x *list) walk(visit func(expression)) {
	visit(x)
	for _, element := range x.elements {
		element.walk(visit)
	}
}

// fields is a nested table with names, as one matter. Where none of its fields
// that depend on the record has a value it is nothing.
type fields struct {
	names []string
	args  []expression
}

func (x *fields) eval(e *engine) value {
	table := e.lua.CreateTable(0, len(x.names))
	something := false
	for i, arg := range x.args {
		v := arg.eval(e)
		if v.ends() {
			return v
		}
		if v.kind == kindNone {
			continue
		}
		if _, fixed := arg.(*constant); !fixed {
			something = true
		}
		table.RawSetString(x.names[i], e.toLua(v))
	}
	if !something {
		return value{}
	}
	return value{kind: kindLua, lua: table}
}

func (x *fields) walk(visit func(expression)) {
	visit(x)
	for _, arg := range x.args {
		arg.walk(visit)
	}
}
