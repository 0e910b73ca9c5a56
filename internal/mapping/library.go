package mapping

import (
	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
)

// openLibraries makes the state's globals: the harmless part of Lua's own
// libraries, and the helpers. Nothing in them reaches files, network, clock,
// randomness or another state.
func (e *engine) openLibraries() {
	l := e.lua
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath} {
		l.Push(l.NewFunction(open))
		l.Call(0, 0)
	}
	e.removeGlobals()
	e.null = l.NewUserData()
	l.SetMetatable(e.null, e.readOnly("null has no fields", nil))
	e.stopped = l.NewUserData()
	l.SetGlobal("null", e.null)
	e.replaceBase()
	e.replaceString()
	e.openPlan()
	for i := range e.library {
		f := &e.library[i]
		e.addFunction(f.table, f.name, e.luaFunction(f))
	}
	e.addFunction("", "skip", e.ruleFunction(roster.VerdictSkipped, "the script skipped the record"))
	e.addFunction("", "reject", e.ruleFunction(roster.VerdictRejected, "the script rejected the record"))
	closed := map[string]bool{"string": true, "table": true, "math": true}
	for i := range e.library {
		closed[e.library[i].table] = true
	}
	delete(closed, "")
	for name := range closed {
		l.SetMetatable(l.GetGlobal(name), e.readOnly("the library is read-only", nil))
	}
	e.openRecord()
}

// removeGlobals takes away what loads code, reaches out of the state, differs
// from call to call, or names the engine.
func (e *engine) removeGlobals() {
	for _, name := range []string{
		"_G", "_VERSION", "_GOPHER_LUA_VERSION", "_printregs", "collectgarbage", "dofile", "getfenv", "load", "loadfile",
		"loadstring", "module", "newproxy", "print", "rawset", "require", "setfenv", "xpcall", "package",
	} {
		e.lua.SetGlobal(name, lua.LNil)
	}
	for table, names := range map[string][]string{
		"string": {"dump", "gfind", "__index"},
		"math":   {"random", "randomseed"},
	} {
		for _, name := range names {
			if t, ok := e.lua.GetGlobal(table).(*lua.LTable); ok {
				t.RawSetString(name, lua.LNil)
			}
		}
	}
}

// addFunction puts a function into a global table, or among the globals.
func (e *engine) addFunction(table, name string, fn lua.LGFunction) {
	if table == "" {
		e.lua.SetGlobal(name, e.lua.NewFunction(fn))
		return
	}
	t, ok := e.lua.GetGlobal(table).(*lua.LTable)
	if !ok {
		t = e.lua.NewTable()
		e.lua.SetGlobal(table, t)
	}
	t.RawSetString(name, e.lua.NewFunction(fn))
}

// readOnly makes a metatable that refuses writes and cannot be seen or changed.
func (e *engine) readOnly(message string, index lua.LValue) *lua.LTable {
	mt := e.lua.NewTable()
	mt.RawSetString("__newindex", e.lua.NewFunction(func(l *lua.LState) int {
		l.RaiseError("%s", message)
		return 0
	}))
	mt.RawSetString("__metatable", lua.LFalse)
	if index != nil {
		mt.RawSetString("__index", index)
	}
	return mt
}

// globals returns the names that a script may use.
func (e *engine) globals() map[string]struct{} {
	names := map[string]struct{}{}
	if globals, ok := e.lua.Get(lua.GlobalsIndex).(*lua.LTable); ok {
		globals.ForEach(func(k, _ lua.LValue) { names[k.String()] = struct{}{} })
	}
	return names
}

// argument returns a helper's argument as text; nil and null are empty.
func (e *engine) argument(l *lua.LState, n int) string {
	switch v := l.Get(n).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return v.String()
	case *lua.LNilType:
		return ""
	case *lua.LUserData:
		if v == e.null {
			return ""
		}
	}
	l.TypeError(n, lua.LTString)
	return ""
}

// ruleFunction ends the call of map with a verdict, from however deep. While a
// script is loaded it makes that a part of a plan.
func (e *engine) ruleFunction(verdict roster.Verdict, fallback string) lua.LGFunction {
	return func(l *lua.LState) int {
		reason := cutReason(trim(e.argument(l, 1)))
		if reason == "" {
			reason = fallback
		}
		if e.building {
			return e.pushExpression(l, &decision{verdict: verdict, reason: reason, line: e.callerLine(l)})
		}
		e.ruling = ruling{verdict: verdict, reason: reason, line: e.callerLine(l)}
		l.Error(e.stopped, 0)
		return 0
	}
}

// callerLine returns the line of the script from which the helper at hand was
// called, maybe through a module, or zero.
func (e *engine) callerLine(l *lua.LState) int {
	for level := 1; ; level++ {
		caller, ok := l.GetStack(level)
		if !ok {
			return 0
		}
		if _, err := l.GetInfo("Sl", caller, lua.LNil); err != nil {
			return 0
		}
		if caller.Source == e.script {
			return max(caller.CurrentLine, 0)
		}
	}
}
