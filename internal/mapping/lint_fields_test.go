package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/mapping"
)

func TestTheFieldsOfAScriptAreComparedWithThoseOfItsJob(t *testing.T) {
	t.Parallel()
	known := mapping.KnownFields{
		Source: []string{"First Name", "last", "mail"}, Target: []string{"first_name", "last_name", "shoe_size", "external_id"},
	}
	for name, test := range map[string]struct{ script, want string }{
		"a plan": {
			"return mapping{\n  frist_name = source[\"First name\"],\n  shoe_size = source.mial,\n  last_name = source.id,\n}",
			`x.lua:2:3: warning[script.field]: the job's target has no field "frist_name"
  hint: did you mean ` + "`first_name`" + `?
x.lua:2:24: warning[script.source_field]: the job's source has no field "First name"
  hint: did you mean ` + "`First Name`" + `?
x.lua:3:22: warning[script.source_field]: the job's source has no field "mial"
  hint: did you mean ` + "`mail`" + `?
`,
		},
		"a function that returns a table": {
			"function map(record)\n  return { first_name = record.last, hat = record.nothing, x = record.nothing }\nend",
			`x.lua:2:38: warning[script.field]: the job's target has no field "hat"
  hint: add it there, or take it out of the script; the target has external_id, first_name, last_name, shoe_size
x.lua:2:51: warning[script.source_field]: the job's source has no field "nothing"
  hint: case and spaces count; the source has First Name, last, mail
x.lua:2:60: warning[script.field]: the job's target has no field "x"
  hint: add it there, or take it out of the script; the target has external_id, first_name, last_name, shoe_size
`,
		},
		"a function that fills a table": {
			"function map(record)\n  local out = {}\n  out.first_name = record.last\n  out.shoesize = record.last\n  return out\nend",
			`x.lua:4:7: warning[script.field]: the job's target has no field "shoesize"
  hint: did you mean ` + "`shoe_size`" + `?
`,
		},
		"matters": {
			"return mapping{ first_name = source.last, matters = { { name = source.last, shoe_siz = source.last } } }",
			`x.lua:1:77: warning[script.field]: the job's target has no field "shoe_siz"
  hint: did you mean ` + "`shoe_size`" + `?
`,
		},
		"a helper's own tables": {
			"local names = { hat = 1 }\nlocal function of(p) return { size = p.hat or names.hat } end\nfunction map(record) return { first_name = of(record).size } end", "",
		},
	} {
		var b strings.Builder
		for _, f := range mapping.Findings(mapping.Script{Name: "x.lua", Source: []byte(test.script)}, known) {
			b.WriteString(f.String() + "\n")
		}
		if diff := cmp.Diff(test.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
