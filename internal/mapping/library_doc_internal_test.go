package mapping

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateLibrary = flag.Bool("update-library", false, "write the library's table into docs/mapping.md")

// TestTheDocumentListsTheWholeLibrary holds the table of docs/mapping.md to the
// registration table; with -update-library it writes it.
func TestTheDocumentListsTheWholeLibrary(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/mapping.md", "<!-- library: written by go test ./internal/mapping -update-library -->\n", "<!-- end of library -->"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	table, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the library", path)
	}
	want := libraryTable()
	if *updateLibrary {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("%s differs from the library; run go test ./internal/mapping -update-library (-want +got):\n%s", path, diff)
	}
}

func libraryTable() string {
	var b strings.Builder
	b.WriteString("| Function | Method | Gives |\n| --- | --- | --- |\n")
	for _, f := range functions() {
		method := ""
		if f.method != "" {
			method = "`:" + f.method + "`"
		}
		fmt.Fprintf(&b, "| `%s(%s)` | %s | %s: %s |\n", f.fullName(), f.params, method, f.returns, strings.ReplaceAll(f.doc, "|", "\\|"))
	}
	return b.String()
}
