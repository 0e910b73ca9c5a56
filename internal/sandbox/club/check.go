package club

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// apiError is what an error answers.
type apiError struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	// Field and ID name the record that is in the way, and by what.
	Field  string       `json:"field,omitempty"`
	ID     string       `json:"id,omitempty"`
	Fields []fieldError `json:"fields,omitempty"`
}

// fieldError names a field that is wrong, and how.
type fieldError struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

// check says which fields of a record are wrong; nil for none.
func (p *Platform) check(r *Record, wrong []fieldError) *apiError {
	wrong = slices.Clone(wrong)
	say := func(field, code string) { wrong = append(wrong, fieldError{field, code}) }
	for _, name := range p.requiredOf(r.Kind) {
		if strings.TrimSpace(r.Fields[name]) == "" {
			say(name, "required")
		}
	}
	for _, name := range p.schemas[r.Kind].names {
		if most := p.opts.MaxLength[name]; most > 0 && utf8.RuneCountInString(r.Fields[name]) > most {
			say(name, "too_long")
		}
	}
	if id := r.Fields[fieldClub]; !slices.ContainsFunc(p.opts.Clubs, func(c Club) bool { return c.ID == id }) {
		say(fieldClub, "unknown")
	}
	if s := r.Fields[fieldStatus]; s != active && s != inactive {
		say(fieldStatus, "not_allowed")
	}
	if !slices.Contains(typesOf(r.Kind), r.Fields[fieldType]) {
		say(fieldType, "not_allowed")
	}
	for field, kind := range map[string]Kind{fieldOwner: Staff, fieldLeadSource: LeadSource} {
		if id := r.Fields[field]; id != "" && !p.isActive(kind, id) {
			say(field, "unknown")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.SortFunc(wrong, func(a, b fieldError) int { return strings.Compare(a.Field, b.Field) })
	return &apiError{Status: http.StatusUnprocessableEntity, Code: "invalid", Message: "Some fields are not valid", Fields: wrong}
}

func (p *Platform) requiredOf(k Kind) []string {
	switch k {
	case Staff:
		return []string{fieldEmail}
	case LeadSource:
		return []string{fieldName}
	default:
		return p.opts.Required
	}
}

// typesOf are the values of the field type.
func typesOf(k Kind) []string {
	switch k {
	case Prospect:
		return []string{"prospect"}
	case Member:
		return []string{"member", "ex_member"}
	default:
		return []string{""}
	}
}

func (p *Platform) isActive(k Kind, id string) bool {
	w := p.tables[k].byID[id]
	return w != nil && w.record.Fields[fieldStatus] == active
}

// conflict says which other record is in the way of one; nil for none.
func (p *Platform) conflict(r *Record) *apiError {
	var unique string
	switch {
	case r.Kind == LeadSource:
		unique = fieldName
	case r.Kind.isPerson() && p.opts.Class == ClassB:
		unique = fieldExternalID
	case r.Kind.isPerson() && p.opts.Class == ClassBPrime:
		unique = fieldEmail
	default:
		return nil
	}
	other := p.tables[r.Kind].first(unique, r.Fields[unique])
	if other == nil || other.ID == r.ID {
		return nil
	}
	e := &apiError{Status: http.StatusConflict, Code: "duplicate", Message: "There is such a record already", Field: unique, ID: other.ID}
	if p.opts.HideConflict {
		e.ID = ""
	}
	return e
}

// normalise changes values as some systems do before they store them.
func (p *Platform) normalise(r *Record) {
	if !p.opts.Normalise {
		return
	}
	for name, value := range r.Fields {
		value = strings.TrimSpace(value)
		switch name {
		case fieldFirst, fieldLast, "city":
			value = title(value)
		case fieldEmail:
			value = strings.ToLower(value)
		case "mobile", "home_phone", "work_phone":
			value = digits(value)
		}
		r.set(name, value)
	}
}

// title writes each word with a capital.
func title(s string) string {
	begin := true
	return strings.Map(func(c rune) rune {
		at := begin
		begin = !unicode.IsLetter(c)
		if at {
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}
