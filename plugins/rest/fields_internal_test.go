package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const ownFields = `version: 1
auth: bearer
kinds:
  member:
    class: E
    fields: {first_name: {at: /name, required: true, max_length: 20}, locker: /locker}
    custom_fields: {path: /v1/member_fields, items: /items, paging: {page: {param: page, size: per_page, limit: 1000}}, name: /key, label: /title, type: /type, required: /mandatory, max_length: /max}
    create: {path: /v1/members, body: {"...": data}}
  prospect:
    class: E
    fields: {first_name: /name}
    create: {path: /v1/prospects, body: {"...": data}}
`

func TestTheFieldsThatABusinessAddedAreListedBesideThoseOfTheFile(t *testing.T) {
	s := newService(t)
	s.records["member_fields"] = []map[string]any{
		{"key": "shoe_size", "title": "Shoe size", "type": "number", "mandatory": 1, "max": "3"},
		{"key": "locker", "title": "Locker", "max": json.Number("4")},
		{"key": "shoe_size"},
		{"key": json.Number("17"), "max": "many"},
	}
	c := opened(t, settingsOf(t, written(t, ownFields), s.url, nil))
	got, err := c.ListFields(t.Context())
	want := []sdk.Field{
		{Kind: sdk.KindMember, Key: "first_name", Required: true, MaxLength: 20},
		{Kind: sdk.KindMember, Key: "locker"},
		{Kind: sdk.KindMember, Key: "shoe_size", Label: "Shoe size", Type: "number", Custom: true, Required: true, MaxLength: 3},
		{Kind: sdk.KindMember, Key: "17", Custom: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	info, err := c.Target(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	member, _ := info.Kind(sdk.KindMember)
	prospect, _ := info.Kind(sdk.KindProspect)
	if !member.OtherFields || member.Fields[0].MaxLength != 20 || prospect.OtherFields || len(prospect.Fields) != 1 {
		t.Errorf("described as %+v and %+v", member, prospect)
	}
	if !slices.Contains(c.Abilities(), sdk.AbilityFieldLister) {
		t.Errorf("abilities %v", c.Abilities())
	}
}

func TestAListOfFieldsThatIsNoneIsAFault(t *testing.T) {
	var many []map[string]any
	for i := range sdk.MaxColumns + 1 {
		many = append(many, map[string]any{"key": fmt.Sprint("f", i)})
	}
	for name, list := range map[string][]map[string]any{
		"no name": {{"title": "Shoe size"}}, "a name that is none": {{"key": strings.Repeat("x", 300)}}, "too many": many,
	} {
		s := newService(t)
		s.records["member_fields"] = list
		got, err := opened(t, settingsOf(t, written(t, ownFields), s.url, nil)).ListFields(t.Context())
		if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeConfig {
			t.Errorf("%s: got %d fields, %v", name, len(got), err)
		}
	}
}

// TestPeopleAreFoundByFieldsInEveryClass: what a class says of lost answers has
// nothing to do with who can be looked for.
func TestPeopleAreFoundByFieldsInEveryClass(t *testing.T) {
	create := `create: {path: /v1/prospects, body: {"...": data}}`
	for class, promise := range map[string]string{
		"A":  `key_ttl: 24h, create: {path: /v1/prospects, idempotency_header: Idempotency-Key, body: {"...": data}}`,
		"B":  `save: {path: /v1/prospects, body: {"...": data, ref: "{key}"}}`,
		"B'": `unique: email, ` + create,
		"D":  `natural: [email, mobile], ` + create,
		"E":  create,
	} {
		s := newService(t).fill("prospects", 3)
		c := opened(t, settingsOf(t, written(t, fmt.Sprintf(`version: 1
auth: bearer
kinds:
  prospect: {class: "%s", %s, find_by: {path: /v1/prospects, items: /items, query: {email: "{data.email}", name: "{data.mobile}", both: "{data.a}{data.b}"}}}
`, class, promise)), s.url, nil))
		info, err := c.Target(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kind, _ := info.Kind(sdk.KindProspect)
		if diff := cmp.Diff([]string{"email", "mobile"}, kind.Finds); diff != "" || !slices.Contains(c.Abilities(), sdk.AbilityFinder) {
			t.Errorf("class %s: abilities %v, %s", class, c.Abilities(), diff)
		}
		res, err := c.Find(t.Context(), sdk.FindRequest{
			Kind: sdk.KindProspect, Queries: []sdk.Query{{Fields: map[string]string{"email": "ann1@example.com"}}},
		})
		if err != nil || len(res.Matches[0]) != 1 || res.Matches[0][0].ID != "prospects-1" {
			t.Errorf("class %s: found %+v, %v", class, res, err)
		}
	}
}

func TestWhatTheLimitsLeaveIsTold(t *testing.T) {
	s := newService(t).fill("prospects", 3)
	limited := strings.Replace(ownFields, "kinds:", "limits: {per_second: 100, per_day: 20}\nkinds:", 1)
	c := opened(t, settingsOf(t, written(t, limited), s.url, nil))
	if _, err := c.ListFields(t.Context()); err != nil {
		t.Fatal(err)
	}
	quotas, err := c.Quotas(t.Context())
	if err != nil || len(quotas) != 1 || quotas[0].Limit != 20 || quotas[0].Left != 19 {
		t.Errorf("got %+v, %v", quotas, err)
	}
	if without := opened(t, settingsOf(t, written(t, ownFields), s.url, nil)); slices.Contains(without.Abilities(), sdk.AbilityQuotaTeller) {
		t.Errorf("without limits it tells of them: %v", without.Abilities())
	}
}
