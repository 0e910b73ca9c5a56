package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

const (
	fieldsPath = "/platform/v1/fields"
	// fieldsPerPage is the vendor's maximum.
	fieldsPerPage = 100
	// maxFieldPages bounds a list that never ends.
	maxFieldPages = 50
	// maxLabelBytes bounds a label; a longer one is nothing that a person
	// would have typed.
	maxLabelBytes = 200
)

// systemField is a field that every business has.
type systemField struct {
	// typ is the vendor's type without punctuation.
	typ, key, label string
}

// systemFields are the types of the vendor's specification with the keys of
// its guide (first_name, last_name, email, phone, address); the guide names no
// key for the others, which have those of the clients API.
func systemFields() []systemField {
	return []systemField{
		{"firstname", "first_name", "First name"},
		{"lastname", "last_name", "Last name"},
		{"email", "email", "Email"},
		{"phone", "phone", "Phone"},
		{"address", "address", "Address"},
		{"status", "status", "Status"},
		{"optin", "opt_in", "Opt-in"},
		{"name", "name", "Name"},
	}
}

// clientField is one field as inTandem lists it.
type clientField struct {
	id, label, typ, objectType string
	deleted                    bool
}

// UnmarshalJSON takes any value for each member: an id may be a number, a bool
// may be text.
func (f *clientField) UnmarshalJSON(raw []byte) error {
	var loose struct {
		ID, Label, Type json.RawMessage
		ObjectType      json.RawMessage `json:"object_type"`
		Deleted         json.RawMessage `json:"deleted"`
	}
	if err := json.Unmarshal(raw, &loose); err != nil {
		return err
	}
	if string(loose.ID) != "null" {
		f.id = strings.Trim(string(loose.ID), `"`)
	}
	f.label, f.typ, f.objectType = text(loose.Label), text(loose.Type), text(loose.ObjectType)
	f.deleted = strings.Trim(string(loose.Deleted), `"`) == "true"
	return nil
}

// ListFields implements [sdk.FieldLister]. A system field has the key of the
// import, a custom one its label or its id, as the settings say.
func (c *connection) ListFields(ctx context.Context) ([]sdk.Field, error) {
	var all []clientField
	seen := make(map[string]bool)
	for page := 1; page <= maxFieldPages; page++ {
		got, err := c.fieldsPage(ctx, page, fieldsPerPage)
		if err != nil {
			return nil, err
		}
		fresh := false
		for _, f := range got {
			identity := f.id + "\x00" + f.objectType + "\x00" + f.label
			if !seen[identity] {
				seen[identity], fresh = true, true
				all = append(all, f)
			}
		}
		// A server that ignores the page number repeats the first page.
		if len(got) < fieldsPerPage || !fresh {
			break
		}
	}
	return importFields(all, c.customFields), nil
}

// Check implements [sdk.Checker] with the cheapest call that needs the token.
func (c *connection) Check(ctx context.Context) error {
	_, err := c.fieldsPage(ctx, 1, 1)
	return err
}

func (c *connection) fieldsPage(ctx context.Context, page, perPage int) ([]clientField, error) {
	query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(perPage)}}
	a, err := c.http.Get(ctx, fieldsPath, query)
	if err != nil {
		return nil, fmt.Errorf("list inTandem's fields: %w", err)
	}
	r := c.parse(a)
	if !a.OK() {
		return nil, c.listError(a, r)
	}
	fields, err := decodeFields(r.data)
	if err != nil || !r.ok {
		return nil, sdk.Fail(sdk.CodeData, fmt.Errorf("list inTandem's fields: the answer holds no list of fields (%s); check api_url",
			said(r.words, "another form than documented")))
	}
	return fields, nil
}

// listError classifies an answer that is no success.
func (c *connection) listError(a httpx.Answer, r reply) error {
	if a.Status == http.StatusTooManyRequests || a.Status == http.StatusRequestTimeout || a.Status >= 500 {
		return sdk.Retry(a.RetryAfter, fmt.Errorf("list inTandem's fields: inTandem answered %d: %s",
			a.Status, said(r.words, http.StatusText(a.Status))))
	}
	code, what := c.explain(a.Status, r)
	return sdk.Fail(code, fmt.Errorf("list inTandem's fields: inTandem answered %d: %s", a.Status, what))
}

// decodeFields takes both shapes of the list: data itself, or data.fields.
func decodeFields(data json.RawMessage) ([]clientField, error) {
	if isObject(data) {
		data = field(data, "fields")
	}
	var fields []clientField
	if len(data) == 0 || string(data) == "null" {
		return nil, errors.New("no list")
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, errors.New("not a list of objects")
	}
	return fields, nil
}

// importFields names what an import can fill, in inTandem's order. A custom
// field has its label or its id as key.
func importFields(all []clientField, by string) []sdk.Field {
	chosen := systemPositions(all)
	taken := make(map[string]bool)
	for _, s := range chosen {
		taken[s.key] = true
	}
	var out []sdk.Field
	for i, f := range all {
		if s, ok := chosen[i]; ok {
			out = append(out, sdk.Field{Key: s.key, Label: readable(f.label, s.label), Type: f.typ})
			continue
		}
		key := strings.TrimSpace(f.label)
		label := key
		if by == byID {
			key = f.id
			label = readable(label, key)
		}
		if f.deleted || !sound(key) || taken[key] {
			continue
		}
		taken[key] = true
		out = append(out, sdk.Field{Key: key, Label: label, Type: f.typ, Custom: true})
	}
	return out
}

// systemPositions finds the system fields. Custom fields share the type
// address: the one with the system's own label is preferred, else the first.
func systemPositions(all []clientField) map[int]systemField {
	chosen := make(map[int]systemField)
	for _, s := range systemFields() {
		best := -1
		for i, f := range all {
			if !s.matches(f) {
				continue
			}
			if strings.EqualFold(readable(f.label, s.label), s.label) {
				best = i
				break
			}
			if best < 0 {
				best = i
			}
		}
		if best >= 0 {
			chosen[best] = s
		}
	}
	return chosen
}

// matches reports whether f can be the system field. Of a matter only the name
// is one.
func (s systemField) matches(f clientField) bool {
	matter := f.objectType == "matter"
	return !f.deleted && letters(f.typ) == s.typ && matter == (s.typ == "name")
}

func letters(typ string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(typ))
}

// readable replaces a label that is missing, unsound or a raw key such as
// email_label.
func readable(label, otherwise string) string {
	label = strings.TrimSpace(label)
	if !sound(label) || strings.HasSuffix(label, "_label") && !strings.Contains(label, " ") {
		return otherwise
	}
	return label
}

func sound(label string) bool {
	return label != "" && len(label) <= maxLabelBytes && !strings.ContainsFunc(label, unicode.IsControl)
}
