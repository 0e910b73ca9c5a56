package mapping

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxMatters bounds the matters of one client.
const maxMatters = 50

// matters encodes the matters of a client.
//
// The vendor documents the import type multi, "contact with several matters",
// and that a matter needs a name which is unique within its contact, but not the
// JSON. What is guessed about it is in this file and nowhere else: a client
// holds a list under one key, and a matter is a flat object that holds its name
// under another. A connection's settings give both keys.
type matters struct {
	// form is nil where clients cannot have matters.
	form *sdk.MatterForm
	// never says that the job has no choice about that.
	never bool
	parts []matterPart
	label []byte
	slots slots
	// fields and names belong to the client at hand.
	fields []field
	names  []string
}

// matterPart is a field that every matter has and that is written under a key
// of the form. All other fields are written as the script names them.
type matterPart struct {
	// script and json are its names.
	script, json string
	// missing and twice are what is said about a matter without it, and about
	// two matters of a client that have the same.
	missing, twice string
}

func (m *matters) init(form *sdk.MatterForm) {
	if m.form = form; form == nil {
		return
	}
	m.parts = []matterPart{{
		script: roster.MatterName, json: form.Name,
		missing: "a matter has no name", twice: "two matters have the same name; a name is unique within a client",
	}}
	renamed := map[string]string{}
	for _, part := range m.parts {
		renamed[part.script] = part.json
	}
	m.slots = newSlots(renamed, roster.MatterField)
	m.label = append(appendString(nil, form.Key), ':')
}

// take reports whether a field of a client is its matters, and says why the
// client cannot have the field.
func (m *matters) take(f field) (taken bool, fault string) {
	_, table := f.value.(*lua.LTable)
	switch {
	case m.never:
		return false, ""
	case m.form == nil && table && f.slot.name == roster.MattersField:
		return true, "the client has matters, and the job's upload type is single; set `upload: multi` for the job, or return none"
	case m.form == nil:
		return false, ""
	case f.slot.name == roster.MattersField:
		return true, ""
	case f.slot.name == m.form.Key:
		return false, "a field has the key under which the connection holds matters; rename the field, or set matters.key of the connection"
	}
	return false, ""
}

// encode appends `"matters":[...],`, or nothing for a client without any, or
// says why it cannot.
func (m *matters) encode(e *engine, b []byte, value lua.LValue, set *roster.FieldSet) ([]byte, string) {
	list, ok := value.(*lua.LTable)
	if !ok {
		return b, "field matters is a " + typeName(e, value) + "; it is a list of tables"
	}
	n := list.Len()
	switch {
	case !isList(list, n):
		return b, "field matters is no list; it is written { {name = ...}, {name = ...} }"
	case n > maxMatters:
		return b, "the client has more than 50 matters"
	case n == 0:
		return b, ""
	case m.form.Key == e.result.keyField:
		return b, "the connection holds matters under the key of the client's id; set matters.key of the connection"
	}
	m.names = m.names[:0]
	b = append(append(b, m.label...), '[')
	for i := 1; i <= n; i++ {
		var fault string
		if b, fault = m.encodeOne(e, b, list.RawGetInt(i), set); fault != "" {
			return b, fault
		}
	}
	b[len(b)-1] = ']'
	return append(b, ','), ""
}

// isList reports whether a table has the keys 1 to n and no others.
func isList(t *lua.LTable, n int) bool {
	entries := 0
	list := true
	t.ForEach(func(k, _ lua.LValue) {
		entries++
		list = list && k.Type() == lua.LTNumber
	})
	return list && entries == n
}

// encodeOne appends one matter and a comma.
func (m *matters) encodeOne(e *engine, b []byte, value lua.LValue, set *roster.FieldSet) ([]byte, string) {
	table, ok := value.(*lua.LTable)
	if !ok {
		return b, "a matter is a " + typeName(e, value) + ", not a table of fields"
	}
	var fault string
	if m.fields, fault = m.slots.collect(m.fields[:0], table); fault != "" {
		return b, "a matter " + fault
	}
	b = append(b, '{')
	for _, part := range m.parts {
		if b, fault = m.encodePart(e, b, part, set); fault != "" {
			return b, fault
		}
	}
	for _, f := range m.fields {
		switch {
		case slices.ContainsFunc(m.parts, func(p matterPart) bool { return p.script == f.slot.name }):
			continue
		case slices.ContainsFunc(m.parts, func(p matterPart) bool { return p.json == f.slot.name }):
			return b, "a matter has a field with the key under which the connection holds its name; rename the field"
		case !e.result.note(f.slot, set):
			return b, tooManyFields
		}
		if b, ok = appendValue(e, append(b, f.slot.label...), f.value); !ok {
			return b, "field " + e.showName(f.slot.name) + " of a matter is " + e.fault(f.value)
		}
		if len(b)-len(e.result.out) > maxRecordBytes {
			return b, tooLarge
		}
		b = append(b, ',')
	}
	b[len(b)-1] = '}'
	return append(b, ','), ""
}

func (m *matters) encodePart(e *engine, b []byte, part matterPart, set *roster.FieldSet) ([]byte, string) {
	f := findField(m.fields, part.script)
	if f == nil || isBlank(e, f.value) {
		return b, part.missing
	}
	text, ok := keyText(f.value)
	switch {
	case !ok:
		return b, "the " + part.script + " of a matter is a " + typeName(e, f.value) + "; it is text"
	case slices.Contains(m.names, part.script+"\x00"+text):
		return b, part.twice
	case !e.result.note(f.slot, set):
		return b, tooManyFields
	}
	m.names = append(m.names, part.script+"\x00"+text)
	return append(appendString(append(b, f.slot.label...), text), ','), ""
}
