package mapping

import (
	"strconv"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// role says what becomes of a field of a mapped record.
type role byte

const (
	// roleData: it is a field of the target record.
	roleData role = iota
	// roleKey: it identifies the record and stands last.
	roleKey
	// roleOwner and roleLeadSource: it is an id of the source that is resolved
	// later.
	roleOwner
	roleLeadSource
	// roleTarget: it is the target's id of the record, where the source knows it.
	roleTarget
	// roleUnknown: the target has no such field.
	roleUnknown
)

// fieldRules are what a target asks of the fields of its records.
type fieldRules struct {
	target roster.MapTarget
	// declared are the target's fields by name; empty where they are not known.
	declared map[string]sdk.TargetField
}

func newFieldRules(target roster.MapTarget) *fieldRules {
	rules := &fieldRules{target: target, declared: make(map[string]sdk.TargetField, len(target.Fields))}
	for _, f := range target.Fields {
		rules.declared[f.Name] = f
	}
	return rules
}

// roleOf says what a field is to the target.
func (t *fieldRules) roleOf(name string) role {
	if name == t.target.KeyField {
		return roleKey
	}
	if t.target.References {
		switch name {
		case roster.OwnerField:
			return roleOwner
		case roster.LeadSourceField:
			return roleLeadSource
		case roster.TargetField:
			return roleTarget
		}
	}
	if _, known := t.declared[name]; !known && len(t.declared) > 0 && !t.target.OtherFields {
		return roleUnknown
	}
	return roleData
}

// dress puts into a new slot what the target asks of its field.
func (t *fieldRules) dress(s *slot) {
	s.role = t.roleOf(s.name)
	declared := t.declared[s.name]
	policy := t.target.Policies[s.name]
	rule := &fieldRule{
		maxLength: declared.MaxLength, shorten: declared.Shorten,
		neverNull: policy == roster.PolicyNeverNull, onlyEmptiness: policy == roster.PolicyFillIfEmpty,
	}
	if len(declared.Values) > 0 {
		rule.values = make(map[string]struct{}, len(declared.Values))
		for _, v := range declared.Values {
			rule.values[v] = struct{}{}
		}
	}
	if t.target.Digests != nil {
		s.digest = t.target.Digests.Name(s.name)
		rule.empty, rule.filled = s.digest.Field([]byte("null")), s.digest.Field([]byte("true"))
	}
	if rule.maxLength > 0 || rule.values != nil || rule.neverNull || rule.onlyEmptiness {
		s.rule = rule
	}
}

// fieldRule is what a target or a job asks of the values of one field.
type fieldRule struct {
	// maxLength is in characters, 0 for no bound; shorten says that a longer text
	// is cut.
	maxLength int
	shorten   bool
	// values are the only texts that the field takes; nil for any.
	values map[string]struct{}
	// neverNull leaves the field out where it is empty.
	neverNull bool
	// onlyEmptiness says that digests tell no value from another, only whether
	// there is one: empty or filled.
	onlyEmptiness bool
	empty, filled digest.Field
}

// apply holds a field to its rule. Its value stands encoded at the end of b, from
// at on. It returns what is to stand there, and reports whether the field stays
// in the record; m says whether the record does.
func (r *result) apply(e *engine, b []byte, at int, f field, m *roster.MappedRecord) (_ []byte, stays bool) {
	rule := f.slot.rule
	if isEmptyJSON(b[at:]) && rule.neverNull {
		return b[:at], false
	}
	if f.value == lua.LValue(e.null) {
		return b, true
	}
	if rule.values != nil {
		text, isText := f.value.(lua.LString)
		if _, ok := rule.values[string(text)]; !ok || !isText {
			r.refuse(m, f.slot, roster.CodeMapNotAllowed, "field "+f.slot.name+" has a value that the target does not take")
			return b, false
		}
	}
	if rule.maxLength == 0 || len(b)-at <= rule.maxLength {
		return b, true
	}
	long, text := isLong(f.value, rule.maxLength, len(b)-at)
	switch {
	case !long:
		return b, true
	case !rule.shorten || !text:
		r.refuse(m, f.slot, roster.CodeMapTooLong, "field "+f.slot.name+" is longer than "+strconv.Itoa(rule.maxLength)+" characters")
		return b, false
	}
	r.warn(e, f.slot)
	whole, _ := f.value.(lua.LString)
	return appendString(b[:at], truncate(string(whole), rule.maxLength)), true
}

// isLong reports whether a value has more than so many characters, and whether
// it is a text, which can be cut. Of a number that size is its own.
func isLong(v lua.LValue, most, size int) (long, text bool) {
	switch v := v.(type) {
	case lua.LString:
		return len(v) > most && utf8.RuneCountInString(string(v)) > most, true
	case lua.LNumber:
		return size > most, false
	default:
		return false, false
	}
}

func isEmptyJSON(value []byte) bool { return string(value) == "null" || string(value) == `""` }

// refuse rejects a record that the target would not take because of a field.
func (r *result) refuse(m *roster.MappedRecord, s *slot, code, reason string) {
	r.invalidAt(r.lineOf(s), m, reason)
	m.Code = code
}

// maxWarnings bounds the different warnings of a page.
const maxWarnings = 1000

// warn notes for the record at hand that a field was changed to fit the target.
// A field can be warned of in one way only.
func (r *result) warn(e *engine, s *slot) {
	if s.warnedOn != r.pages {
		s.warnedOn, s.warning = r.pages, r.noteWarning(e, s)
	}
	if s.warning < 0 {
		return
	}
	for _, w := range r.marks[r.firstMark:] {
		if int(w) == s.warning {
			return
		}
	}
	r.marks = append(r.marks, uint16(s.warning)) //nolint:gosec // It is below maxWarnings.
}

// noteWarning returns the position of a field's warning on the page, or -1 where
// there are too many.
func (r *result) noteWarning(e *engine, s *slot) int {
	text := "field " + e.showName(s.name)
	if s.role == roleUnknown {
		text = "the target has no " + text + ": it is left out"
	} else {
		text += " was cut to " + strconv.Itoa(s.rule.maxLength) + " characters"
	}
	for i, w := range r.warnings {
		if w == text {
			return i
		}
	}
	if len(r.warnings) == maxWarnings {
		return -1
	}
	r.warnings = append(r.warnings, text)
	return len(r.warnings) - 1
}
