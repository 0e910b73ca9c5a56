package club

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is a kind of record.
type Kind string

// The kinds.
const (
	Prospect   Kind = "prospect"
	Member     Kind = "member"
	Staff      Kind = "staff"
	LeadSource Kind = "lead_source"
)

// Kinds lists every [Kind].
func Kinds() []Kind { return []Kind{Prospect, Member, Staff, LeadSource} }

// path is the kind's segment in addresses.
func (k Kind) path() string {
	if k == Staff {
		return "staff"
	}
	return string(k) + "s"
}

// kindOf returns the kind of a segment of an address.
func kindOf(segment string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.path() == segment {
			return k, true
		}
	}
	return "", false
}

func (k Kind) isPerson() bool { return k == Prospect || k == Member }

// Record is what the platform stores of one person, staff member or lead
// source.
type Record struct {
	ID   string
	Kind Kind
	// Fields are the texts by their names, without the empty ones.
	Fields map[string]string
	// Custom are the values of fields that the clubs added.
	Custom map[string]json.RawMessage
	// Created and Updated are filled in by the platform where they are zero.
	Created, Updated time.Time
	// By says who made the record: "api", "seed", or "somebody" for look-alikes
	// and for records that a test put there. No answer of the API shows it.
	By string
}

// The fields that have a meaning to the platform.
const (
	fieldClub        = "club_id"
	fieldPerson      = "person_id"
	fieldFirst       = "first_name"
	fieldLast        = "last_name"
	fieldName        = "name"
	fieldEmail       = "email"
	fieldStatus      = "status"
	fieldType        = "type"
	fieldOwner       = "owner_id"
	fieldLeadSource  = "lead_source_id"
	fieldExternalRef = "external_ref"
	fieldExternalID  = "external_id"
	fieldConvertedTo = "converted_to"

	active   = "active"
	inactive = "inactive"
)

// phoneFields are the fields that a search by phone looks at.
func phoneFields() []string { return []string{"mobile", "home_phone", "work_phone"} }

// schema says which fields the records of a kind have.
type schema struct {
	// names are in the order of answers; only those in writable may be sent.
	names    []string
	writable map[string]bool
}

// schemaOf returns the fields of a kind at a platform of a class.
func schemaOf(k Kind, c Class) schema {
	var s schema
	switch k {
	case Staff:
		s.names = []string{fieldClub, fieldFirst, fieldLast, fieldEmail, fieldStatus}
	case LeadSource:
		s.names = []string{fieldClub, fieldName, fieldStatus}
	default:
		s.names = []string{
			fieldClub, fieldPerson, fieldFirst, fieldLast, fieldEmail, "mobile", "home_phone", "work_phone", "birthdate", "gender",
			"address1", "address2", "city", "zip", "state", "country", "company", fieldStatus, fieldType, fieldOwner, fieldLeadSource,
		}
		if k == Prospect {
			s.names = append(s.names, "trial_start", "trial_end", fieldConvertedTo)
		}
		s.names = append(s.names, "notes")
	}
	if c == ClassB && k.isPerson() {
		s.names = append(s.names, fieldExternalID)
	}
	if c == ClassC && k.isPerson() {
		s.names = append(s.names, fieldExternalRef)
	}
	s.writable = make(map[string]bool, len(s.names))
	for _, name := range s.names {
		s.writable[name] = name != fieldPerson && name != fieldConvertedTo
	}
	return s
}

func (r *Record) clone() *Record {
	c := *r
	c.Fields = maps.Clone(r.Fields)
	c.Custom = maps.Clone(r.Custom)
	return &c
}

// set stores a text; an empty one removes the field.
func (r *Record) set(name, value string) {
	if value == "" {
		delete(r.Fields, name)
		return
	}
	r.Fields[name] = value
}

// timeFormat has the resolution of the platform's times: a millisecond, so that
// several records may have the same.
const timeFormat = "2006-01-02T15:04:05.000Z"

// append writes the record as the API answers it: every field of the kind, also
// the empty ones.
func (r *Record) append(b []byte, names []string) []byte {
	b = append(b, `{"id":`...)
	b = appendText(b, r.ID)
	for _, name := range names {
		b = append(b, ',', '"')
		b = append(b, name...)
		b = append(b, '"', ':')
		b = appendText(b, r.Fields[name])
	}
	if r.Kind.isPerson() {
		b = append(b, `,"custom":{`...)
		for i, name := range slices.Sorted(maps.Keys(r.Custom)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = append(b, r.Custom[name]...)
		}
		b = append(b, '}')
	}
	b = append(b, `,"created_at":"`...)
	b = r.Created.UTC().AppendFormat(b, timeFormat)
	b = append(b, `","updated_at":"`...)
	b = r.Updated.UTC().AppendFormat(b, timeFormat)
	return append(b, '"', '}')
}

// appendText writes a JSON string. Most texts need no escape, and finding that
// out costs a fraction of what the encoder costs.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			text, err := json.Marshal(s)
			if err != nil { // a string always has a form
				text = []byte(`""`)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// MarshalJSON writes the record flat, with "kind" and "made_by" and without
// empty fields, as the control API shows it.
func (r Record) MarshalJSON() ([]byte, error) {
	flat := map[string]any{"id": r.ID, "kind": r.Kind, "created_at": r.Created, "updated_at": r.Updated, "made_by": r.By}
	for name, value := range r.Fields {
		flat[name] = value
	}
	if len(r.Custom) > 0 {
		flat["custom"] = r.Custom
	}
	return json.Marshal(flat)
}

// UnmarshalJSON reads what [Record.MarshalJSON] writes.
func (r *Record) UnmarshalJSON(text []byte) error {
	var known struct {
		ID      string                     `json:"id"`
		Kind    Kind                       `json:"kind"`
		Custom  map[string]json.RawMessage `json:"custom"`
		Created time.Time                  `json:"created_at"`
		Updated time.Time                  `json:"updated_at"`
		By      string                     `json:"made_by"`
	}
	if err := json.Unmarshal(text, &known); err != nil {
		return fmt.Errorf("read a record: %w", err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("read a record: %w", err)
	}
	*r = Record{
		ID: known.ID, Kind: known.Kind, Custom: known.Custom, Created: known.Created, Updated: known.Updated, By: known.By,
		Fields: make(map[string]string, len(all)),
	}
	for name, value := range all {
		switch name {
		case "id", "kind", "custom", "created_at", "updated_at", "made_by":
			continue
		}
		var field string
		if err := json.Unmarshal(value, &field); err != nil {
			return fmt.Errorf("read the field %q of a record: it is no text", name)
		}
		r.set(name, field)
	}
	return nil
}

// digits are the digits of a phone number.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// fullName is the name by which a record is searched.
func fullName(fields map[string]string) string {
	name := fields[fieldName]
	if name == "" {
		name = fields[fieldFirst] + " " + fields[fieldLast]
	}
	return fold(name)
}

// fold is a text as it is compared: without regard to case and outer spaces.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
