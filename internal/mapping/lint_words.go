package mapping

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// mention is one name in a script's source, outside of texts and comments.
type mention struct {
	text         string
	line, column int
	// before is the character that leads it, white space left out.
	before byte
	used   bool
}

// words finds names in a source: the engine's syntax tree knows lines, a
// reader wants columns.
type words struct {
	source []byte
	list   []mention
}

func newWords(source []byte) *words {
	w := &words{source: source}
	s := scanner{src: source, line: 1}
	before := byte(0)
	// counted is how far columns are counted.
	counted, column := 0, 1
	for {
		text, ok := s.next()
		if !ok {
			return w
		}
		at := s.pos - len(text)
		if start := bytes.LastIndexByte(source[counted:at], '\n') + 1; start > 0 {
			counted, column = counted+start, 1
		}
		column += utf8.RuneCount(source[counted:at])
		counted = at
		if isWord(text[0]) {
			w.list = append(w.list, mention{text: text, line: s.line, column: column, before: before})
		}
		if text == "." && before == '.' {
			// What stands behind the operator .. is no field.
			before = 0
		} else {
			before = text[len(text)-1]
		}
		for s.pos < len(source) && (source[s.pos] == ' ' || source[s.pos] == '\t' || source[s.pos] == '\r') {
			s.pos++
		}
	}
}

// take returns the place of the next mention of a name, from a line on, that
// was not taken yet and is led by one of the characters; none stands for a name
// that is no field and no method. What is no name is looked for in the line as
// it is written; where that fails, too, the column is zero.
func (w *words) take(text string, line int, led string) (int, int) {
	for i := range w.list {
		m := &w.list[i]
		isField := m.before == '.' || m.before == ':'
		if m.text != text || m.line < line || m.used || isField != (led != "") {
			continue
		}
		if led != "" && !slices.Contains([]byte(led), m.before) {
			continue
		}
		m.used = true
		return m.line, m.column
	}
	written := lineOf(w.source, line)
	isName := len(text) > 0 && !slices.ContainsFunc([]byte(text), func(c byte) bool { return !isWord(c) })
	if at := bytes.Index(written, []byte(text)); at >= 0 && !isName {
		return line, utf8.RuneCount(written[:at]) + 1
	}
	return line, 0
}

// lineOf returns a line of a source, counted from 1.
func lineOf(source []byte, number int) []byte {
	for text := range bytes.Lines(source) {
		if number--; number == 0 {
			return text
		}
	}
	return nil
}

// unclosed returns the innermost block or bracket that is open at the end.
func (w *words) unclosed() (string, int) {
	type opener struct {
		text string
		line int
	}
	var open []opener
	s := scanner{src: w.source, line: 1}
	for {
		text, ok := s.next()
		switch {
		case !ok && len(open) == 0:
			return "", 0
		case !ok:
			return open[len(open)-1].text, open[len(open)-1].line
		}
		switch text {
		case "(", "{", "[", "function", "if", "do", "repeat":
			open = append(open, opener{text, s.line})
		case ")", "}", "]", "end", "until":
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
}
