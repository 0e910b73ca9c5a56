package roster

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Payload returns a source record as a JSON object, as the quarantine keeps it:
// its id, its club's id in the source system where it has one, and the fields
// that it has, in the order of the columns. [PayloadPage] reads it back.
func Payload(columns []string, row sdk.Row) []byte {
	size := 64
	for i, column := range columns {
		size += len(column) + len(row.Cell(i)) + 4
	}
	return AppendPayload(make([]byte, 0, size), columns, row)
}

// AppendPayload appends what [Payload] returns.
func AppendPayload(b []byte, columns []string, row sdk.Row) []byte {
	b = AppendText(append(b, `{"id":`...), row.ID())
	if club := row.ClubCell().Bytes(); len(club) > 0 {
		b = AppendText(append(b, `,"club":`...), club)
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
		b = appendCell(append(AppendText(b, column), ':'), cell)
	}
	return append(b, "}}"...)
}

// appendCell appends a value. A number or JSON that cannot stand in JSON is kept
// as text.
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
	return AppendText(b, value)
}

const hexDigits = "0123456789abcdef"

// AppendText appends a text as a JSON string. Bytes that are no UTF-8 become the
// replacement character.
func AppendText[T string | []byte](b []byte, s T) []byte {
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
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
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
