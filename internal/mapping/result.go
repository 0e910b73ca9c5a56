package mapping

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/digest"
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
	script string
	// required and present are the slots of [roster.MapTarget].
	required, present []*slot
	keyField          string
	keySlot           *slot
	keyLabel          []byte
	// fields are the target fields of the page at hand, pages its number.
	fields  []string
	pages   int
	slots   slots
	matters matters
	record  []field
	// built are the fields of the return that made the record at hand, where
	// their names stand in the script.
	built []returnedField
	// set, key and list belong to the record at hand: the fields that it carries,
	// and the values of its key and of its matters.
	set       roster.FieldSet
	key, list lua.LValue
	sums      sums
	// warnings are those of the page at hand, marks which of them its records
	// have; those of the record at hand begin at firstMark.
	warnings  []string
	marks     []uint16
	firstMark int
	// out are the bytes of the page at hand, spare those of one that is over.
	out, spare []byte
	// written are the bytes of the whole page.
	written int
}

func (r *result) init(script string, target roster.MapTarget) {
	r.script, r.keyField = script, target.KeyField
	r.slots = newSlots(nil, func(name string) string { return name })
	r.slots.rules = newFieldRules(target)
	r.require(target.Required)
	for _, name := range target.Present {
		r.present = append(r.present, r.slots.fixedSlot(name))
	}
	if r.keyField != "" {
		r.keySlot = r.slots.fixedSlot(r.keyField)
		r.keyLabel = append(appendString(nil, r.keyField), ':')
	}
	r.matters.init(target.Matters)
	r.matters.never = target.References
	r.sums.init(target)
}

// require sets the fields without which a record is rejected.
func (r *result) require(names []string) {
	r.required = r.required[:0]
	for _, name := range names {
		r.required = append(r.required, r.slots.fixedSlot(name))
	}
}

// mostKept bounds the bytes that are kept from one page for the next.
const mostKept = 1 << 20

// recycle gives the bytes and the digests of the page before to the next one.
func (r *result) recycle() {
	if cap(r.out) <= mostKept {
		r.spare = r.out[:0]
	}
	if cap(r.sums.shorts) <= mostKept/4 {
		r.sums.spare = r.sums.shorts[:0]
	}
}

// reset begins a page. The bytes of the page before belong to its reply, if they were
// not recycled.
func (r *result) reset() {
	r.fields = r.fields[:0]
	r.pages++
	r.slots.forget()
	r.matters.slots.forget()
	r.out, r.spare, r.written = r.spare, nil, 0
	r.warnings, r.marks = nil, nil
	r.sums.reset()
}

// take makes the mapped record from the table that a script returned.
func (r *result) take(e *engine, table *lua.LTable, m *roster.MappedRecord) {
	r.built = nil
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
	if r.keySlot != nil {
		value := valueOf(r.record, r.keySlot)
		if text, ok := keyText(value); ok && text != "" {
			m.Key = text
		} else if !ok {
			r.invalidAt(r.lineOf(r.keySlot), m, "field "+r.keyField+" is a "+typeName(e, value)+"; an id is text or a whole number")
			return
		}
	}
	for _, s := range r.required {
		if isBlank(e, valueOf(r.record, s)) {
			r.missing(m, s.name+" is missing")
			return
		}
	}
	r.encode(e, m)
}

func (r *result) missing(m *roster.MappedRecord, reason string) {
	m.Verdict, m.Stage, m.Code, m.Reason = roster.VerdictRejected, roster.StageFreeze, roster.CodeFreezeMissing, reason
}

