package mapping_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/mapping"
)

func describe(t *testing.T, source string) mapping.Description {
	t.Helper()
	d, err := mapping.Describe(mapping.Script{Name: "x.lua", Source: []byte(source)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAPlanIsDescribedWithoutBeingRun(t *testing.T) {
	t.Parallel()
	d := describe(t, `return mapping{
  when(source.s:is("gone"), skip("gone")),
  first_name = source.first:trim():title(),
  phone = first(source.cell:phone(), source.home:phone()),
  kind = "member",
  note = call(function(record) return record.x end),
}`)
	want := mapping.Description{Script: "x.lua", Form: mapping.FormPlan, Reads: []string{"s", "first", "cell", "home"}, Lineage: []mapping.Lineage{
		{Sources: []string{"s"}, Steps: []string{"is", "when"}, Line: 2, Decides: "skip", Reason: "gone"},
		{Field: "first_name", Sources: []string{"first"}, Steps: []string{"trim", "title"}, Line: 3},
		{Field: "kind", Sources: []string{}, Line: 5, Constant: true},
		{Field: "note", Sources: []string{}, Line: 6, Code: true},
		{Field: "phone", Sources: []string{"cell", "home"}, Steps: []string{"phone.e164", "phone.e164", "first"}, Line: 4},
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

func TestAFunctionIsDescribedByItsTextAndAsAGuess(t *testing.T) {
	t.Parallel()
	d := describe(t, `local function whole(r) return r.a .. r.b end
function map(r, context)
  local status = text.lower(r.status)
  if status == "gone" then skip("gone") end
  if r.x then return nil, "no wish" end
  if r.y then
    local out = { last_name = r.last }
    out.first_name = text.title(r.first)
    return out
  end
  return { first_name = text.title(r.given), status = status, note = whole(r), kind = "member", phone = phone.e164(r.m) or r.h:upper() }
end`)
	want := mapping.Description{
		Script: "x.lua", Form: mapping.FormFunction, Guess: true,
		Reads: []string{"last", "first", "given", "status", "m", "h"},
		Lineage: []mapping.Lineage{
			{Sources: []string{}, Line: 4, Decides: "skip", Reason: "gone"},
			{Sources: []string{}, Line: 5, Decides: "skip", Reason: "no wish"},
			{Field: "last_name", Sources: []string{"last"}, Line: 7},
			{Field: "first_name", Sources: []string{"first", "given"}, Steps: []string{"title"}, Line: 8},
			{Field: "status", Sources: []string{"status"}, Steps: []string{"lower"}, Line: 11},
			{Field: "note", Sources: []string{}, Steps: []string{"whole"}, Line: 11, Code: true},
			{Field: "kind", Sources: []string{}, Line: 11, Constant: true},
			{Field: "phone", Sources: []string{"m", "h"}, Steps: []string{"upper", "phone.e164"}, Line: 11},
		},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

func TestAFaultyScriptIsNotDescribed(t *testing.T) {
	t.Parallel()
	_, err := mapping.Describe(mapping.Script{Name: "x.lua", Source: []byte("return mapping{")})
	if _, ok := errors.AsType[*mapping.ScriptError](err); !ok {
		t.Errorf("%v, want a script error", err)
	}
}

func TestTheDrawingIsWellFormedWhateverTheNames(t *testing.T) {
	t.Parallel()
	many := "return mapping{ when(source.s:is('x'), skip('</text><script>')), \n"
	for i := range 60 {
		many += fmt.Sprintf("  field_%d = source.column_%d:trim():title(),\n", i, (i*7)%55)
	}
	for name, source := range map[string]string{
		"three":    "return mapping{ first_name = source.first:trim():title(),\n last_name = source.last,\n phone = first(source.cell:phone(), source.home:phone()) }",
		"sixty":    many + "}",
		"hostile":  `return mapping{ ["<&\"'>]]>\1"] = source["</svg>\0\255" .. ("x"):rep(500)], first_name = call(function() return "x" end), k = 1 }`,
		"function": `function map(r) return { first_name = r.a } end`,
	} {
		var b strings.Builder
		if err := describe(t, source).WriteSVG(&b); err != nil {
			t.Fatal(err)
		}
		decoder := xml.NewDecoder(strings.NewReader(b.String()))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, b.String())
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "script" {
				t.Errorf("%s: a name became an element", name)
			}
		}
		if dir := os.Getenv("DRAWINGS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".svg"), []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
