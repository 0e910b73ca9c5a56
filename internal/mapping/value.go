package mapping

import (
	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// valueKind is the type of a [value].
type valueKind byte

const (
	// kindNone is nothing: Lua's nil.
	kindNone valueKind = iota
	// kindNull is empty by intent.
	kindNull
	kindText
	kindNumber
	kindBool
	// kindLua is a table or another value that only Lua code looks into.
	kindLua
	// kindRuling is what skip and reject decided; the record is over.
	kindRuling
	// kindFault is an error; text says what is wrong.
	kindFault
)

// value is what the functions of the library take and return, in plans and in
// Lua code alike. It exists beside Lua's own values because a text in those
// costs an allocation each time it is passed on.
type value struct {
	kind   valueKind
	text   string
	number float64
	yes    bool
	lua    lua.LValue
}

func textValue(s string) value {
	if s == "" {
		return value{}
	}
	return value{kind: kindText, text: s}
}

func boolValue(yes bool) value { return value{kind: kindBool, yes: yes} }

func numberValue(n float64) value { return value{kind: kindNumber, number: n} }

func faultValue(text string) value { return value{kind: kindFault, text: text} }

// ends reports whether the record ends with this value.
func (v value) ends() bool { return v.kind == kindRuling || v.kind == kindFault }

// isNone reports whether there is nothing: nil or null.
func (v value) isNone() bool { return v.kind == kindNone || v.kind == kindNull }

// isTrue is Lua's condition: everything but nil and false.
func (v value) isTrue() bool {
	return v.kind != kindNone && (v.kind != kindBool || v.yes)
}

// asText returns a value as text, where nil and null are empty; ok is false
// for what has no text.
func (v value) asText() (text string, ok bool) {
	switch v.kind {
	case kindNone, kindNull:
		return "", true
	case kindText:
		return v.text, true
	case kindNumber:
		return lua.LNumber(v.number).String(), true
	default:
		return "", false
	}
}

// asNumber returns a number, or text that is one.
func (v value) asNumber() (number float64, ok bool) {
	switch v.kind {
	case kindNumber:
		return v.number, true
	case kindText:
		return decimal(v.text)
	default:
		return 0, false
	}
}

// valueOf converts a value of Lua.
func (e *engine) valueOf(v lua.LValue) value {
	switch v := v.(type) {
	case lua.LString:
		return value{kind: kindText, text: string(v)}
	case lua.LNumber:
		return numberValue(float64(v))
	case lua.LBool:
		return boolValue(bool(v))
	case *lua.LNilType:
		return value{}
	case *lua.LUserData:
		if v == e.null {
			return value{kind: kindNull}
		}
	}
	return value{kind: kindLua, lua: v}
}

// toLua converts a value to one of Lua.
func (e *engine) toLua(v value) lua.LValue {
	switch v.kind {
	case kindText:
		return lua.LString(v.text)
	case kindNumber:
		return lua.LNumber(v.number)
	case kindBool:
		return lua.LBool(v.yes)
	case kindNull:
		return e.null
	case kindLua:
		return v.lua
	default:
		return lua.LNil
	}
}

// cellValue converts a cell as [engine.value] does.
func (e *engine) cellValue(cell sdk.Cell) value {
	switch cell.Kind() {
	case sdk.CellString, sdk.CellNumber:
		return value{kind: kindText, text: string(cell.Bytes())}
	case sdk.CellBool:
		return boolValue(cell.Bytes()[0] == 1)
	case sdk.CellNull:
		return value{kind: kindNull}
	case sdk.CellJSON:
		return e.valueOf(e.parseJSON(cell.Bytes()))
	case sdk.CellAbsent:
	}
	return value{}
}
