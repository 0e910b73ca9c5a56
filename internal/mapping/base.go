package mapping

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxTextBytes bounds a text that one library call makes.
const maxTextBytes = 1 << 20

// replaceBase puts in the place of some of Lua's own functions versions that
// fit here: pairs walks the record too, pcall does not catch skip and reject,
// and tostring names no address, which would differ from call to call.
func (e *engine) replaceBase() {
	l := e.lua
	pairs := l.GetGlobal("pairs")
	l.SetGlobal("pairs", l.NewFunction(func(l *lua.LState) int {
		if l.Get(1) == e.record {
			return e.pairsOfRecord(l)
		}
		l.Push(pairs)
		l.Push(l.CheckTable(1))
		l.Call(1, 3)
		return 3
	}))
	e.openRequire()
	l.SetGlobal("pcall", l.NewFunction(e.protectedCall))
	l.SetGlobal("tostring", l.NewFunction(func(l *lua.LState) int {
		l.Push(e.toText(l, l.CheckAny(1)))
		return 1
	}))
	if table, ok := l.GetGlobal("table").(*lua.LTable); ok {
		concat := table.RawGetString("concat")
		table.RawSetString("concat", l.NewFunction(func(l *lua.LState) int { return limitedConcat(l, concat) }))
	}
}

func (e *engine) toText(l *lua.LState, v lua.LValue) lua.LValue {
	switch v.Type() {
	case lua.LTString, lua.LTNumber, lua.LTBool, lua.LTNil:
		return l.ToStringMeta(v)
	default:
	}
	if fn := l.GetMetaField(v, "__tostring"); fn.Type() == lua.LTFunction {
		return l.ToStringMeta(v)
	}
	return lua.LString(typeName(e, v))
}

func (e *engine) protectedCall(l *lua.LState) int {
	l.CheckAny(1)
	err := l.PCall(l.GetTop()-1, lua.MultRet, nil)
	if err == nil {
		l.Insert(lua.LTrue, 1)
		return l.GetTop()
	}
	var value lua.LValue = lua.LString("error")
	if fault, ok := err.(*lua.ApiError); ok { //nolint:errorlint // PCall returns the engine's own error, never a wrapped one.
		if fault.Object == lua.LValue(e.stopped) {
			l.Error(e.stopped, 0)
		}
		value = fault.Object
	}
	l.Push(lua.LFalse)
	l.Push(value)
	return 2
}

// limitedConcat adds up what table.concat would make before it is made.
func limitedConcat(l *lua.LState, concat lua.LValue) int {
	table, separator := l.CheckTable(1), l.OptString(2, "")
	size := 0
	for i := 1; i <= table.Len(); i++ {
		if text, ok := table.RawGetInt(i).(lua.LString); ok {
			size += len(text)
		}
		if size += len(separator); size > maxTextBytes {
			l.RaiseError("the text would be longer than 1 MiB")
		}
	}
	n := l.GetTop()
	l.Push(concat)
	for i := 1; i <= n; i++ {
		l.Push(l.Get(i))
	}
	l.Call(n, 1)
	return 1
}

// replaceString bounds what string functions make, and hides the metatable of
// texts: a script that changed it would change every text of the state.
func (e *engine) replaceString() {
	l := e.lua
	table, ok := l.GetGlobal("string").(*lua.LTable)
	if !ok {
		return
	}
	table.RawSetString("rep", l.NewFunction(limitedRep))
	e.openPatterns(table)
	format := table.RawGetString("format")
	table.RawSetString("format", l.NewFunction(func(l *lua.LState) int { return e.limitedFormat(l, format) }))
	metatable := e.readOnly("the library is read-only", table)
	e.openNumbers(metatable)
	l.SetMetatable(lua.LString(""), metatable)
}

func limitedRep(l *lua.LState) int {
	s, n := l.CheckString(1), l.CheckNumber(2)
	if n <= 0 || s == "" {
		l.Push(lua.LString(""))
		return 1
	}
	if !(float64(n)*float64(len(s)) <= maxTextBytes) {
		l.RaiseError("the text would be longer than 1 MiB")
	}
	l.Push(lua.LString(strings.Repeat(s, int(n))))
	return 1
}

// limitedFormat refuses widths and precisions beyond two digits, as Lua itself
// does, and shows values without an address as their type.
func (e *engine) limitedFormat(l *lua.LState, format lua.LValue) int {
	pattern := l.CheckString(1)
	run := 0
	for i := range len(pattern) {
		if pattern[i] < '0' || pattern[i] > '9' {
			run = 0
		} else if run++; run > 2 && strings.Contains(pattern[max(0, i-run-8):i], "%") {
			l.ArgError(1, "width or precision too long")
		}
	}
	decimalsFor(l, pattern)
	n, size := l.GetTop(), len(pattern)
	l.Push(format)
	l.Push(lua.LString(pattern))
	for i := 2; i <= n; i++ {
		v := l.Get(i)
		if v.Type() != lua.LTNumber && v.Type() != lua.LTString {
			v = e.toText(l, v)
		}
		if text, ok := v.(lua.LString); ok {
			size += len(text)
		}
		l.Push(v)
	}
	if size > maxTextBytes {
		l.RaiseError("the text would be longer than 1 MiB")
	}
	l.Call(n, 1)
	return 1
}
