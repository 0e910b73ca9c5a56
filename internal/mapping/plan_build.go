package mapping

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
)

// openPlan gives the script what a plan is made of: source, mapping, when, call
// and const. They work while the script is loaded; skip and reject then make a
// part of the plan, too.
func (e *engine) openPlan() {
	l := e.lua
	e.methods = map[string]*lua.LFunction{}
	e.library = functions()
	for i := range e.library {
		if f := &e.library[i]; f.method != "" {
			e.methods[f.method] = l.NewFunction(func(l *lua.LState) int {
				if f.subject() > 0 {
					field := l.Get(1)
					l.Remove(1)
					l.Insert(field, min(f.subject(), l.GetTop())+1)
				}
				return e.buildApplication(l, f)
			})
		}
	}
	e.expressionMeta = e.readOnly("a field of the source cannot be written", l.NewFunction(e.method))
	for name, op := range operators() {
		f := op
		e.expressionMeta.RawSetString(name, l.NewFunction(func(l *lua.LState) int { return e.buildApplication(l, &f) }))
	}
	for _, name := range []string{"__lt", "__le"} {
		e.expressionMeta.RawSetString(name, l.NewFunction(func(l *lua.LState) int {
			l.RaiseError("fields are compared with :lt(), :le(), :gt() and :ge()")
			return 0
		}))
	}
	source := l.NewUserData()
	l.SetMetatable(source, e.readOnly("the source cannot be written", l.NewFunction(e.sourceField)))
	l.SetGlobal("source", source)
	for name, fn := range map[string]lua.LGFunction{
		"mapping": e.buildMapping, "when": e.when, "call": e.buildCall, "const": e.buildConst,
	} {
		l.SetGlobal(name, l.NewFunction(fn))
	}
}

// isExpression reports whether a value of Lua is a part of a plan.
func isExpression(v lua.LValue) bool {
	_, ok := expressionIn(v)
	return ok
}

func expressionIn(v lua.LValue) (expression, bool) {
	data, ok := v.(*lua.LUserData)
	if !ok {
		return nil, false
	}
	x, ok := data.Value.(expression)
	return x, ok
}

// pushExpression returns a part of a plan to the script.
func (e *engine) pushExpression(l *lua.LState, x expression) int {
	data := l.NewUserData()
	data.Value = x
	data.Metatable = e.expressionMeta
	l.Push(data)
	return 1
}

// mustBuild refuses what makes sense only in a plan.
func (e *engine) mustBuild(l *lua.LState, name string) {
	if !e.building {
		l.RaiseError("%s belongs to a plan: use it outside of functions, in `return mapping{...}`", name)
	}
}

func (e *engine) sourceField(l *lua.LState) int {
	e.mustBuild(l, "source")
	return e.pushExpression(l, &fieldOfSource{name: l.CheckString(2), line: e.callerLine(l)})
}

