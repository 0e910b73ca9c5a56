package mapping

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// decimal reads a number as people write one: digits with a sign, a point and
// an exponent. The engine's own reading takes 010 for eight, and its calculations
// take 0b11, 1_000, nan and inf for numbers; in a cell these are none.
func decimal(s string) (float64, bool) {
	s = trim(s)
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && strings.IndexByte("+-.eE", c) < 0 {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// arithmetic are the operators that calculate, by their names in a metatable.
func arithmetic() map[string]func(a, b float64) float64 {
	return map[string]func(a, b float64) float64{
		"__add": func(a, b float64) float64 { return a + b },
		"__sub": func(a, b float64) float64 { return a - b },
		"__mul": func(a, b float64) float64 { return a * b },
		"__div": func(a, b float64) float64 { return a / b },
		"__mod": func(a, b float64) float64 { return a - math.Floor(a/b)*b },
		"__pow": math.Pow,
		"__unm": func(a, _ float64) float64 { return -a },
	}
}

// openNumbers makes Lua read texts as decimal numbers: where operators meet a
// text, in tonumber, in math, and where a text's functions take numbers.
// metatable is that of texts.
func (e *engine) openNumbers(metatable *lua.LTable) {
	l, planned := e.lua, operators()
	for name, of := range arithmetic() {
		operator, inPlan := planned[name]
		metatable.RawSetString(name, l.NewFunction(func(l *lua.LState) int {
			if inPlan && (isExpression(l.Get(1)) || isExpression(l.Get(2))) {
				return e.buildApplication(l, &operator)
			}
			if name == "__unm" {
				l.SetTop(1)
				l.Push(l.Get(1))
			}
			a, okA := decimalOf(l.Get(1))
			b, okB := decimalOf(l.Get(2))
			if !okA || !okB {
				l.RaiseError("cannot perform %s operation between %s and %s", name[2:], typeName(e, l.Get(1)), typeName(e, l.Get(2)))
			}
			l.Push(lua.LNumber(of(a, b)))
			return 1
		}))
	}
	tonumber := l.GetGlobal("tonumber")
	l.SetGlobal("tonumber", l.NewFunction(func(l *lua.LState) int {
		if text, ok := l.Get(1).(lua.LString); ok && l.GetTop() == 1 {
			if n, ok := decimal(string(text)); ok {
				l.Push(lua.LNumber(n))
				return 1
			}
		}
		return callWith(l, tonumber)
	}))
	e.readDecimals("math", nil)
	e.readDecimals("string", map[string]int{"rep": 2, "sub": 2, "byte": 2, "find": 3})
}

// readDecimals puts a function that turns decimal texts into numbers around
// those of a table: around all of them, or around the named ones, from the
// argument on that stands there.
func (e *engine) readDecimals(table string, from map[string]int) {
	t, ok := e.lua.GetGlobal(table).(*lua.LTable)
	if !ok {
		return
	}
	var names []string
	t.ForEach(func(k, v lua.LValue) {
		if _, listed := from[k.String()]; v.Type() == lua.LTFunction && (from == nil || listed) {
			names = append(names, k.String())
		}
	})
	for _, name := range names {
		fn, first := t.RawGetString(name), max(from[name], 1)
		t.RawSetString(name, e.lua.NewFunction(func(l *lua.LState) int {
			for i := first; i <= l.GetTop(); i++ {
				if text, ok := l.Get(i).(lua.LString); ok {
					n, ok := decimal(string(text))
					if !ok {
						l.TypeError(i, lua.LTNumber)
					}
					l.Replace(i, lua.LNumber(n))
				}
			}
			return callWith(l, fn)
		}))
	}
}

// callWith calls a function with the arguments at hand and returns what it
// returns.
func callWith(l *lua.LState, fn lua.LValue) int {
	n := l.GetTop()
	l.Insert(fn, 1)
	l.Call(n, lua.MultRet)
	return l.GetTop()
}

func decimalOf(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return decimal(string(v))
	}
	return 0, false
}

// decimalsFor turns the arguments of a format into numbers where its verbs want
// numbers: string.format("%04d", "012") is 0012. What is no number stays.
func decimalsFor(l *lua.LState, format string) {
	argument := 2
	for rest := format; ; argument++ {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			return
		}
		verb := strings.TrimLeft(after, "-+ #0123456789.")
		switch {
		case verb == "":
			return
		case verb[0] == '%':
			argument--
		case strings.IndexByte("cdiouxXeEfgG", verb[0]) >= 0:
			if text, ok := l.Get(argument).(lua.LString); ok {
				if n, ok := decimal(string(text)); ok {
					l.Replace(argument, lua.LNumber(n))
				}
			}
		}
		rest = verb[1:]
	}
}
