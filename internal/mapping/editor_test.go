package mapping_test

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
)

func TestTheShippedEditorTypesAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	golden(t, "../../scripts/types/rosterd.lua", string(mapping.EditorTypes(nil, nil)))
}

func TestTheFieldsOfAJobAreCompleted(t *testing.T) {
	t.Parallel()
	types := string(mapping.EditorTypes(
		[]mapping.EditorField{{Name: "first"}, {Name: "First \"Name\""}, {Name: "bad\nname"}},
		[]mapping.EditorField{{Name: "first_name", Doc: "First\nname"}},
	))
	for _, want := range []string{
		"---@field first rosterd.Field\n", "---@field first any\n", "---@field [\"First \\\"Name\\\"\"] rosterd.Field\n",
		"---@field first_name? any First name\n",
	} {
		if !strings.Contains(types, want) {
			t.Errorf("%q is not there:\n%s", want, types)
		}
	}
	if strings.Contains(types, "bad") {
		t.Error("a name with a line break became a definition")
	}
	for _, f := range mapping.Findings(mapping.Script{Name: "types.lua", Source: []byte(types)}, mapping.KnownFields{}) {
		if f.Code == mapping.CodeSyntax {
			t.Error(f)
		}
	}
}

func TestEditedTypesAreToldFromWrittenOnes(t *testing.T) {
	t.Parallel()
	types := mapping.EditorTypes(nil, nil)
	if mapping.EditorTypesEdited(types) {
		t.Error("what was written counts as edited")
	}
	for _, text := range []string{"", "---@meta\n", "x", string(types) + "x", strings.Replace(string(types), "source", "sauce", 1)} {
		if !mapping.EditorTypesEdited([]byte(text)) {
			t.Errorf("%.40q counts as not edited", text)
		}
	}
}
