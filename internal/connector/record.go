package connector

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// resource is one of the three things that are saved and fetched.
type resource uint8

const (
	resourceUser resource = iota
	resourceStaff
	resourceLeadSource
)

// String is its name in the path.
func (r resource) String() string { return [...]string{"user", "staff", "leadsource"}[r] }

// kinds are those that a record of the resource may have.
func (r resource) kinds() []sdk.Kind {
	switch r {
	case resourceStaff:
		return []sdk.Kind{sdk.KindStaff}
	case resourceLeadSource:
		return []sdk.Kind{sdk.KindLeadSource}
	default:
		return []sdk.Kind{sdk.KindProspect, sdk.KindMember}
	}
}

// address is what a sender names a record by.
type address struct{ provider, client, club, record string }

// Bounds of texts, in characters.
const (
	maxID        = 255
	maxText      = 1000
	formOfDate   = time.DateOnly
	countryChars = 2
)

// addressOf reads the ids of a document.
func addressOf(d *document) (a address, err error) {
	for _, part := range []struct {
		path string
		into *string
	}{
		{"providerInfo/identifier", &a.provider},
		{"providerInfo/clientID", &a.client},
		{"providerInfo/clubID", &a.club},
		{"providerInfo/recordID", &a.record},
	} {
		text, _, err := d.take(part.path)
		if err == nil {
			err = checkID(part.path, text, part.into != &a.club)
		}
		if err != nil {
			return a, err
		}
		*part.into = text
	}
	return a, nil
}

func checkID(name, text string, needed bool) error {
	switch {
	case text == "" && needed:
		return badBody("%s is missing", name)
	case utf8.RuneCountInString(text) > maxID:
		return badBody("%s is longer than %d characters", name, maxID)
	case strings.ContainsFunc(text, unicode.IsControl):
		return badBody("%s has a control character", name)
	}
	return nil
}

// record makes a record of a document that was sent to a resource.
func (e *Endpoint) record(d *document, r resource, a address) (roster.Inbound, error) {
	root, want := d.root, "user"
	if r == resourceLeadSource {
		want = "leadSource"
	}
	if root != "" && root != want && (r != resourceStaff || root != "staff") {
		return roster.Inbound{}, badBody("its outermost element is not %s", want)
	}
	id, err := e.sourceID(a.club, a.record)
	if err != nil {
		return roster.Inbound{}, err
	}
	out := roster.Inbound{Kind: r.kinds()[0], ID: id, Club: a.club, Fields: map[string]*string{}}
	if len(e.clubs) == 0 {
		out.Club = ""
	}
	if r == resourceLeadSource {
		return out, leadSource(d, out.Fields)
	}
	if err := e.user(d, r, a.club, out.Fields); err != nil {
		return out, err
	}
	if kind := out.Fields[fieldType]; r == resourceUser && kind != nil {
		out.Kind = kindOfType(*kind)
	}
	return out, nil
}

// kindOfType is the kind of a person of a type; a former member is one of the
// members.
func kindOfType(text string) sdk.Kind {
	switch text {
	case typeProspect:
		return sdk.KindProspect
	case typeStaff:
		return sdk.KindStaff
	}
	return sdk.KindMember
}

// The types of users as scripts read them.
const (
	typeProspect = "prospect"
	typeMember   = "member"
	typeExMember = "ex_member"
	typeStaff    = "staff"
)

func (e *Endpoint) user(d *document, r resource, club string, into map[string]*string) error {
	for _, f := range e.fields {
		text, there, err := d.take("userInfo/" + f.element)
		if err != nil {
			return err
		}
		// What a staff member is, the address of the call says.
		needed := f.required && (r != resourceStaff || f.form != formType)
		switch {
		case text == "" && needed:
			return badBody("userInfo/%s is missing", f.element)
		case !there || r == resourceStaff && f.lead:
			continue
		case text == "":
			into[f.name] = nil
			continue
		}
		if text, err = e.convert(f, text, club); err != nil {
			return err
		}
		into[f.name] = &text
	}
	if r == resourceStaff {
		of := typeStaff
		into[fieldType] = &of
	}
	return nil
}

// convert checks a value and brings it into the form that scripts read.
func (e *Endpoint) convert(f field, text, club string) (string, error) {
	at := "userInfo/" + f.element
	if strings.ContainsFunc(text, isControl) {
		return "", badBody("%s has a control character", at)
	}
	switch f.form {
	case formType:
		return e.userType(at, text)
	case formReference:
		if err := checkID(at, text, true); err != nil {
			return "", err
		}
		return e.sourceID(club, text)
	default:
		return convertPlain(f.form, at, text)
	}
}

// convertPlain is [Endpoint.convert] for forms that are the same everywhere.
func convertPlain(of form, at, text string) (string, error) {
	switch of {
	case formDate:
		if _, err := time.Parse(formOfDate, text); err != nil {
			return "", badBody("%s is no date of the form yyyy-mm-dd", at)
		}
	case formGender:
		text = strings.ToUpper(text)
		if text != "M" && text != "F" {
			return "", badBody("%s is neither M nor F", at)
		}
	case formCountry:
		text = strings.ToUpper(text)
		if len(text) != countryChars || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return "", badBody("%s is no country code of two letters", at)
		}
	case formStatus:
		text = strings.ToLower(text)
		if text != "active" && text != "inactive" {
			return "", badBody("%s is neither ACTIVE nor INACTIVE", at)
		}
	default:
		if utf8.RuneCountInString(text) > maxText {
			return "", badBody("%s is longer than %d characters", at, maxText)
		}
	}
	return text, nil
}

// isControl reports what no text has; lines may end in one.
func isControl(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }

func (e *Endpoint) userType(at, text string) (string, error) {
	switch {
	case strings.EqualFold(text, "PROSPECT"):
		return typeProspect, nil
	case strings.EqualFold(text, "MEMBER"):
		return typeMember, nil
	case strings.EqualFold(text, e.exMember):
		return typeExMember, nil
	case strings.EqualFold(text, e.staff):
		return typeStaff, nil
	}
	return "", badBody("%s is none of PROSPECT, MEMBER, %s and %s", at, e.exMember, e.staff)
}

func leadSource(d *document, into map[string]*string) error {
	name, _, err := d.take("leadInfo/name")
	if err != nil {
		return err
	}
	active, there, err := d.take("leadInfo/active")
	if err != nil {
		return err
	}
	switch {
	case name == "":
		return badBody("leadInfo/name is missing")
	case utf8.RuneCountInString(name) > maxText, strings.ContainsFunc(name, isControl):
		return badBody("leadInfo/name has a control character or more than %d characters", maxText)
	case there && active != "true" && active != "false":
		return badBody("leadInfo/active is neither true nor false")
	}
	into[fieldName] = &name
	if there {
		into[fieldActive] = &active
	}
	return nil
}