// encode appends the record as a JSON object: its fields by name, its matters,
// and the key field last.
func (r *result) encode(e *engine, m *roster.MappedRecord) {
	start := len(r.out)
	r.set, r.key, r.list, r.firstMark, r.sums.sum = roster.FieldSet{}, lua.LNil, lua.LNil, len(r.marks), digest.Sum{}
	b := append(r.out, '{')
	for i := range r.record {
		var ok bool
		if b, ok = r.encodeField(e, b, r.record[i], m); !ok {
			return
		}
	}
	if r.list != lua.LNil {
		var fault string
		if b, fault = r.matters.encode(e, b, r.list, &r.set); fault != "" {
			r.invalid(m, fault)
			return
		}
	}
	for _, s := range r.present {
		if s.page != r.pages || !r.set.Has(s.position) {
			r.missing(m, s.name+" is missing, and the target empties what a record does not carry; null empties it by intent")
			return
		}
	}
	b = r.encodeKey(b, m)
	if !r.fits(m, len(b)-start+len(m.Owner)+len(m.LeadSource)+len(m.Target)) {
		return
	}
	r.out = b
	m.Verdict, m.Data, m.Fields = roster.VerdictMapped, b[start:len(b):len(b)], r.set
	r.sums.finish(m)
	if r.firstMark < len(r.marks) {
		m.Warnings = r.marks[r.firstMark:len(r.marks):len(r.marks)]
	}
}

// encodeField appends a field and a comma, or nothing for a field that does not
// stand in the target record. It returns false for a record that is rejected.
func (r *result) encodeField(e *engine, b []byte, f field, m *roster.MappedRecord) ([]byte, bool) {
	switch f.slot.role {
	case roleData:
	case roleKey:
		r.key = f.value
		return b, true
	case roleOwner:
		return b, r.takeReference(e, f, m, &m.Owner)
	case roleLeadSource:
		return b, r.takeReference(e, f, m, &m.LeadSource)
	case roleTarget:
		return b, r.takeReference(e, f, m, &m.Target)
	case roleUnknown:
		r.warn(e, f.slot)
		return b, true
	}
	if taken, fault := r.matters.take(f); fault != "" {
		r.invalid(m, fault)
		return b, false
	} else if taken {
		r.list = f.value
		return b, true
	}
	before, at := len(b), len(b)+len(f.slot.label)
	b, ok := appendValue(e, append(b, f.slot.label...), f.value)
	if !ok {
		r.invalidAt(r.lineOf(f.slot), m, "field "+e.showName(f.slot.name)+" is "+e.fault(f.value))
		return b, false
	}
	if f.slot.rule != nil {
		if b, ok = r.apply(e, b, at, f, m); !ok {
			return b[:before], m.Verdict != roster.VerdictRejected
		}
	}
	if !r.note(f.slot, &r.set) {
		r.invalid(m, tooManyFields)
		return b, false
	}
	if r.sums.wanted {
		r.sums.add(f.slot, b[at:])
	}
	return append(b, ','), true
}

// takeReference takes an id of the source out of the record.
func (r *result) takeReference(e *engine, f field, m *roster.MappedRecord, into *string) bool {
	text, ok := keyText(f.value)
	if _, other := f.value.(*lua.LUserData); !ok || other && f.value != lua.LValue(e.null) {
		r.invalidAt(r.lineOf(f.slot), m, "field "+f.slot.name+" is a "+typeName(e, f.value)+"; an id is text or a whole number")
		return false
	}
	*into = text
	return true
}

// encodeKey appends the key field, where there is one, and ends the object.
func (r *result) encodeKey(b []byte, m *roster.MappedRecord) []byte {
	if r.keySlot == nil {
		if b[len(b)-1] == ',' {
			b = b[:len(b)-1]
		}
		return append(b, '}')
	}
	b = append(b, r.keyLabel...)
	at := len(b)
	if n, ok := r.key.(lua.LNumber); ok {
		b, _ = appendNumber(b, float64(n))
	} else {
		b = appendString(b, m.Key)
	}
	if r.sums.wanted {
		r.sums.sum = r.sums.sum.Add(r.sums.key.Field(b[at:]))
	}
	return append(b, '}')
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
	b := roster.AppendPayload(r.out, columns, row)
	if r.written+len(b)-start > maxReplyBytes {
		return nil
	}
	r.written += len(b) - start
	r.out = b
	return b[start:len(b):len(b)]
}

// lineOf is where the script fills a field of the record at hand, or zero where
// that is not known.
func (r *result) lineOf(s *slot) int {
	for _, f := range r.built {
		if f.slot == s {
			return f.line
		}
	}
	return s.line
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
