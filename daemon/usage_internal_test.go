package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestEveryCommandHasAnExampleAndTellsItsExitCodes(t *testing.T) {
	for path, cmd := range commands(t) {
		if cmd.HasSubCommands() {
			continue
		}
		if !strings.Contains(cmd.Example, "rosterd ") {
			t.Errorf("%s: its help has no example; write one there or into usage.go", path)
		}
		code, stdout, _ := typed(path, "--help")
		for _, e := range exitMeanings() {
			if line := fmt.Sprintf("  %-3d %s\n", e.code, e.meaning); code != 0 || !strings.Contains(stdout, line) {
				t.Errorf("%s --help does not tell exit code %d", path, e.code)
			}
		}
	}
}

// exitCodes are the values of the constants exit..., by their name.
func exitCodes(t *testing.T) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "exit") || len(spec.Values) != 1 {
			return true
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.INT {
			if found[spec.Names[0].Name], err = strconv.Atoi(value.Value); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	return found
}

func TestEveryExitCodeIsDocumentedAndNoneIs2(t *testing.T) {
	documented := map[int]bool{}
	for _, e := range exitMeanings() {
		documented[e.code] = true
	}
	codes := exitCodes(t)
	used := map[int]bool{}
	for _, code := range codes {
		used[code] = true
	}
	if len(used) != len(documented) {
		t.Errorf("%d exit codes are used and %d documented", len(used), len(documented))
	}
	for name, code := range codes {
		if code == 2 || !documented[code] {
			t.Errorf("%s is %d, which is a crash's or not documented", name, code)
		}
	}
}

// Nothing but these constants decides how the process ends.
func TestNoCommandEndsWithANumberOfItsOwn(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Exit" && path != "main.go" && path != "describe.go" {
					t.Errorf("%s calls Exit", path)
				}
			case *ast.KeyValueExpr:
				key, isKey := n.Key.(*ast.Ident)
				if _, number := n.Value.(*ast.BasicLit); isKey && number && key.Name == "code" {
					t.Errorf("%s gives an exit code as a number", path)
				}
			}
			return true
		})
	}
}
