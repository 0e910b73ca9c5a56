package mapping

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// collectLiterals gathers every text that stands in the script.
func collectLiterals(proto *lua.FunctionProto, into map[string]struct{}) {
	for _, constant := range proto.Constants {
		if text, ok := constant.(lua.LString); ok {
			into[string(text)] = struct{}{}
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		collectLiterals(inner, into)
	}
}

// lint refuses what a script gets wrong most often and what would let it carry
// something from one record to the next: a global that a function assigns, and
// a global that nobody defines. The check reads the byte code, so it sees every
// branch, costs nothing while records are mapped and cannot be evaded: a
// script has no other way to its globals.
func lint(name string, proto *lua.FunctionProto, known map[string]struct{}) error {
	for _, use := range globalUses(proto) {
		if use.writes {
			if _, ok := known[use.name]; ok {
				return &ScriptError{
					File: name, Line: use.line, Message: fmt.Sprintf("%q is part of the library and cannot be replaced", use.name),
					Hint: "choose another name, or write `local " + use.name + "`",
				}
			}
		}
	}
	for _, use := range globalUses(proto) {
		if use.writes {
			known[use.name] = struct{}{}
		}
	}
	return lintUses(name, proto, known, true)
}

func lintUses(name string, proto *lua.FunctionProto, known map[string]struct{}, top bool) error {
	for _, use := range globalUses(proto) {
		_, ok := known[use.name]
		switch {
		case use.writes && !top:
			return &ScriptError{
				File: name, Line: use.line, Message: fmt.Sprintf("assignment to the global %q inside a function", use.name),
				Hint: "write `local " + use.name + " = ...`: a script keeps nothing from one record to the next",
			}
		case !use.writes && !ok:
			return &ScriptError{
				File: name, Line: use.line, Message: fmt.Sprintf("unknown name %q", use.name),
				Hint: "a field of the record is `record." + use.name + "`; a text is written in quotes; files, clock and network are out of reach",
			}
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		if err := lintUses(name, inner, known, false); err != nil {
			return err
		}
	}
	return nil
}

// globalUse is one place at which a function reads or writes a global.
type globalUse struct {
	name   string
	line   int
	writes bool
}

// globalUses decodes the instructions of one function. The layout is that of
// the engine's byte code: six bits of operation, and for these two the index of
// the constant in the low 18 bits.
func globalUses(proto *lua.FunctionProto) []globalUse {
	const opShift, constantMask = 26, 1<<18 - 1
	var uses []globalUse
	for i, instruction := range proto.Code {
		op := int(instruction >> opShift)
		if op != lua.OP_GETGLOBAL && op != lua.OP_SETGLOBAL {
			continue
		}
		constant := int(instruction & constantMask)
		if constant >= len(proto.Constants) {
			continue
		}
		if name, ok := proto.Constants[constant].(lua.LString); ok {
			uses = append(uses, globalUse{string(name), proto.DbgSourcePositions[i], op == lua.OP_SETGLOBAL})
		}
	}
	return uses
}
