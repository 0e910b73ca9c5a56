package mapping

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// builtFields is the name of the global function that takes the place of a
// table. No script can write it.
const builtFields = "\x00fields"

// maxBuiltFields keeps a call's arguments well within the engine's registers.
const maxBuiltFields = 100

// returned is one `return { name = value, ... }` of map, whose names stand in
// the script.
type returned struct {
	// fields are sorted by name.
	fields []returnedField
}

// returnedField is a field's slot, the place of its value among the arguments of
// the call, and the line of its name.
type returnedField struct {
	slot           *slot
	argument, line int
}

// shortened returns the script with calls in the place of the tables that map
// returns, which hand over the values: `return { a = x, b = y }` becomes
// `return \0fields(0, x, y)`. To build a table, walk it and sort its keys is a
// third of what a record costs, and here all names are known beforehand.
//
// That is the same for a script only as long as Lua code never sees what map
// returns. So a script stays as it is where it reads the global map, which a
// module cannot, or declares a local of that name. proto is the script as it was
// compiled.
func (e *engine) shortened(script Script, proto *lua.FunctionProto) *lua.FunctionProto {
	if readsGlobal(proto, "map") {
		return proto
	}
	chunk, err := parse.Parse(bytes.NewReader(script.Source), script.Name)
	if err != nil {
		return proto
	}
	for _, stmt := range chunk {
		if local, ok := stmt.(*ast.LocalAssignStmt); ok && slices.Contains(local.Names, "map") {
			return proto
		}
	}
	for _, stmt := range chunk {
		def, ok := stmt.(*ast.FuncDefStmt)
		if !ok || def.Name.Receiver != nil {
			continue
		}
		if name, ok := def.Name.Func.(*ast.IdentExpr); ok && name.Value == "map" {
			e.shortenBlock(def.Func.Stmts)
		}
	}
	short, err := lua.Compile(chunk, script.Name)
	if err != nil || len(e.returned) == 0 {
		return proto
	}
	e.built = e.lua.NewUserData()
	e.lua.SetGlobal(builtFields, e.lua.NewFunction(e.takeFields))
	return short
}

func readsGlobal(proto *lua.FunctionProto, name string) bool {
	reads := func(use globalUse) bool { return use.name == name && !use.writes }
	return slices.ContainsFunc(globalUses(proto), reads) ||
		slices.ContainsFunc(proto.FunctionPrototypes, func(inner *lua.FunctionProto) bool { return readsGlobal(inner, name) })
}

// shortenBlock goes through the blocks of map itself, not through functions
// within it: what those return is seen by Lua code.
func (e *engine) shortenBlock(stmts []ast.Stmt) {
	for _, stmt := range stmts {
		switch s := stmt.(type) {
		case *ast.ReturnStmt:
			e.shortenReturn(s)
		case *ast.IfStmt:
			e.shortenBlock(s.Then)
			e.shortenBlock(s.Else)
		case *ast.DoBlockStmt:
			e.shortenBlock(s.Stmts)
		case *ast.WhileStmt:
			e.shortenBlock(s.Stmts)
		case *ast.RepeatStmt:
			e.shortenBlock(s.Stmts)
		case *ast.NumberForStmt:
			e.shortenBlock(s.Stmts)
		case *ast.GenericForStmt:
			e.shortenBlock(s.Stmts)
		}
	}
}

func (e *engine) shortenReturn(stmt *ast.ReturnStmt) {
	if len(stmt.Exprs) != 1 {
		return
	}
	table, ok := stmt.Exprs[0].(*ast.TableExpr)
	if !ok || len(table.Fields) == 0 || len(table.Fields) > maxBuiltFields {
		return
	}
	call := &ast.FuncCallExpr{Func: &ast.IdentExpr{Value: builtFields}}
	site := &ast.NumberExpr{Value: strconv.Itoa(len(e.returned))}
	call.Args = append(call.Args, site)
	var r returned
	for i, f := range table.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if !ok {
			return // What single has done to the values before is no change within a table.
		}
		slot := e.result.slots.find(key.Value)
		if slot == nil || slices.ContainsFunc(r.fields, func(f returnedField) bool { return f.slot == slot }) {
			return
		}
		r.fields = append(r.fields, returnedField{slot: slot, argument: i + 2, line: key.Line()})
		call.Args = append(call.Args, single(f.Value))
	}
	for _, f := range r.fields {
		f.slot.fixed = true
	}
	slices.SortFunc(r.fields, func(a, b returnedField) int { return strings.Compare(a.slot.name, b.slot.name) })
	for _, node := range []ast.PositionHolder{call, call.Func, site} {
		node.SetLine(table.Line())
		node.SetLastLine(table.LastLine())
	}
	e.returned = append(e.returned, r)
	stmt.Exprs[0] = call
}

// single makes an expression one value also as the last argument of a call, as
// it is in a table under a name.
func single(x ast.Expr) ast.Expr {
	switch x := x.(type) {
	case *ast.FuncCallExpr:
		x.AdjustRet = true
	case *ast.Comma3Expr:
		x.AdjustRet = true
	}
	return x
}

// takeFields is what the script calls in the place of building a table. The
// record at hand then has its fields, and callMap knows that by what is returned.
func (e *engine) takeFields(l *lua.LState) int {
	site, _ := l.Get(1).(lua.LNumber)
	r := &e.result
	r.record, r.built = r.record[:0], e.returned[int(site)].fields
	for _, f := range r.built {
		if v := l.Get(f.argument); v != lua.LNil {
			r.record = append(r.record, field{f.slot, v})
		}
	}
	l.Push(e.built)
	return 1
}
