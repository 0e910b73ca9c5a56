package mapping

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxJSONDepth bounds how deep a field's JSON nests.
const maxJSONDepth = 64

// openRecord makes the two arguments of map. The record is one userdata for all
// records: it reads the cells of the row at hand, so a script pays only for the
// fields that it reads and keeps no record.
func (e *engine) openRecord() {
	l := e.lua
	record := l.NewUserData()
	l.SetMetatable(record, e.readOnly("the record is read-only", l.NewFunction(func(l *lua.LState) int {
		name, ok := l.Get(2).(lua.LString)
		if !ok {
			l.Push(lua.LNil)
			return 1
		}
		l.Push(e.fieldOf(string(name)))
		return 1
	})))
	e.record = record

	fields := e.textTable(map[string]string{
		"account": e.context.Account, "job": e.context.Job,
		"country": e.context.Country, "timezone": e.context.Timezone,
	})
	clubs := l.NewTable()
	for _, id := range slices.Sorted(maps.Keys(e.context.Clubs)) {
		c := e.context.Clubs[id]
		clubs.RawSetString(c.Key, e.frozen(e.textTable(map[string]string{
			"key": c.Key, "name": c.Name, "country": c.Country, "timezone": c.Timezone, "id": id,
		})))
	}
	fields.RawSetString("clubs", e.frozen(clubs))
	e.contextFields, e.contextArg = fields, e.frozen(fields)
}

func (e *engine) textTable(values map[string]string) *lua.LTable {
	t := e.lua.NewTable()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" {
			t.RawSetString(name, lua.LString(values[name]))
		}
	}
	return t
}

// frozen returns a view of a table that cannot be written.
func (e *engine) frozen(t *lua.LTable) lua.LValue {
	view := e.lua.NewUserData()
	e.lua.SetMetatable(view, e.readOnly("the context is read-only", t))
	return view
}

// fieldOf returns a field of the row at hand. A column wins over the names that
// every record has: id, and club, the account's key of the club.
func (e *engine) fieldOf(name string) lua.LValue {
	if column, ok := e.index[name]; ok {
		return e.value(e.row.Cell(column))
	}
	switch name {
	case "id":
		return lua.LString(e.row.ID())
	case "club":
		if e.club.Key != "" {
			return lua.LString(e.club.Key)
		}
	default:
		e.missed(name)
	}
	return lua.LNil
}

// value converts a cell. Numbers stay text: a Lua number would lose digits of
// ids and amounts.
func (e *engine) value(cell sdk.Cell) lua.LValue {
	switch cell.Kind() {
	case sdk.CellString, sdk.CellNumber:
		return lua.LString(cell.Bytes())
	case sdk.CellBool:
		return lua.LBool(cell.Bytes()[0] == 1)
	case sdk.CellNull:
		return e.null
	case sdk.CellJSON:
		return e.parseJSON(cell.Bytes())
	case sdk.CellAbsent:
	}
	return lua.LNil
}

// parseJSON makes tables of an object or an array. JSON that cannot be read is
// the text itself.
func (e *engine) parseJSON(raw []byte) lua.LValue {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return lua.LString(raw)
	}
	return e.fromJSON(v, 0)
}

func (e *engine) fromJSON(v any, depth int) lua.LValue {
	if depth > maxJSONDepth {
		return lua.LNil
	}
	switch v := v.(type) {
	case string:
		return lua.LString(v)
	case json.Number:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case []any:
		t := e.lua.CreateTable(len(v), 0)
		for _, element := range v {
			t.Append(e.fromJSON(element, depth+1))
		}
		return t
	case map[string]any:
		t := e.lua.CreateTable(0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			t.RawSetString(name, e.fromJSON(v[name], depth+1))
		}
		return t
	}
	return e.null
}

// pairsOfRecord walks the fields that the row has, in the page's order.
func (e *engine) pairsOfRecord(l *lua.LState) int {
	column := 0
	l.Push(l.NewFunction(func(l *lua.LState) int {
		for column < len(e.columns) {
			i := column
			column++
			if v := e.value(e.row.Cell(i)); v != lua.LNil {
				l.Push(lua.LString(e.columns[i]))
				l.Push(v)
				return 2
			}
		}
		l.Push(lua.LNil)
		return 1
	}))
	return 1
}
