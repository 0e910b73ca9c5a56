package main

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Why a line is no JSON object (RFC 8259).
const (
	faultObject = "it is not a JSON object"
	faultSyntax = "it is not valid JSON"
	faultBehind = "something stands behind its object"
	faultDeep   = "its values are nested deeper than 64 levels"
	faultNUL    = "it holds a NUL character"
)

// maxDepth bounds the nesting of one value.
const maxDepth = 64

// object reads a whole line into values.
func (p *pager) object(b []byte, r *row) (fault string) {
	i := space(b, 0)
	if i == len(b) || b[i] != '{' {
		return faultObject
	}
	i = space(b, i+1)
	for guess, first := 0, true; i == len(b) || b[i] != '}'; first = false {
		if !first {
			if i == len(b) || b[i] != ',' {
				return faultSyntax
			}
			i = space(b, i+1)
		}
		var column int
		if i, column, fault = p.name(b, i, guess); fault != "" {
			return fault
		}
		p.note(r, p.columns[column])
		if i, fault = p.value(b, i, column); fault != "" {
			return fault
		}
		i = space(b, i)
		guess = column + 1
	}
	if space(b, i+1) != len(b) {
		return faultBehind
	}
	return ""
}

// note remembers which value is the row's id and which its club.
func (p *pager) note(r *row, name string) {
	if name == p.settings.ID {
		r.id = len(p.values)
	}
	if name == p.settings.Club {
		r.club = len(p.values)
	}
}

// name reads a key and the colon behind it, and returns its column.
func (p *pager) name(b []byte, i, guess int) (next, column int, fault string) {
	if i == len(b) || b[i] != '"' {
		return 0, 0, faultSyntax
	}
	end, escaped, fault := stringEnd(b, i)
	if fault != "" {
		return 0, 0, fault
	}
	key := b[i+1 : end]
	if escaped {
		p.key = unescape(p.key[:0], key)
		key = p.key
	}
	if len(key) == 0 {
		return 0, 0, faultEmptyKey
	}
	column = p.column(key, guess)
	if p.seen[column] == p.pos.line {
		return 0, 0, faultTwice
	}
	p.seen[column] = p.pos.line
	i = space(b, end+1)
	if i == len(b) || b[i] != ':' {
		return 0, 0, faultSyntax
	}
	return space(b, i+1), column, ""
}

// value reads the value at i.
func (p *pager) value(b []byte, i, column int) (next int, fault string) {
	if i == len(b) {
		return 0, faultSyntax
	}
	v := value{column: column, start: len(p.text)}
	if b[i] == '"' {
		end, escaped, fault := stringEnd(b, i)
		if fault != "" {
			return 0, fault
		}
		v.kind = sdk.CellString
		if escaped {
			p.text = unescape(p.text, b[i+1:end])
		} else {
			p.text = append(p.text, b[i+1:end]...)
		}
		v.end = len(p.text)
		p.values = append(p.values, v)
		return end + 1, ""
	}
	end, fault := skip(b, i, 1)
	if fault != "" {
		return 0, fault
	}
	switch b[i] {
	case '{', '[':
		v.kind = sdk.CellJSON
	case 't', 'f':
		v.kind = sdk.CellBool
	case 'n':
		v.kind = sdk.CellNull
	default:
		v.kind = sdk.CellNumber
	}
	p.text = append(p.text, b[i:end]...)
	v.end = len(p.text)
	p.values = append(p.values, v)
	return end, ""
}

// skip returns the end of the value at i.
func skip(b []byte, i, depth int) (end int, fault string) {
	if i == len(b) {
		return 0, faultSyntax
	}
	switch b[i] {
	case '"':
		end, _, fault = stringEnd(b, i)
		return end + 1, fault
	case '{', '[':
		if depth == maxDepth {
			return 0, faultDeep
		}
		return skipNested(b, i, depth)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	return number(b, i)
}

// skipNested returns the end of the object or array at i.
func skipNested(b []byte, i, depth int) (end int, fault string) {
	object, closing := b[i] == '{', b[i]+2
	i = space(b, i+1)
	if i < len(b) && b[i] == closing {
		return i + 1, ""
	}
	for {
		if object {
			if i == len(b) || b[i] != '"' {
				return 0, faultSyntax
			}
			end, _, fault := stringEnd(b, i)
			if fault != "" {
				return 0, fault
			}
			i = space(b, end+1)
			if i == len(b) || b[i] != ':' {
				return 0, faultSyntax
			}
			i = space(b, i+1)
		}
		if i, fault = skip(b, i, depth+1); fault != "" {
			return 0, fault
		}
		i = space(b, i)
		switch {
		case i == len(b):
			return 0, faultSyntax
		case b[i] == closing:
			return i + 1, ""
		case b[i] != ',':
			return 0, faultSyntax
		}
		i = space(b, i+1)
	}
}

func literal(b []byte, i int, word string) (end int, fault string) {
	end = i + len(word)
	if end > len(b) || string(b[i:end]) != word {
		return 0, faultSyntax
	}
	return end, ""
}

// number returns the end of the number at i.
func number(b []byte, i int) (end int, fault string) {
	i = sign(b, i, "-")
	whole, ok := digits(b, i)
	if !ok || b[i] == '0' && whole > i+1 {
		return 0, faultSyntax
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		if i, ok = digits(b, i+1); !ok {
			return 0, faultSyntax
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i, ok = digits(b, sign(b, i+1, "+-")); !ok {
			return 0, faultSyntax
		}
	}
	return i, ""
}

// sign passes over one of the signs.
func sign(b []byte, i int, signs string) int {
	if i < len(b) && strings.IndexByte(signs, b[i]) >= 0 {
		i++
	}
	return i
}

// digits returns the end of the digits at i, and whether there are some.
func digits(b []byte, i int) (end int, ok bool) {
	end = i
	for end < len(b) && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	return end, end > i
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// stringEnd returns the closing quote of the string that opens at i, and
// whether the string has escapes.
func stringEnd(b []byte, i int) (end int, escaped bool, fault string) {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i, escaped, ""
		case c < ' ':
			return 0, false, faultSyntax
		case c == '\\':
			escaped = true
			size, fault := escape(b[i:])
			if fault != "" {
				return 0, false, fault
			}
			i += size - 1
		}
	}
	return 0, false, faultSyntax
}

// escape returns the size of the escape that leads b.
func escape(b []byte) (size int, fault string) {
	if len(b) < 2 {
		return 0, faultSyntax
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
		switch unit, ok := hex4(b); {
		case !ok:
			return 0, faultSyntax
		case unit == 0:
			return 0, faultNUL
		}
		return 6, ""
	}
	return 0, faultSyntax
}

// hex4 reads the four digits behind \u.
func hex4(b []byte) (unit rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}

// unescape appends the text of a string whose escapes are valid. Half of a
// surrogate pair becomes U+FFFD, as in encoding/json.
func unescape(to, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			to = append(to, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case 'n':
			to = append(to, '\n')
		case 'r':
			to = append(to, '\r')
		case 't':
			to = append(to, '\t')
		case 'u':
			unit, _ := hex4(b[i-1:])
			i += 4
			if utf16.IsSurrogate(unit) {
				second, ok := hex4(b[i+1:])
				if pair := utf16.DecodeRune(unit, second); ok && pair != utf8.RuneError {
					unit = pair
					i += 6
				}
			}
			to = utf8.AppendRune(to, unit)
		default:
			to = append(to, b[i])
		}
	}
	return to
}
