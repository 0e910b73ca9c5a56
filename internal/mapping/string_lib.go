package mapping

import (
	"errors"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// tooManySteps is what a call that used up its steps raises, behind its name.
const tooManySteps = " gave up: the pattern takes too many steps on this text; use text.trim, re.* or a simpler pattern"

// tooManyRecordSteps is the same for all calls of a record.
const tooManyRecordSteps = " gave up: the patterns take too many steps on this record; use text.trim, re.* or simpler patterns"

// openPatterns puts matching within a budget in the place of the engine's own:
// a call into the engine's cannot be interrupted and may take hours.
func (e *engine) openPatterns(table *lua.LTable) {
	e.patterns.perRecord = recordSteps
	e.patterns.newRecord()
	for name, fn := range map[string]lua.LGFunction{
		"find":   func(l *lua.LState) int { return e.patterns.findIn(l, "string.find", true) },
		"match":  func(l *lua.LState) int { return e.patterns.findIn(l, "string.match", false) },
		"gmatch": func(l *lua.LState) int { return e.patterns.gmatch(l) },
		"gsub":   func(l *lua.LState) int { return e.patterns.gsub(l) },
	} {
		table.RawSetString(name, e.lua.NewFunction(fn))
	}
}

// patternOf returns a call's compiled pattern.
func (m *matcher) patternOf(l *lua.LState, text string) *pattern {
	if len(text) > maxPatternBytes {
		l.RaiseError("the pattern is longer than 4 KiB")
	}
	return m.cache.get(text)
}

// raise raises what ended a match.
func raise(l *lua.LState, name string, err error) {
	switch {
	case errors.Is(err, errSteps):
		l.RaiseError("%s", name+tooManySteps)
	case errors.Is(err, errRecordSteps):
		l.RaiseError("%s", name+tooManyRecordSteps)
	case err != nil:
		l.RaiseError("%s", err.Error())
	}
}

// findIn is find and match.
func (m *matcher) findIn(l *lua.LState, name string, places bool) int {
	src, text := l.CheckString(1), l.CheckString(2)
	from := startOf(optInt(l, 3, 1), len(src))
	if places && (lua.LVAsBool(l.Get(4)) || !hasMagic(text)) {
		return findPlain(l, src, text, from)
	}
	p := m.patternOf(l, text)
	m.begin(src)
	start, end, err := m.find(p, src, from)
	raise(l, name, err)
	if start < 0 {
		l.Push(lua.LNil)
		return 1
	}
	if !places {
		return m.pushCaptures(l, p, src, start, end)
	}
	l.Push(lua.LNumber(start + 1))
	l.Push(lua.LNumber(end))
	if p.captures == 0 {
		return 2
	}
	return 2 + m.pushCaptures(l, p, src, start, end)
}

func findPlain(l *lua.LState, src, text string, from int) int {
	at := strings.Index(src[from:], text)
	if at < 0 {
		l.Push(lua.LNil)
		return 1
	}
	l.Push(lua.LNumber(from + at + 1))
	l.Push(lua.LNumber(from + at + len(text)))
	return 2
}

// hasMagic reports whether a text has to be read as a pattern. As in Lua 5.1, a
// zero byte hides what is behind it.
func hasMagic(text string) bool {
	at := strings.IndexAny(text, "^$*+?.([%-\x00")
	return at >= 0 && text[at] != 0
}

// gmatch returns an iterator. As in Lua 5.1, ^ means nothing special to it.
func (m *matcher) gmatch(l *lua.LState) int {
	src, text := l.CheckString(1), l.CheckString(2)
	if strings.HasPrefix(text, "^") {
		text = "%" + text
	}
	p := m.patternOf(l, text)
	pos := 0
	l.Push(l.NewFunction(func(l *lua.LState) int {
		m.begin(src)
		start, end, err := m.find(p, src, pos)
		raise(l, "string.gmatch", err)
		if start < 0 {
			pos = len(src) + 1
			return 0
		}
		if pos = end; end == start {
			pos++
		}
		return m.pushCaptures(l, p, src, start, end)
	}))
	return 1
}

// pushCaptures pushes all captures, or the whole match where there are none.
func (m *matcher) pushCaptures(l *lua.LState, p *pattern, src string, start, end int) int {
	n := max(p.captures, 1)
	for k := range n {
		l.Push(m.capture(l, p, k, src, start, end))
	}
	return n
}

// capture returns capture k; capture 0 is the whole match where the pattern has
// none.
func (m *matcher) capture(l *lua.LState, p *pattern, k int, src string, start, end int) lua.LValue {
	switch {
	case k >= p.captures:
		if k != 0 {
			l.RaiseError("invalid capture index")
		}
		return lua.LString(src[start:end])
	case p.unclosed&(1<<k) != 0:
		l.RaiseError("unfinished capture")
	case p.positions&(1<<k) != 0:
		return lua.LNumber(m.starts[k] + 1)
	}
	return lua.LString(src[m.starts[k]:m.ends[k]])
}

// optInt returns a whole argument, cut as C cuts it.
func optInt(l *lua.LState, n, fallback int) int {
	if l.Get(n) == lua.LNil {
		return fallback
	}
	return cutInt(float64(l.CheckNumber(n)))
}

// cutInt cuts a number's fraction. What is too large for any text is as good as
// the largest text.
func cutInt(v float64) int {
	if math.IsNaN(v) {
		return math.MinInt32
	}
	return int(max(math.MinInt32, min(v, math.MaxInt32)))
}

// startOf makes of a place that counts from 1, or from the end where it is
// negative, one that counts from 0 and is inside the text or just behind it.
func startOf(place, size int) int {
	if place < 0 {
		place += size + 1
	}
	return max(0, min(place-1, size))
}
