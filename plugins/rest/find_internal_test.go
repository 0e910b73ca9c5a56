package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestASearchThatTheServiceIgnoresIsAFaultAndNotAnAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"another marker": `{"items":[{"id":"1","external_ref":"other"}]}`,
		"no marker":      `{"items":[{"id":"1"}]}`,
		"no id":          `{"items":[{"external_ref":"mark"}]}`,
		"no list":        `{"ok":true}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		c := opened(t, settingsOf(t, "testdata/club.rest.yaml", server.URL, nil))
		got, err := c.Find(t.Context(), sdk.FindRequest{Kind: sdk.KindProspect, Queries: []sdk.Query{{Marker: "mark"}}})
		server.Close()
		if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestRecordsAreFoundByTheFieldsOfTheFileOnly(t *testing.T) {
	s := newService(t).fill("prospects", 4)
	s.records["prospects"][3]["email"] = "ann1@example.com"
	c := opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil))
	find := func(q sdk.Query) ([]sdk.Match, error) {
		res, err := c.Find(t.Context(), sdk.FindRequest{Kind: sdk.KindProspect, Queries: []sdk.Query{q}})
		if err != nil {
			return nil, err
		}
		return res.Matches[0], nil
	}
	two, err := find(sdk.Query{Fields: map[string]string{"email": "ann1@example.com"}})
	if err != nil || len(two) != 2 || two[0].ID != "prospects-1" || two[0].Club != "2" || !strings.Contains(string(two[0].Data), `"first_name":"Ann 1"`) {
		t.Errorf("got %+v, %v", two, err)
	}
	if none, err := find(sdk.Query{Fields: map[string]string{"email": "ann1@example.com"}, Club: "1"}); err != nil || len(none) != 0 {
		t.Errorf("in another club: got %+v, %v", none, err)
	}
	for _, fields := range []map[string]string{nil, {"phone": "1"}, {"email": "a@b", "phone": "1"}, {"email": ""}} {
		if got, err := find(sdk.Query{Fields: fields}); sdk.AsError(err) == nil || sdk.AsError(err).Code != sdk.CodeConfig {
			t.Errorf("%v: got %+v, %v", fields, got, err)
		}
	}
}

func TestStaffAndLeadSourcesAreListedWhole(t *testing.T) {
	s := newService(t)
	for i, email := range []string{"Ann@Example.com", "", "bob@example.com"} {
		s.records["staff"] = append(s.records["staff"], map[string]any{"id": i, "email": email, "club_id": "1"})
	}
	for i := range 130 {
		s.records["lead_sources"] = append(s.records["lead_sources"], map[string]any{"id": i, "name": "Web", "club_id": nil})
	}
	c := opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil))
	staff, err := c.ListStaff(t.Context())
	want := []sdk.Staff{{ID: "0", Email: "Ann@Example.com", Club: "1"}, {ID: "1", Club: "1"}, {ID: "2", Email: "bob@example.com", Club: "1"}}
	if diff := cmp.Diff(want, staff); err != nil || diff != "" {
		t.Error(err, diff)
	}
	sources, err := c.ListLeadSources(t.Context())
	if err != nil || len(sources) != 130 || sources[129] != (sdk.LeadSource{ID: "129", Name: "Web"}) {
		t.Errorf("%d sources, %v", len(sources), err)
	}
	found, err := c.FindStaff(t.Context(), "bob@example.com")
	if err != nil || len(found) != 1 || found[0].ID != "2" {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestInactiveStaffSaySo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"id":1,"mail":"a@b","active":false},{"id":2,"mail":"c@d","active":"true"},{"id":1,"mail":"a@b"}]`))
	}))
	defer server.Close()
	c := at(t, server.URL, "version: 1\nauth: bearer\nkinds:\n  staff: {email: /mail, inactive: {at: /active, equals: false}, list: {path: /s}}\n")
	got, err := c.ListStaff(t.Context())
	want := []sdk.Staff{{ID: "1", Email: "a@b", Inactive: true}, {ID: "2", Email: "c@d"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestAGetOfAnotherRecordIsAFault(t *testing.T) {
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	defer server.Close()
	c := at(t, server.URL, "version: 1\nauth: bearer\nkinds:\n  member: {get: {path: \"/m/{id}\", item: /data}}\n")
	get := func() (*sdk.Page, error) {
		return c.Get(t.Context(), sdk.GetRequest{Kind: sdk.KindMember, IDs: []string{"7"}})
	}
	for _, answer = range []string{`{"data":{"id":7}}`, `{"data":[{"id":7}]}`} {
		if p, err := get(); err != nil || p.Rows != 1 {
			t.Errorf("%s: got %+v, %v", answer, p, err)
		}
	}
	for _, answer = range []string{`{"data":null}`, `{"data":[]}`, `{}`} {
		if p, err := get(); err != nil || p.Rows != 0 {
			t.Errorf("%s: got %+v, %v", answer, p, err)
		}
	}
	answer = `{"data":{"id":8}}`
	if p, err := get(); sdk.AsError(err) == nil {
		t.Errorf("got %+v", p)
	}
}

func TestAbilitiesFollowFromTheCalls(t *testing.T) {
	for text, want := range map[string][]sdk.Ability{
		"member: {list: {path: /m}}":                                            {sdk.AbilityChecker, sdk.AbilitySource},
		"member: {get: {path: \"/m/{id}\"}}\nclubs: {path: /c}":                 {sdk.AbilityClubLister, sdk.AbilityGetter},
		"member: {get: {path: \"/m/{id}\"}}":                                    {sdk.AbilityGetter},
		"member: {class: E, create: {path: /m, body: {\"...\": data}}}":         {sdk.AbilityTarget},
		"member: {find_by: {path: /m, query: {email: \"{data.email}\"}}}":       nil,
		"staff: {email: /e, find_by: {path: /m, query: {q: \"{data.email}\"}}}": {sdk.AbilityStaffFinder},
		"staff: {email: /e, list: {path: /m}}":                                  {sdk.AbilityChecker, sdk.AbilitySource, sdk.AbilityStaffLister},
		"lead_source: {name: /n, list: {path: /m}}":                             {sdk.AbilityChecker, sdk.AbilityLeadSourceLister, sdk.AbilitySource},
	} {
		c := at(t, "https://example.com", "version: 1\nauth: bearer\nkinds:\n  "+text+"\n")
		if got := sdk.AbilitiesOf(c); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestASearchByFieldsNeverLeavesOneOut(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.URL.RawQuery + " " + string(body)
		_, _ = io.WriteString(w, `[]`)
	}))
	defer server.Close()
	c := at(t, server.URL, "version: 1\nauth: bearer\nkinds:\n  member:\n    class: D\n    natural: [email, first, last, phone]\n"+
		"    find_by: {method: POST, path: /m, query: {e: \"{data.email}\", n: \"{data.first} {data.last}\"}, body: {or: [{phone: \"{data.phone}\"}]}}\n"+
		"    create: {path: /m, body: {\"...\": data}}\n")
	for _, tt := range []struct {
		fields map[string]string
		want   string
	}{
		{map[string]string{"email": "a@b"}, "e=a%40b {\"or\":[]}"},
		{map[string]string{"email": "a@b", "phone": "1"}, "e=a%40b {\"or\":[{\"phone\":\"1\"}]}"},
		{map[string]string{"first": "A", "last": "B"}, "n=A+B {\"or\":[]}"},
		{map[string]string{"first": "A"}, ""},
		{map[string]string{"email": "a@b", "first": "A"}, ""},
	} {
		asked = ""
		_, err := c.Find(t.Context(), sdk.FindRequest{Kind: sdk.KindMember, Queries: []sdk.Query{{Fields: tt.fields}}})
		if asked != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%v: asked %q, want %q (%v)", tt.fields, asked, tt.want, err)
		}
	}
}
