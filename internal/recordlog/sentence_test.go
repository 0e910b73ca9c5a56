package recordlog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestASentenceSaysWhatBecameOfARecord(t *testing.T) {
	for want, e := range map[string]roster.LogEntry{
		"created": {Code: roster.LogCreated},
		"created, without its owner, who has no link at clubsys":                          {Level: roster.LogWarning, Code: roster.LogCreated, Missing: roster.LogOwner},
		"updated, without its lead source, which has no link at clubsys; field x was cut": {Level: roster.LogWarning, Code: roster.LogUpdated, Missing: roster.LogLeadSource, Detail: "field x was cut"},
		"updated, without its owner and its lead source, which have no link at clubsys":   {Level: roster.LogWarning, Code: roster.LogUpdated, Missing: roster.LogOwner | roster.LogLeadSource},
		"created (the answer was lost, and it was found by its marker)":                   {Code: roster.LogFound},
		"not saved: the target refused it: no phone":                                      {Level: roster.LogError, Code: roster.CodeDeliverRefused, Detail: "the target refused it: no phone"},
		"waits for a person: several records of the target could be this one":             {Level: roster.LogError, Code: roster.LogReview, Detail: "several records of the target could be this one"},
		"updated, over a change that was made at clubsys":                                 {Level: roster.LogWarning, Code: roster.LogOverwritten},
		"not saved": {Level: roster.LogError, Code: "later.code"},
	} {
		if got := (&recordlog.Line{To: "acme/clubsys", LogEntry: e}).Sentence(); got != want {
			t.Errorf("%+v:\n got %s\nwant %s", e, got, want)
		}
	}
}

// TestEveryOutcomeHasASentence reads the outcomes from their source, so that none is
// forgotten.
func TestEveryOutcomeHasASentence(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../roster/recordlog.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Log") {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if got := (&recordlog.Line{LogEntry: roster.LogEntry{Code: code}}).Sentence(); got == "not saved" {
			t.Errorf("%s has no sentence", spec.Names[0].Name)
		}
		if !strings.Contains(string(document), "`"+code+"`") {
			t.Errorf("docs/log.md does not name %s", code)
		}
		return true
	})
	if n < 15 {
		t.Errorf("only %d outcomes were found", n)
	}
}
