package mapping

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
)

// helper is one function of the library that scripts get beside Lua's own.
type helper struct {
	// table is the global that holds it, empty for a global function.
	table, name string
	fn          func(e *engine, l *lua.LState) int
}

// helpers is the whole library. Helpers of fields share one rule: nothing in
// (nil, null, a blank text) is nil out, so that an empty cell leaves the target
// field out.
func helpers() []helper {
	return []helper{
		{"text", "trim", textHelper(trim)},
		{"text", "title", textHelper(titleName)},
		{"text", "lower", textHelper(lowerText)},
		{"text", "upper", textHelper(upperText)},
		{"text", "digits", textHelper(digits)},
		{"text", "join", joinText},
		{"email", "normalize", textHelper(normalizeEmail)},
		{"phone", "e164", phoneE164},
		{"date", "parse", parseDate},
		{"address", "join", joinAddress},
		{"", "skip", ruleHelper(roster.VerdictSkipped, "the script skipped the record")},
		{"", "reject", ruleHelper(roster.VerdictRejected, "the script rejected the record")},
	}
}

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
	for _, h := range helpers() {
		e.addHelper(h)
	}
	for _, name := range []string{"string", "table", "math", "text", "email", "phone", "date", "address"} {
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

func (e *engine) addHelper(h helper) {
	fn := e.lua.NewFunction(func(l *lua.LState) int { return h.fn(e, l) })
	if h.table == "" {
		e.lua.SetGlobal(h.name, fn)
		return
	}
	table, ok := e.lua.GetGlobal(h.table).(*lua.LTable)
	if !ok {
		table = e.lua.NewTable()
		e.lua.SetGlobal(h.table, table)
	}
	table.RawSetString(h.name, fn)
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

// pushText returns a text to the script; empty is nil.
func pushText(l *lua.LState, s string) int {
	if s == "" {
		l.Push(lua.LNil)
	} else {
		l.Push(lua.LString(s))
	}
	return 1
}

func textHelper(fn func(string) string) func(*engine, *lua.LState) int {
	return func(e *engine, l *lua.LState) int {
		s := e.argument(l, 1)
		if s == "" {
			return pushText(l, "")
		}
		return pushText(l, fn(s))
	}
}

// ruleHelper ends the call of map with a verdict, from however deep.
func ruleHelper(verdict roster.Verdict, fallback string) func(*engine, *lua.LState) int {
	return func(e *engine, l *lua.LState) int {
		reason := cutReason(trim(e.argument(l, 1)))
		if reason == "" {
			reason = fallback
		}
		e.ruling = ruling{verdict: verdict, reason: reason, line: callerLine(l)}
		l.Error(e.stopped, 0)
		return 0
	}
}

// callerLine returns the line of the script that called the helper at hand, or
// zero.
func callerLine(l *lua.LState) int {
	caller, ok := l.GetStack(1)
	if !ok {
		return 0
	}
	if _, err := l.GetInfo("l", caller, lua.LNil); err != nil {
		return 0
	}
	return max(caller.CurrentLine, 0)
}

func joinText(e *engine, l *lua.LState) int {
	return pushText(l, strings.Join(e.parts(l, 2), e.argument(l, 1)))
}

// parts returns the arguments from n on that are not blank, trimmed.
func (e *engine) parts(l *lua.LState, n int) []string {
	parts := make([]string, 0, l.GetTop())
	for i := n; i <= l.GetTop(); i++ {
		if part := trim(e.argument(l, i)); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
