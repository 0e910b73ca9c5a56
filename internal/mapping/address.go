package mapping

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// addressParts splits an address at the signs that people put between its parts.
// What a part is (a street, a city, a postal code) is not guessed.
func addressParts(s string) []string {
	var parts []string
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ';' || r == '\n' || r == '\r' }) {
		if part = collapse(part); part != "" && len(parts) < maxParts {
			parts = append(parts, part)
		}
	}
	return parts
}

func partOfAddress(_ *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	n, ok := wholeArgument(args, 1)
	if !ok || n == 0 {
		return badArgument(1, "whole number that is not 0")
	}
	parts := addressParts(text)
	if n < 0 {
		n += len(parts) + 1
	}
	if n < 1 || n > len(parts) {
		return value{}
	}
	return textValue(parts[n-1])
}

func partsOfAddress(e *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	parts := addressParts(text)
	if len(parts) == 0 {
		return value{}
	}
	table := e.lua.NewTable()
	for _, part := range parts {
		table.Append(lua.LString(part))
	}
	return value{kind: kindLua, lua: table}
}
