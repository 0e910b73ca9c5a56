package mapping

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// maxReasonRunes bounds the reasons that a script gives.
	maxReasonRunes = 200
	// maxRecordBytes bounds one encoded target record.
	maxRecordBytes = 256 << 10
	// maxReplyBytes bounds all records and payloads of a page together.
	maxReplyBytes = 32 << 20

	tooManyFields = "the page's records have more than 256 different fields"
	tooLarge      = "the mapped record is larger than 256 KiB"
)

// result validates and encodes what a script returned, record by record. Its
// buffers are reused for all records of a page.
type result struct {
	// script is the script's name, which leads every reason.
	script   string
	required []string
	keyField string
	keyLabel []byte
	// fields are the target fields of the page at hand, pages its number.
	fields  []string
	pages   int
	slots   slots
	matters matters
	record  []field
	out     []byte
	// written are the bytes of the whole page.
	written int
}

func (r *result) init(script string, target roster.MapTarget) {
	r.script = script
	r.required, r.keyField = target.Required, target.KeyField
	r.keyLabel = append(appendString(nil, r.keyField), ':')
	r.slots = newSlots(nil, func(name string) string { return name })
	r.matters.init(target.Matters)
}

// reset begins a page. The bytes of the page before belong to its reply.
func (r *result) reset() {
	r.fields = r.fields[:0]
	r.pages++
	r.slots.forget()
	r.matters.slots.forget()
	r.out, r.written = nil, 0
}

// take makes the mapped record from the table that a script returned.
func (r *result) take(e *engine, table *lua.LTable, m *roster.MappedRecord) {
	record, fault := r.slots.collect(r.record[:0], table)
	if fault != "" {
		r.invalid(m, "the table that map returned "+fault)
		return
	}
	r.record = record
	r.finish(e, m)
}

// finish checks the record at hand and encodes it.
func (r *result) finish(e *engine, m *roster.MappedRecord) {
	m.Key = m.ID
	key := findField(r.record, r.keyField)
	if key != nil {
		if text, ok := keyText(key.value); ok && text != "" {
			m.Key = text
		} else if !ok {
			r.invalidAt(key.slot.line, m, "field "+r.keyField+" is a "+typeName(e, key.value)+"; an id is text or a whole number")
			return
		}
	}
	for _, name := range r.required {
		if f := findField(r.record, name); f == nil || isBlank(e, f.value) {
			m.Verdict, m.Stage, m.Code = roster.VerdictRejected, roster.StageFreeze, roster.CodeFreezeMissing
			m.Reason = name + " is missing"
			return
		}
	}
	r.encode(e, m)
}

// encode appends the record as a JSON object: its fields by name, its matters,
// and the key field last.
func (r *result) encode(e *engine, m *roster.MappedRecord) {
	start := len(r.out)
	b := append(r.out, '{')
	var set roster.FieldSet
	key, list := lua.LNil, lua.LNil
	for _, f := range r.record {
		if f.slot.name == r.keyField {
			key = f.value
			continue
		}
		taken, fault := r.matters.take(f)
		if fault != "" {
			r.invalid(m, fault)
			return
		}
		if taken {
			list = f.value
			continue
		}
		if !r.note(f.slot, &set) {
			r.invalid(m, tooManyFields)
			return
		}
		var ok bool
		if b, ok = appendValue(e, append(b, f.slot.label...), f.value); !ok {
			r.invalidAt(f.slot.line, m, "field "+e.showName(f.slot.name)+" is "+e.fault(f.value))
			return
		}
		b = append(b, ',')
	}
	if list != lua.LNil {
		var fault string
		if b, fault = r.matters.encode(e, b, list, &set); fault != "" {
			r.invalid(m, fault)
			return
		}
	}
	b = append(b, r.keyLabel...)
	if n, ok := key.(lua.LNumber); ok {
		b, _ = appendNumber(b, float64(n))
	} else {
		b = appendString(b, m.Key)
	}
	b = append(b, '}')
	if !r.fits(m, len(b)-start) {
		return
	}
	r.out = b
	m.Verdict, m.Data, m.Fields = roster.VerdictMapped, b[start:len(b):len(b)], set
}

