package mapping

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
)

const (
	// maxFieldName bounds the name of a target field.
	maxFieldName = 128
	// maxSlots bounds the fields that are known from one page to the next: a
	// script that computes names cannot fill the memory.
	maxSlots = 4 * roster.MaxFields
)

// slot is what is known of one target field.
type slot struct {
	// name is the field's name in the script, path its name among the fields
	// of the page.
	name, path string
	// label is the name as it leads the value in JSON.
	label []byte
	// role and rule are what the target makes of the field; rule is nil where any
	// value will do. digest makes the digests of its values.
	role   role
	rule   *fieldRule
	digest digest.Name
	// warnedOn is the page on which the field's warning stands at warning.
	warnedOn, warning int
	// page is the page on which the field stands at position.
	page, position int
	// fixed says that it is kept when there are too many.
	fixed bool
	// line is where the script fills it: in a plan, and in a function where it
	// does so in one place; else zero.
	line int
}

// field is one field of the record at hand.
type field struct {
	slot  *slot
	value lua.LValue
}

// slots are the known fields by their names in the script.
type slots struct {
	known map[string]*slot
	// renamed are the JSON names of fields that have another one than in the
	// script.
	renamed map[string]string
	// path names a field among the fields of a page by its JSON name.
	path func(string) string
	// rules are nil for fields that the target asks nothing of.
	rules *fieldRules
}

func newSlots(renamed map[string]string, path func(string) string) slots {
	return slots{known: map[string]*slot{}, renamed: renamed, path: path}
}

// find returns the slot of a name, or nil for a name that no field can have.
func (s *slots) find(name string) *slot {
	if found, ok := s.known[name]; ok {
		return found
	}
	if name == "" || len(name) > maxFieldName || !utf8.ValidString(name) {
		return nil
	}
	if _, ok := roster.CutMatterField(name); ok {
		return nil
	}
	json, ok := s.renamed[name]
	if !ok {
		json = name
	}
	made := &slot{name: name, path: s.path(json), label: append(appendString(nil, json), ':'), page: -1}
	if s.rules != nil {
		s.rules.dress(made)
	}
	s.known[name] = made
	return made
}

// forget makes room when there are too many slots. It is called between pages:
// a slot that is made anew has no position on the page at hand.
func (s *slots) forget() {
	if len(s.known) > maxSlots {
		maps.DeleteFunc(s.known, func(_ string, made *slot) bool { return !made.fixed })
	}
}

// collect appends a table's fields sorted by name, so that the same record has
// the same bytes always, or says why it cannot.
func (s *slots) collect(fields []field, table *lua.LTable) ([]field, string) {
	badKey, badName := false, false
	table.ForEach(func(k, v lua.LValue) {
		name, ok := k.(lua.LString)
		if !ok {
			badKey = true
			return
		}
		found := s.find(string(name))
		if found == nil {
			badName = true
			return
		}
		fields = append(fields, field{found, v})
	})
	switch {
	case badKey:
		return nil, "has a key that is no text"
	case badName:
		return nil, "has a field with an empty, overlong or malformed name"
	case len(fields) > roster.MaxFields:
		return nil, "has more than 256 fields"
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.slot.name, b.slot.name) })
	return fields, ""
}

// fixedSlot returns the slot of a field that the target names. Where no field can
// have the name it is one that no record has.
func (s *slots) fixedSlot(name string) *slot {
	found := s.find(name)
	if found == nil {
		return &slot{name: name, page: -1}
	}
	found.fixed = true
	return found
}

// valueOf returns the value of a field, or nil.
func valueOf(fields []field, s *slot) lua.LValue {
	for i := range fields {
		if fields[i].slot == s {
			return fields[i].value
		}
	}
	return lua.LNil
}

// findField returns the value of a field, or nil.
func findField(fields []field, name string) *field {
	for i := range fields {
		if fields[i].slot.name == name {
			return &fields[i]
		}
	}
	return nil
}
