package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

var updateErrors = flag.Bool("update-errors", false, "write docs/errors.md from codes.txt")

// codeForm is the form of codes.
var codeForm = regexp.MustCompile(`^[a-z]+(\.[a-z0-9_]+)+$`)

// codesInSource finds the literals that the source gives to anything called a
// code.
func codesInSource(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	note := func(path string, e ast.Expr) {
		literal, ok := e.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return
		}
		if text, err := strconv.Unquote(literal.Value); err == nil && codeForm.MatchString(text) {
			found[text] = path
		}
	}
	isCode := func(name string) bool { return strings.HasPrefix(strings.ToLower(name), "code") }
	look := func(path string, n ast.Node) {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && isCode(key.Name) {
				note(path, n.Value)
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if isCode(name.Name) && i < len(n.Values) {
					note(path, n.Values[i])
				}
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if field, ok := to.(*ast.SelectorExpr); ok && isCode(field.Sel.Name) && len(n.Lhs) == len(n.Rhs) {
					note(path, n.Rhs[i])
				}
			}
		}
	}
	for _, root := range []string{"../internal", ".", "../plugins/sdk"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			other := strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/sandbox/") || strings.Contains(path, "/storetest/")
			if err != nil || other || filepath.Ext(path) != ".go" {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				look(path, n)
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestEveryCodeIsExplained(t *testing.T) {
	found := codesInSource(t)
	if len(found) < 80 {
		t.Fatalf("only %d codes were found: the search is broken", len(found))
	}
	for code, path := range found {
		if _, ok := explain(code); !ok {
			t.Errorf("%s: code %s is not in codes.txt", path, code)
		}
	}
	for _, code := range []sdk.Code{
		sdk.CodeConfig, sdk.CodeAuth, sdk.CodeUnavailable, sdk.CodeQuota, sdk.CodeChanged, sdk.CodeData, sdk.CodeInternal,
	} {
		for _, lead := range []string{"adapter.", "export.refused."} {
			if _, ok := explain(lead + string(code)); !ok {
				t.Errorf("code %s%s is not in codes.txt", lead, code)
			}
		}
	}
}

func TestTheTableOfCodesIsInOrderAndComplete(t *testing.T) {
	var codes []string
	for _, e := range explanations() {
		codes = append(codes, e.Code)
		if !strings.HasSuffix(e.Meaning, ".") || !strings.HasSuffix(e.Mend, ".") || strings.Contains(e.Mend, "\n") {
			t.Errorf("%s: wants one line with a sentence of what it means, and one of what to do", e.Code)
		}
	}
	if !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
		t.Error("codes.txt is not in alphabetical order, or names a code twice")
	}
	if n := strings.Count(strings.TrimSpace(codesText), "\n\n") + 1; n != len(codes) {
		t.Errorf("%d of %d entries of codes.txt can be read", len(codes), n)
	}
}

func TestTheDocumentListsEveryCode(t *testing.T) {
	const path = "../docs/errors.md"
	want := errorsDocument()
	if *updateErrors {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not what codes.txt says (%v): write it with  go test ./daemon -run TestTheDocumentLists -update-errors", path, err)
	}
}

func errorsDocument() string {
	var b strings.Builder
	b.WriteString(`# Errors

Every error has a stable code: in brackets or as "code" in what a command prints, in the log, in the status and in the API's
answers (RFC 9457). ` + "`rosterd explain-error CODE`" + ` prints a row of this table, which is made from daemon/codes.txt.

| Code | What it means | What to do |
| --- | --- | --- |
`)
	for _, e := range explanations() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.Code, e.Meaning, e.Mend)
	}
	return b.String()
}
