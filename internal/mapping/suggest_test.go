package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/mapping"
)

func editorFields(names ...string) (fields []mapping.EditorField) {
	for _, name := range names {
		fields = append(fields, mapping.EditorField{Name: name})
	}
	return fields
}

func TestASuggestedPlanFillsWhatIsCalledAlike(t *testing.T) {
	t.Parallel()
	source := editorFields("No", "First Name", "surname", "E-Mail", "cell", "dob", "zipcod", "end", "club_no")
	target := append(editorFields("first_name", "last_name", "email", "mobile", "phone", "birthdate", "zipcode", "end", "owner"),
		mapping.EditorField{Name: "type", Doc: "what\nit is"})
	want := `-- A start, made by the names of the fields alone: look at each line.
return mapping{
  first_name = source["First Name"]:title(),
  last_name = source.surname:title(),
  email = source["E-Mail"]:email(),
  mobile = source.cell:phone(),
  birthdate = source.dob:date("YYYY-MM-DD"),
  zipcode = source.zipcod:trim(),
  ["end"] = source["end"]:trim(),
}

-- Fields of the target for which no field of the source was found:
--   phone
--   owner
--   type  what it is

-- Fields of the source that are not used: No, club_no
`
	if diff := cmp.Diff(want, string(mapping.Suggest(source, target))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestASuggestedPlanIsAScriptThatLoads(t *testing.T) {
	t.Parallel()
	names := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"first", "mail", "end", "a]]b", "--", `"\`, "x\ny"})), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		source, target := names.Draw(t, "source"), names.Draw(t, "target")
		for _, name := range source {
			if len(name) <= 128 && name != "" && !strings.HasPrefix(name, "matters") {
				target = append(target, name)
			}
		}
		var kept []string
		for _, name := range target {
			if name != "" && len(name) <= 128 && !strings.HasPrefix(name, "matters") {
				kept = append(kept, name)
			}
		}
		text := mapping.Suggest(editorFields(source...), editorFields(kept...))
		if err := mapping.CheckScript(mapping.Script{Name: "x.lua", Source: text}); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
