package mapping

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxExact bounds the integers that a Lua number holds without loss.
const maxExact = 1 << 53

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are no UTF-8 become the
// replacement character.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[start:i]...), "\uFFFD"...)
			start = i + 1
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendNumber appends a number that JSON can hold exactly, or returns false.
func appendNumber(b []byte, v float64) ([]byte, bool) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > maxExact:
		return b, false
	case v == math.Trunc(v):
		return strconv.AppendInt(b, int64(v), 10), true
	case math.Abs(v) < 1e-6:
		return strconv.AppendFloat(b, v, 'e', -1, 64), true
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64), true
}

// appendRecord appends a source record as a JSON object: its id, its club's id
// in the source system where it has one, and the fields that it has.
func appendRecord(b []byte, columns []string, row sdk.Row) []byte {
	b = appendString(append(b, `{"id":`...), row.ID())
	if club := row.Club(); club != "" {
		b = appendString(append(b, `,"club":`...), club)
	}
	b = append(b, `,"fields":{`...)
	first := true
	for i, column := range columns {
		cell := row.Cell(i)
		if cell.Kind() == sdk.CellAbsent {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendCell(append(appendString(b, column), ':'), cell)
	}
	return append(b, "}}"...)
}

func appendCell(b []byte, cell sdk.Cell) []byte {
	value := cell.Bytes()
	switch cell.Kind() {
	case sdk.CellNull, sdk.CellAbsent:
		return append(b, "null"...)
	case sdk.CellBool:
		return strconv.AppendBool(b, value[0] == 1)
	case sdk.CellNumber, sdk.CellJSON:
		if json.Valid(value) {
			return append(b, value...)
		}
	case sdk.CellString:
	}
	return appendString(b, string(value))
}
