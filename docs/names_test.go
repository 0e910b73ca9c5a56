package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// parseGo parses the Go files of one folder whose names pass.
func parseGo(t *testing.T, dir string, mode parser.Mode, pass func(name string) bool) []*ast.File {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" || !pass(e.Name()) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, e.Name()), nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }
func isCode(name string) bool { return !isTest(name) }

// functions returns the functions of a folder as "name" or "Type.name".
func functions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, f := range parseGo(t, dir, 0, isCode) {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			switch {
			case !ok:
			case fn.Recv == nil:
				names[fn.Name.Name] = true
			default:
				names[receiver(fn.Recv.List[0].Type)+"."+fn.Name.Name] = true
			}
		}
	}
	return names
}

func receiver(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// goFolders are the folders of the repository that hold Go files.
func goFolders(t *testing.T) []string {
	t.Helper()
	var dirs []string
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "bin") {
			return filepath.SkipDir
		}
		if e.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err == nil && !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// TestNamedTestsAreThere holds the documents to the tests that they name as
// proof.
func TestNamedTestsAreThere(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	for _, dir := range goFolders(t) {
		paths, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllStringSubmatch(string(raw), -1) {
				there[m[1]] = true
			}
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	for _, d := range documents(t) {
		for _, m := range named.FindAllStringSubmatch(d.prose(), -1) {
			if !there[m[1]] {
				t.Errorf("%s names the test %s, which is not there", d.path, m[1])
			}
		}
	}
}

// TestTheStraightLineIsThere holds the functions that architecture.md walks
// through to the code: "pipeline.Runner.Start" is a method in internal/pipeline.
func TestTheStraightLineIsThere(t *testing.T) {
	t.Parallel()
	_, line, ok := strings.Cut(readDocument(t, "docs/architecture.md").text, "\n## The straight line\n")
	if !ok {
		t.Fatal("docs/architecture.md has no heading The straight line")
	}
	line, _, _ = strings.Cut(line, "\n## ")
	known := map[string]map[string]bool{}
	steps := regexp.MustCompile("`([a-z]+)\\.((?:\\w+\\.)?\\w+)`").FindAllStringSubmatch(line, -1)
	if len(steps) < 12 {
		t.Errorf("the straight line has %d steps, want 12 or more", len(steps))
	}
	for _, m := range steps {
		dir := map[string]string{"daemon": "daemon", "csv": "plugins/csv", "intandem": "plugins/intandem", "rest": "plugins/rest", "bolt": "internal/store/bolt"}[m[1]]
		if dir == "" {
			dir = filepath.Join("internal", m[1])
		}
		if known[dir] == nil {
			known[dir] = functions(t, dir)
		}
		if !known[dir][m[2]] {
			t.Errorf("%s has no function %s", dir, m[2])
		}
	}
}

func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(literal.Value)
	return s, err == nil
}

// TestEveryStateIsDrawn holds run-states.md to the states in package roster.
func TestEveryStateIsDrawn(t *testing.T) {
	t.Parallel()
	manual := readDocument(t, "docs/run-states.md").text
	found := 0
	for _, f := range parseGo(t, "internal/roster", 0, isCode) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "RunState" && id.Name != "SessionState" {
				return true
			}
			found++
			if state, _ := text(spec.Values[0]); !strings.Contains(manual, "`"+state+"`") {
				t.Errorf("docs/run-states.md does not name the state %s", state)
			}
			return true
		})
	}
	if found < 15 {
		t.Errorf("%d states found in internal/roster, want 15", found)
	}
}

// TestEveryAbilityIsInTheManual reads the constants of package sdk.
func TestEveryAbilityIsInTheManual(t *testing.T) {
	t.Parallel()
	manual := readDocument(t, "docs/adapters.md").text
	found := 0
	for _, f := range parseGo(t, "plugins/sdk", 0, isCode) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Ability") {
				return true
			}
			found++
			if name := strings.TrimPrefix(spec.Names[0].Name, "Ability"); !strings.Contains(manual, "`sdk."+name+"`") {
				t.Errorf("docs/adapters.md does not name the ability sdk.%s", name)
			}
			return true
		})
	}
	if found < 4 {
		t.Errorf("%d abilities found in plugins/sdk, want 4 or more", found)
	}
}

// TestEveryDependencyHasADecision looks at what the Go files import: each
// module is named in a record under docs/adr.
func TestEveryDependencyHasADecision(t *testing.T) {
	t.Parallel()
	var decisions strings.Builder
	for _, d := range documents(t) {
		if strings.HasPrefix(d.path, "docs/adr/") {
			decisions.WriteString(d.text)
		}
	}
	for module, file := range importedModules(t) {
		if !strings.Contains(decisions.String(), "`"+module+"`") {
			t.Errorf("%s imports %s, which no decision in docs/adr names", file, module)
		}
	}
}

// importedModules maps each module of go.mod that a file imports to that file.
func importedModules(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^(?:require)?\s+([a-z0-9.-]+\.[a-z]+/\S+|[a-z0-9.-]+\.[a-z]+) v`).FindAllStringSubmatch(string(raw), -1)
	if len(required) < 10 {
		t.Fatalf("%d modules found in go.mod", len(required))
	}
	used := map[string]string{}
	for _, dir := range goFolders(t) {
		for _, f := range parseGo(t, dir, parser.ImportsOnly, func(string) bool { return true }) {
			for _, spec := range f.Imports {
				path, _ := strconv.Unquote(spec.Path.Value)
				for _, m := range required {
					if path == m[1] || strings.HasPrefix(path, m[1]+"/") {
						used[m[1]] = dir
					}
				}
			}
		}
	}
	return used
}
