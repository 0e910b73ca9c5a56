package mapping

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// listFunctions look into lists and tables, which come from JSON or from
// lists.split. A value that is no list counts as a list of one, because some
// systems leave the brackets out where there is only one.
func listFunctions() []function {
	return []function{
		{"lists", "split", "split", "s, sep", "list", "the parts of a text that are not blank, trimmed", splitList},
		{"lists", "join", "join", "l, sep", "text", "the elements that are not blank, with sep between them", joinList},
		{"lists", "first", "head", "l", "value", "the first element that is not blank", firstOfList},
		{"lists", "count", "count", "l", "number", "how many elements are not blank", func(_ *engine, args []value) value {
			n := 0
			eachElement(argument(args, 0), func(lua.LValue) bool { n++; return true })
			return numberValue(float64(n))
		}},
		{"lists", "contains", "contains", "l, wanted", "bool", "whether one of the elements is that text; case and accents do not count", listContains},
		{"lists", "pick", "pick", "l, key, wanted, [field]", "value", "of the first table whose key is wanted, the field \"value\" or the one named", pickFromList},
		{"", "get", "get", "l, ...", "value", "the field of a table by its name, and so on into nested ones", getField},
	}
}

// maxParts bounds what a text is split into.
const maxParts = 1000

func splitList(e *engine, args []value) value {
	if list := argument(args, 0); list.kind == kindLua {
		return list
	}
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	sep, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	if sep == "" {
		text, sep = collapse(text), " "
	}
	if strings.Count(text, sep) >= maxParts {
		return badArgument(0, "text of at most 1000 parts")
	}
	table := e.lua.NewTable()
	for part := range strings.SplitSeq(text, sep) {
		if part = trim(part); part != "" {
			table.Append(lua.LString(part))
		}
	}
	if table.Len() == 0 {
		return value{}
	}
	return value{kind: kindLua, lua: table}
}

// eachElement visits the elements that are something, until visit says no. A
// table with names and no places is one element, and so is what is no table.
func eachElement(v value, visit func(lua.LValue) bool) {
	switch v.kind {
	case kindText, kindNumber:
		if text, _ := v.asText(); trim(text) != "" {
			visit(lua.LString(text))
		}
	case kindBool:
		visit(lua.LBool(v.yes))
	case kindLua:
		table, ok := v.lua.(*lua.LTable)
		if !ok {
			return
		}
		n := table.Len()
		if n == 0 {
			if k, _ := table.Next(lua.LNil); k != lua.LNil {
				visit(table)
			}
			return
		}
		for i := 1; i <= n; i++ {
			element := table.RawGetInt(i)
			if !isBlankElement(element) && !visit(element) {
				return
			}
		}
	default:
	}
}

// isBlankElement reports whether an element is passed over: nil, null or a
// blank text.
func isBlankElement(v lua.LValue) bool {
	switch v := v.(type) {
	case lua.LString:
		return trim(string(v)) == ""
	case *lua.LNilType, *lua.LUserData:
		return true
	}
	return false
}

// elementText is an element as text; tables and functions have none.
func elementText(v lua.LValue) (string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return trim(string(v)), true
	case lua.LNumber:
		return v.String(), true
	}
	return "", false
}

func joinList(_ *engine, args []value) value {
	sep, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	var b strings.Builder
	eachElement(argument(args, 0), func(element lua.LValue) bool {
		text, isText := elementText(element)
		if ok = isText && b.Len()+len(sep)+len(text) <= maxTextBytes; !ok {
			return false
		}
		if b.Len() > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
		return true
	})
	if !ok {
		return badArgument(0, "list of texts that fit into 1 MiB")
	}
	return textValue(b.String())
}

func firstOfList(e *engine, args []value) value {
	found := value{}
	eachElement(argument(args, 0), func(element lua.LValue) bool {
		found = e.valueOf(element)
		return false
	})
	return found
}

func listContains(_ *engine, args []value) value {
	wanted, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	wanted = fold(wanted)
	found := false
	eachElement(argument(args, 0), func(element lua.LValue) bool {
		text, isText := elementText(element)
		found = isText && fold(text) == wanted
		return !found
	})
	return boolValue(found)
}

// pickFromList finds a custom field by its label in [{label = "Locker", value =
// "12"}, ...].
func pickFromList(e *engine, args []value) value {
	key, okKey := argument(args, 1).asText()
	wanted, okWanted := argument(args, 2).asText()
	field, okField := argument(args, 3).asText()
	switch {
	case !okKey:
		return badArgument(1, "text")
	case !okWanted:
		return badArgument(2, "text")
	case !okField:
		return badArgument(3, "text")
	}
	if field == "" {
		field = "value"
	}
	wanted = fold(wanted)
	found := value{}
	eachElement(argument(args, 0), func(element lua.LValue) bool {
		table, ok := element.(*lua.LTable)
		if !ok {
			return true
		}
		text, ok := elementText(table.RawGetString(key))
		if !ok || fold(text) != wanted {
			return true
		}
		found = e.valueOf(table.RawGetString(field))
		return false
	})
	return found
}

// getField goes into nested tables. A name that is a number is a place in a
// list.
func getField(e *engine, args []value) value {
	v := argument(args, 0)
	for i := 1; i < len(args); i++ {
		name, ok := args[i].asText()
		if !ok {
			return badArgument(i, "text")
		}
		table, ok := v.lua.(*lua.LTable)
		if v.kind != kindLua || !ok {
			return value{}
		}
		element := table.RawGetString(name)
		if n, ok := wholeArgument(args, i); ok && element == lua.LNil {
			element = table.RawGetInt(n)
		}
		v = e.valueOf(element)
	}
	return v
}