// method finds the method of a field by its name.
func (e *engine) method(l *lua.LState) int {
	name, _ := l.Get(2).(lua.LString)
	if fn, ok := e.methods[string(name)]; ok {
		l.Push(fn)
		return 1
	}
	l.RaiseError("a field has no method %s; it has %s", string(name), strings.Join(slices.Sorted(mapKeys(e.methods)), ", "))
	return 0
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// buildApplication makes a part of a plan of a call. Constant arguments are
// tried out at once, so that a layout with a fault is found when the script is
// loaded and not with the first record.
func (e *engine) buildApplication(l *lua.LState, f *function) int {
	e.mustBuild(l, f.fullName())
	args := make([]expression, l.GetTop())
	probe := make([]value, len(args))
	for i := range args {
		args[i] = e.expressionOf(l, l.Get(i+1))
		probe[i] = value{kind: kindText, text: "1"}
		if fixed, ok := args[i].(*constant); ok {
			probe[i] = fixed.value
		}
	}
	if f.table == "" && f.name == "first" {
		return e.pushExpression(l, &firstOf{args: args})
	}
	if v := e.apply(f, probe, 0); v.kind == kindFault {
		l.RaiseError("%s", v.text)
	}
	return e.pushExpression(l, &application{fn: f, args: args, line: e.callerLine(l), values: make([]value, len(args))})
}

// expressionOf makes a part of a plan of any value: tables nest.
func (e *engine) expressionOf(l *lua.LState, v lua.LValue) expression {
	if x, ok := expressionIn(v); ok {
		return x
	}
	if table, ok := v.(*lua.LTable); ok {
		return e.expressionOfTable(l, table)
	}
	converted := e.valueOf(v)
	if converted.kind == kindLua {
		l.RaiseError("a %s cannot stand in a plan; wrap Lua code as call(function(record) ... end)", typeName(e, v))
	}
	return &constant{converted}
}

func (e *engine) expressionOfTable(l *lua.LState, table *lua.LTable) expression {
	if n := table.Len(); n > 0 && isList(table, n) {
		x := &list{}
		for i := 1; i <= n; i++ {
			x.elements = append(x.elements, e.expressionOf(l, table.RawGetInt(i)))
		}
		return x
	}
	x := &fields{}
	for _, name := range e.names(l, table) {
		x.names = append(x.names, name)
		x.args = append(x.args, e.expressionOf(l, table.RawGetString(name)))
	}
	return x
}

// names returns a table's keys, sorted. Those of a list are left out.
func (e *engine) names(l *lua.LState, table *lua.LTable) []string {
	var names []string
	table.ForEach(func(k, _ lua.LValue) {
		switch k := k.(type) {
		case lua.LString:
			names = append(names, string(k))
		case lua.LNumber:
		default:
			l.RaiseError("a key of the mapping is a %s; it is the name of a target field", k.Type().String())
		}
	})
	slices.Sort(names)
	return names
}

// buildMapping makes the plan: places 1, 2, ... of its table are rules, named
// places are target fields.
func (e *engine) buildMapping(l *lua.LState) int {
	e.mustBuild(l, "mapping")
	table := l.CheckTable(1)
	p := &plan{}
	// The engine puts the value of a last field that is a call into the list
	// as well, where a list stands before it: {rule, a = f()} has f() as [2].
	named := map[lua.LValue]bool{}
	table.ForEach(func(k, v lua.LValue) {
		if k.Type() == lua.LTString {
			named[v] = true
		}
	})
	for i := 1; i <= table.Len(); i++ {
		if named[table.RawGetInt(i)] {
			continue
		}
		x, ok := expressionIn(table.RawGetInt(i))
		if !ok {
			l.RaiseError("a rule of the mapping is written when(condition, skip(\"reason\")); every other place needs the name of a target field")
		}
		p.rules = append(p.rules, x)
	}
	for _, name := range e.names(l, table) {
		slot := e.result.slots.find(name)
		if slot == nil {
			l.RaiseError("a target field has an empty, overlong or malformed name")
		}
		slot.fixed = true
		x := e.expressionOf(l, table.RawGetString(name))
		slot.line = lineageOf(name, x, 0).Line
		p.fields = append(p.fields, planField{slot: slot, from: x, line: slot.line})
	}
	if len(p.fields) > roster.MaxFields {
		l.RaiseError("the mapping has more than 256 fields")
	}
	data := l.NewUserData()
	data.Value = p
	l.Push(data)
	return 1
}

// when chooses: in a plan for each record, in Lua code at once.
func (e *engine) when(l *lua.LState) int {
	l.CheckAny(1)
	condition := l.Get(1)
	if !e.building {
		if lua.LVAsBool(condition) {
			l.Push(l.Get(2))
		} else {
			l.Push(l.Get(3))
		}
		return 1
	}
	x, ok := expressionIn(condition)
	if !ok {
		l.RaiseError("the condition of when is decided before any record is there; a field is compared with :is(\"...\"), not with ==")
	}
	return e.pushExpression(l, &branch{
		condition: x, then: e.expressionOf(l, l.Get(2)), otherwise: e.expressionOf(l, l.Get(3)),
	})
}

// buildCall puts Lua code into a field of a plan.
func (e *engine) buildCall(l *lua.LState) int {
	e.mustBuild(l, "call")
	return e.pushExpression(l, &luaCall{fn: l.CheckFunction(1), line: e.callerLine(l)})
}

// buildConst makes a part of a plan of a value, which then has methods.
func (e *engine) buildConst(l *lua.LState) int {
	e.mustBuild(l, "const")
	return e.pushExpression(l, e.expressionOf(l, l.CheckAny(1)))
}
