package mapping

import (
	"context"
	"errors"

	lua "github.com/yuin/gopher-lua"
)

var errNoModule = errors.New("it was not read with the script")

// module is one file that a script requires.
type module struct {
	path, name string
	// value is what the module returned, closed to assignments.
	value lua.LValue
}

// loadModules compiles and runs the modules of a script, each behind what it
// requires, so that nothing is loaded while records are mapped.
func (e *engine) loadModules(ctx context.Context, script Script) error {
	r := resolver{dir: script.Dir, modules: map[string][]byte{}, fetch: func(path string) ([]byte, error) {
		source, ok := script.Modules[path]
		if !ok {
			return nil, errNoModule
		}
		return source, nil
	}}
	if err := r.resolve(script.Name, script.Source); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, loadDeadline)
	defer cancel()
	e.lua.SetContext(ctx)
	defer e.lua.RemoveContext()
	e.building = true
	defer func() { e.building = false }()
	for _, path := range r.order {
		m := &module{path: path, name: script.moduleName(path)}
		proto, err := compile(Script{Name: m.name, Source: script.Modules[path]})
		if err != nil {
			return err
		}
		collectLiterals(proto, e.literals)
		if err := lintModule(m.name, proto, e.globals()); err != nil {
			return err
		}
		e.modules = append(e.modules, m)
		if err := e.runModule(ctx, m, proto); err != nil {
			return err
		}
	}
	return nil
}

// lintModule refuses what lint refuses, and any global: a module offers what
// it returns and nothing else.
func lintModule(name string, proto *lua.FunctionProto, known map[string]struct{}) error {
	for _, use := range globalUses(proto) {
		if use.writes {
			return &ScriptError{
				File: name, Line: use.line, Message: "assignment to the global \"" + use.name + "\" in a module",
				Hint: "write `local " + use.name + " = ...`, and end the module with a table of what it offers",
			}
		}
	}
	return lintUses(name, proto, known, false)
}

// runModule runs a module and keeps the table that it returns. Nothing can be
// assigned to that: functions could tell each other something about a record
// through it.
func (e *engine) runModule(ctx context.Context, m *module, proto *lua.FunctionProto) error {
	e.lua.Push(e.lua.NewFunctionFromProto(proto))
	if err := e.lua.PCall(0, 1, nil); err != nil {
		if ctx.Err() != nil {
			return &ScriptError{
				File: m.name, Message: "the module did not finish loading within " + loadDeadline.String(),
				Hint: "only declare functions and tables in a module",
			}
		}
		file, line, text := e.locate(err)
		return &ScriptError{
			File: file, Line: line, Message: text,
			Hint: "this happened while the module was loaded, before any record was mapped",
		}
	}
	table, ok := e.lua.Get(-1).(*lua.LTable)
	e.lua.Pop(1)
	if !ok {
		return &ScriptError{
			File: m.name, Message: "the module returns no table",
			Hint: "end it with `return { name = name }`, a table of the functions and values that it offers",
		}
	}
	view := e.lua.NewUserData()
	e.lua.SetMetatable(view, e.readOnly("the module is read-only", table))
	m.value = view
	return nil
}

// openRequire lets scripts reach their modules by name.
func (e *engine) openRequire() {
	e.lua.SetGlobal("require", e.lua.NewFunction(func(l *lua.LState) int {
		path, _ := modulePath(l.CheckString(1))
		for _, m := range e.modules {
			if m.path == path && m.value != nil {
				l.Push(m.value)
				return 1
			}
		}
		l.RaiseError("require takes the name of a module in quotes and nothing else")
		return 0
	}))
}
