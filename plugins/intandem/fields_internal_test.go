package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const listedFields = `[
	{"id":"1","label":"firstname_label","type":"firstname","object_type":"contact","deleted":false},
	{"id":"2","label":"Nachname","type":"lastname","object_type":"contact"},
	{"id":"3","label":"email_label","type":"email","object_type":"contact","deleted":null},
	{"id":"4","label":"","type":"phone","object_type":"contact"},
	{"id":"5","label":"Billing address","type":"address","object_type":"contact"},
	{"id":"6","label":"Address","type":"address","object_type":"contact"},
	{"id":"7","label":"Lead status","type":"status","object_type":"contact"},
	{"id":"8","label":"opt_in_label","type":"opt-in","object_type":"contact"},
	{"id":"9","label":"Matter","type":"name","object_type":"matter"},
	{"id":10,"label":" Goal ","type":"singleline","object_type":"matter"},
	{"id":"11","label":"Gone","type":"singleline","object_type":"contact","deleted":true},
	{"id":"12","label":"Gone too","type":"singleline","object_type":"contact","deleted":"true"},
	{"id":"13","label":"Goal","type":"dropdown","object_type":"contact"},
	{"id":"14","label":"email","type":"singleline","object_type":"contact"},
	{"id":"15","label":"bad\u0000label","type":"singleline","object_type":"contact"},
	{"id":"16","type":"singleline","object_type":"contact"},
	{"id":"17","label":"Matter phone","type":"phone","object_type":"matter"}
]`

func TestACustomFieldCanGoByItsID(t *testing.T) {
	want := []sdk.Field{
		{Key: "5", Label: "Billing address", Type: "address", Custom: true},
		{Key: "10", Label: "Goal", Type: "singleline", Custom: true},
		{Key: "13", Label: "Goal", Type: "dropdown", Custom: true},
		{Key: "14", Label: "email", Type: "singleline", Custom: true},
		{Key: "15", Label: "15", Type: "singleline", Custom: true},
		{Key: "16", Label: "16", Type: "singleline", Custom: true},
		{Key: "17", Label: "Matter phone", Type: "phone", Custom: true},
	}
	v := newVendor(t, answers(200, "application/json", `{"status":"OK","data":`+listedFields+`}`))
	c := opened(t, v.URL)
	c.customFields = byID
	all, err := c.ListFields(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(all, func(f sdk.Field) bool { return !f.Custom })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestFieldsAreListedFromBothShapes(t *testing.T) {
	want := []sdk.Field{
		{Key: "first_name", Label: "First name", Type: "firstname"},
		{Key: "last_name", Label: "Nachname", Type: "lastname"},
		{Key: "email", Label: "Email", Type: "email"},
		{Key: "phone", Label: "Phone", Type: "phone"},
		{Key: "Billing address", Label: "Billing address", Type: "address", Custom: true},
		{Key: "address", Label: "Address", Type: "address"},
		{Key: "status", Label: "Lead status", Type: "status"},
		{Key: "opt_in", Label: "Opt-in", Type: "opt-in"},
		{Key: "name", Label: "Matter", Type: "name"},
		{Key: "Goal", Label: "Goal", Type: "singleline", Custom: true},
		{Key: "Matter phone", Label: "Matter phone", Type: "phone", Custom: true},
	}
	for _, body := range []string{`{"status":"OK","data":` + listedFields + `}`, `{"status":"OK","data":{"fields":` + listedFields + `}}`} {
		v := newVendor(t, answers(200, "application/json", body))
		got, err := opened(t, v.URL).ListFields(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	}
}

func TestFieldsAreListedPageByPageUntilAShortOne(t *testing.T) {
	const total = 2*fieldsPerPage + 3
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		perPage, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		var slice []map[string]string
		for i := (page - 1) * perPage; i < min(page*perPage, total); i++ {
			slice = append(slice, map[string]string{"id": fmt.Sprint(i), "label": fmt.Sprint("Field ", i), "type": "singleline"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "OK", "data": slice})
	})
	got, err := opened(t, v.URL).ListFields(t.Context())
	if err != nil || len(got) != total || len(v.requests) != 3 {
		t.Errorf("%d fields, %v after %d requests; want %d after 3", len(got), err, len(v.requests), total)
	}
}

func TestAListThatRepeatsItselfEnds(t *testing.T) {
	var slice []map[string]string
	for i := range fieldsPerPage {
		slice = append(slice, map[string]string{"id": fmt.Sprint(i), "label": fmt.Sprint("Field ", i), "type": "singleline"})
	}
	v := newVendor(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "OK", "data": slice})
	})
	got, err := opened(t, v.URL).ListFields(t.Context())
	if err != nil || len(got) != fieldsPerPage || len(v.requests) != 2 {
		t.Errorf("%d fields, %v after %d requests; want %d after 2", len(got), err, len(v.requests), fieldsPerPage)
	}
}

func TestAFieldListThatFailsIsClassified(t *testing.T) {
	v := newVendor(t, answers(401, "application/json", `{"error":"`+testToken+`"}`))
	_, err := opened(t, v.URL).ListFields(t.Context())
	if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeAuth || strings.Contains(err.Error(), testToken) {
		t.Errorf("got %#v", e)
	}
}
