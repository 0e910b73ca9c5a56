package mapping

import (
	lua "github.com/yuin/gopher-lua"
)

// gsub replaces matches by a text, by what a table has, or by what a function
// returns.
func (m *matcher) gsub(l *lua.LState) int {
	src, text, with := l.CheckString(1), l.CheckString(2), l.Get(3)
	limit := optInt(l, 4, len(src)+1)
	switch with.Type() {
	case lua.LTNumber, lua.LTString, lua.LTTable, lua.LTFunction:
	default:
		l.ArgError(3, "string/function/table expected")
	}
	p := m.patternOf(l, text)
	m.begin(src)
	// A function may call gsub itself: it must not find this call's buffer, nor
	// spend its steps.
	s := substitution{m: m, l: l, p: p, src: src, with: with, out: m.buffer[:0], left: m.left}
	m.buffer = nil
	count := s.replaceAll(limit)
	m.buffer = s.out[:0]
	if count == 0 {
		l.Push(lua.LString(src))
	} else {
		s.append(src[s.copied:])
		m.buffer = s.out[:0]
		l.Push(lua.LString(s.out))
	}
	l.Push(lua.LNumber(count))
	return 2
}

// substitution is one call of gsub.
type substitution struct {
	m    *matcher
	l    *lua.LState
	p    *pattern
	src  string
	with lua.LValue
	out  []byte
	// copied is how much of the text stands in out already.
	copied int
	// left are the call's steps.
	left int
}

func (s *substitution) replaceAll(limit int) int {
	count := 0
	for pos := 0; count < limit && pos <= len(s.src); {
		s.m.left = s.left
		start, end, err := s.m.find(s.p, s.src, pos)
		s.left = s.m.left
		raise(s.l, "string.gsub", err)
		if start < 0 {
			break
		}
		count++
		s.append(s.src[s.copied:start])
		s.replace(start, end)
		s.copied = end
		if pos = end; end == start {
			pos++
		}
		if s.p.anchored {
			break
		}
	}
	return count
}

// append adds to the result, which has a limit as every text.
func (s *substitution) append(text string) {
	if len(s.out)+len(text) > max(maxTextBytes, len(s.src)) {
		s.l.RaiseError("the text would be longer than 1 MiB")
	}
	s.out = append(s.out, text...)
}

// replace adds what a match becomes; false and nil leave it as it is.
func (s *substitution) replace(start, end int) {
	l := s.l
	var value lua.LValue
	switch with := s.with.(type) {
	case *lua.LTable:
		value = l.GetTable(with, s.m.capture(l, s.p, 0, s.src, start, end))
	case *lua.LFunction:
		l.Push(with)
		l.Call(s.m.pushCaptures(l, s.p, s.src, start, end), 1)
		value = l.Get(-1)
		l.Pop(1)
	default:
		s.expand(lua.LVAsString(with), start, end)
		return
	}
	switch {
	case lua.LVIsFalse(value):
		s.append(s.src[start:end])
	case lua.LVCanConvToString(value):
		s.append(lua.LVAsString(value))
	default:
		l.RaiseError("invalid replacement value (a %s)", value.Type().String())
	}
}

// expand adds a text, in which %1 to %9 are captures and %0 is the match.
func (s *substitution) expand(with string, start, end int) {
	for i := 0; i < len(with); i++ {
		if with[i] != '%' {
			s.appendByte(with[i])
			continue
		}
		i++
		switch c := byteAt(with, i); {
		case c == '0':
			s.append(s.src[start:end])
		case c >= '1' && c <= '9':
			s.append(lua.LVAsString(s.m.capture(s.l, s.p, int(c-'1'), s.src, start, end)))
		default:
			s.appendByte(c)
		}
	}
}

func (s *substitution) appendByte(c byte) {
	if len(s.out) >= maxTextBytes {
		s.append(string(c))
		return
	}
	s.out = append(s.out, c)
}