// note adds a field to those of a record and gives it a position on the page,
// or returns false where the page has no place for it.
func (r *result) note(s *slot, set *roster.FieldSet) bool {
	if s.page != r.pages {
		if len(r.fields) == roster.MaxFields {
			return false
		}
		s.page, s.position = r.pages, len(r.fields)
		r.fields = append(r.fields, s.path)
	}
	set.Add(s.position)
	return true
}

// fits counts the bytes of a record against the page's bound.
func (r *result) fits(m *roster.MappedRecord, size int) bool {
	switch {
	case size > maxRecordBytes:
		r.invalid(m, tooLarge)
	case r.written+size > maxReplyBytes:
		r.invalid(m, "the mapped records of the page are larger than 32 MiB together")
	default:
		r.written += size
		return true
	}
	return false
}

// payload returns the source record as JSON, or nothing where the page's
// payloads have grown beyond what a reply holds.
func (r *result) payload(columns []string, row sdk.Row) []byte {
	start := len(r.out)
	b := appendRecord(r.out, columns, row)
	if r.written+len(b)-start > maxReplyBytes {
		return nil
	}
	r.written += len(b) - start
	r.out = b
	return b[start:len(b):len(b)]
}

func (r *result) invalid(m *roster.MappedRecord, reason string) { r.invalidAt(0, m, reason) }

// invalidAt is invalid with the script's line, or zero where it is not known.
func (r *result) invalidAt(line int, m *roster.MappedRecord, reason string) {
	m.Verdict, m.Stage, m.Code = roster.VerdictRejected, roster.StageMap, roster.CodeMapInvalid
	m.Line, m.Reason = line, place(r.script, line)+reason
}

func appendValue(e *engine, b []byte, v lua.LValue) ([]byte, bool) {
	switch v := v.(type) {
	case lua.LString:
		return appendString(b, string(v)), true
	case lua.LNumber:
		return appendNumber(b, float64(v))
	case lua.LBool:
		if v {
			return append(b, "true"...), true
		}
		return append(b, "false"...), true
	case *lua.LUserData:
		return append(b, "null"...), v == e.null
	}
	return b, false
}

// fault says why a value cannot stand in a field.
func (e *engine) fault(v lua.LValue) string {
	if v.Type() == lua.LTNumber {
		return "a number that is not finite or beyond 2^53; use text for long ids"
	}
	return "a " + typeName(e, v) + "; a field is text, a number, true, false or null"
}

func typeName(e *engine, v lua.LValue) string {
	switch v {
	case lua.LValue(e.null):
		return "null"
	case e.record:
		return "record"
	}
	return v.Type().String()
}

// showName returns a field's name where it stands in the script. A name that
// was computed could hold a value of the record.
func (e *engine) showName(name string) string {
	if _, ok := e.literals[name]; ok {
		return name
	}
	return "with a computed name"
}

// keyText returns a key as text; null and nothing are empty.
func keyText(v lua.LValue) (string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return strings.TrimSpace(string(v)), true
	case lua.LNumber:
		b, ok := appendNumber(nil, float64(v))
		return string(b), ok && !slices.Contains(b, '.') && !slices.Contains(b, 'e')
	case *lua.LUserData, *lua.LNilType:
		return "", true
	}
	return "", false
}

func isBlank(e *engine, v lua.LValue) bool {
	if text, ok := v.(lua.LString); ok {
		return strings.TrimSpace(string(text)) == ""
	}
	return v == lua.LNil || v == lua.LValue(e.null)
}

func cutReason(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	n := 0
	for i := range s {
		if n == maxReasonRunes {
			return s[:i]
		}
		n++
	}
	return s
}
