package connector

import (
	"maps"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// form is what a value has to be.
type form uint8

const (
	formText form = iota
	formDate
	formGender
	formCountry
	formStatus
	formType
	formReference
)

// field is one value of a person or a staff member.
type field struct {
	// element is its place below userInfo, name what scripts read.
	element, name string
	form          form
	required      bool
	// lead says that only people have it, and not staff.
	lead bool
	// others are further names that targets have for it.
	others []string
}

// Names of fields that decide what a record is.
const (
	fieldStatus = "status"
	fieldType   = "type"
	fieldName   = "name"
	fieldActive = "active"
)

// FieldReceived is the field that tells when a record was pushed last.
const FieldReceived = "received_at"

// standardFields are the Connector's own, in the order of its documents.
func standardFields() []field {
	return []field{
		{element: "firstname", name: "first_name", required: true},
		{element: "lastname", name: "last_name", required: true},
		{element: "birthdate", name: "birthdate", form: formDate},
		{element: "gender", name: "gender", form: formGender},
		{element: "userStatus", name: fieldStatus, form: formStatus, required: true},
		{element: "userType", name: fieldType, form: formType, required: true},
		{element: "address1", name: "address1"},
		{element: "address2", name: "address2"},
		{element: "city", name: "city"},
		{element: "zipcode", name: "zip", others: []string{"zipcode", "postal_code"}},
		{element: "state", name: "state", others: []string{"province"}},
		{element: "country", name: "country", form: formCountry},
		{element: "mobile", name: "mobile"},
		{element: "email", name: "email"},
		{element: "homePhone", name: "home_phone", others: []string{"home"}},
		{element: "workPhone", name: "work_phone", others: []string{"work"}},
		{element: "company", name: "company"},
	}
}

// fieldsOf are all fields of a connection.
func fieldsOf(s settings) []field {
	fields := append(standardFields(),
		field{element: s.Owner, name: roster.OwnerField, form: formReference, lead: true},
		field{element: s.LeadSource, name: roster.LeadSourceField, form: formReference, lead: true},
		field{element: s.TrialStart, name: "trial_start", form: formDate, lead: true},
		field{element: s.TrialEnd, name: "trial_end", form: formDate, lead: true},
	)
	for _, name := range slices.Sorted(maps.Keys(s.Custom)) {
		fields = append(fields, field{element: s.Custom[name], name: name})
	}
	return fields
}

// columnsOf are the columns of the pages of a kind.
func columnsOf(kind sdk.Kind, custom []string) []string {
	if kind == sdk.KindLeadSource {
		return []string{fieldName, fieldActive, FieldReceived}
	}
	var names []string
	for _, f := range fieldsOf(settings{}) {
		if kind != sdk.KindStaff || !f.lead {
			names = append(names, f.name)
		}
	}
	return append(append(names, custom...), FieldReceived)
}

// Columns are the fields that records of a kind can have, as scripts read them.
func (e *Endpoint) Columns(kind sdk.Kind) []string { return columnsOf(kind, e.custom) }
