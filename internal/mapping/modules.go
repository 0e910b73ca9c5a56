package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// maxModules bounds what one script requires, directly and through modules.
const maxModules = 64

// requireHint says how a module is named.
const requireHint = "write `require(\"lib.phones\")` for the file lib/phones.lua in scripts_dir"

// modulePath returns the file of a module below scripts_dir: "lib.phones" and
// "lib/phones" are lib/phones.lua.
func modulePath(name string) (string, bool) {
	for i := range len(name) {
		if c := name[i]; !isWord(c) && c != '.' && c != '/' && c != '-' {
			return "", false
		}
	}
	file := strings.ReplaceAll(name, ".", "/")
	return file + ".lua", fs.ValidPath(file) && file != "."
}

// use is one call of require.
type use struct {
	// path is the module's file below scripts_dir.
	name, path string
	line       int
}

// uses finds what a source requires. It has to name its modules literally: the
// process that runs it reads no files, so it is handed them beforehand.
func uses(file string, source []byte) ([]use, error) {
	chunk, err := parseScript(Script{Name: file, Source: source})
	if err != nil {
		return nil, err
	}
	f := useFinder{file: file, heads: map[*ast.IdentExpr]bool{}}
	walk(chunk, f.visit)
	if f.fault != nil {
		return nil, f.fault
	}
	slices.SortStableFunc(f.found, func(a, b use) int { return cmp.Compare(a.line, b.line) })
	return f.found, nil
}

// useFinder gathers the calls of require.
type useFinder struct {
	file  string
	found []use
	// fault is the first thing in the source that is refused.
	fault *ScriptError
	// heads are the names that are called; a call is visited before its name.
	heads map[*ast.IdentExpr]bool
}

func (f *useFinder) visit(node any) {
	switch node := node.(type) {
	case *ast.FuncCallExpr:
		if head, ok := node.Func.(*ast.IdentExpr); ok && head.Value == "require" {
			f.heads[head] = true
			f.call(node)
		}
	case *ast.IdentExpr:
		if node.Value == "require" && !f.heads[node] {
			f.refuse(node.Line(), "require can only be called")
		}
	}
}

func (f *useFinder) call(call *ast.FuncCallExpr) {
	name, ok := literalArgument(call)
	if !ok {
		f.refuse(call.Line(), "require takes the name of a module in quotes and nothing else")
		return
	}
	path, ok := modulePath(name)
	if !ok {
		f.refuse(call.Line(), fmt.Sprintf("%q is no name of a module", name))
		return
	}
	f.found = append(f.found, use{name: name, path: path, line: call.Line()})
}

func (f *useFinder) refuse(line int, message string) {
	if f.fault == nil || line < f.fault.Line {
		f.fault = &ScriptError{File: f.file, Line: line, Message: message, Hint: requireHint}
	}
}

func literalArgument(call *ast.FuncCallExpr) (string, bool) {
	if len(call.Args) != 1 {
		return "", false
	}
	text, ok := call.Args[0].(*ast.StringExpr)
	if !ok {
		return "", false
	}
	return text.Value, true
}

// walk visits every node of a parsed script, outer ones before those inside
// them. It keeps its own stack, because operators may nest as deep as a script
// is long.
func walk(chunk []ast.Stmt, visit func(node any)) {
	pending := []reflect.Value{reflect.ValueOf(chunk)}
	for len(pending) > 0 {
		v := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		switch v.Kind() {
		case reflect.Interface:
			pending = append(pending, v.Elem())
		case reflect.Slice:
			for i := range v.Len() {
				pending = append(pending, v.Index(i))
			}
		case reflect.Pointer:
			if v.IsNil() {
				continue
			}
			visit(v.Interface())
			for i := range v.Elem().NumField() {
				if !v.Elem().Type().Field(i).Anonymous {
					pending = append(pending, v.Elem().Field(i))
				}
			}
		default:
		}
	}
}

// resolver finds the modules of a script.
type resolver struct {
	// dir leads the modules' names in messages.
	dir string
	// fetch returns a module's source.
	fetch func(path string) ([]byte, error)
	// modules are those that were found, order has them so that each stands
	// behind what it requires.
	modules map[string][]byte
	order   []string
	// open are those whose own modules are being looked for, outermost first.
	open []string
}

// resolve finds what a source requires, and what that requires.
func (r *resolver) resolve(file string, source []byte) error {
	required, err := uses(file, source)
	if err != nil {
		return err
	}
	for _, u := range required {
		if slices.Contains(r.open, u.path) {
			chain := append(slices.Clone(r.open[slices.Index(r.open, u.path):]), u.path)
			return &ScriptError{
				File: file, Line: u.line, Message: "modules require each other in a circle: " + strings.Join(chain, " -> "),
				Hint: "move what both need into a third module",
			}
		}
		if _, ok := r.modules[u.path]; ok {
			continue
		}
		if err := r.add(u, file); err != nil {
			return err
		}
	}
	return nil
}

// add finds one module.
func (r *resolver) add(u use, requiredBy string) error {
	if len(r.modules) >= maxModules {
		return &ScriptError{
			File: requiredBy, Line: u.line, Message: fmt.Sprintf("the script requires more than %d modules", maxModules),
			Hint: "join small modules",
		}
	}
	module := Script{Name: path.Join(r.dir, u.path)}
	source, err := r.fetch(u.path)
	if err != nil {
		return &ScriptError{
			File: requiredBy, Line: u.line, Message: fmt.Sprintf("module %q: %s cannot be read: %s", u.name, module.Name, readFault(err)), Hint: requireHint,
		}
	}
	module.Source = source
	r.modules[u.path] = source
	r.open = append(r.open, u.path)
	if err := r.resolve(module.Name, module.Source); err != nil {
		return err
	}
	r.open = r.open[:len(r.open)-1]
	r.order = append(r.order, u.path)
	return nil
}

// readFault is an error without the path, which the message has already.
func readFault(err error) string {
	if fault, ok := errors.AsType[*fs.PathError](err); ok {
		err = fault.Err
	}
	return err.Error()
}
