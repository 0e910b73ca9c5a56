package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// secretName is a value of a record, which no result may show.
const secretName = "Zanzibara"

const outcomeFile = `version: 1
auth: bearer
errors:
  ok: {at: /ok, equals: true}
  status: /error/status
  code: /error/code
  message: /error/message
  conflict_id: /error/id
  retry: [busy]
  fail: [bad_key]
  conflict: [duplicate]
  gone: [no_such]
  unknown: [internal]
kinds:
  prospect:
    class: C
    marker: /external_ref
    create: {path: /p, body: {"...": data, external_ref: "{marker}"}}
    update: {path: "/p/{id}", body: {"...": data}}
    deactivate: {path: "/p/{id}/off"}
    delete: {path: "/p/{id}"}
    find: {path: /p, query: {ref: "{marker}"}}
  member:
    class: E
    save: {path: /m, created: 201, body: {"...": data, id: "{id}"}}
    convert: {path: "/p/{id}/convert", created: 201}
    transfer: {path: "/m/{id}/club", body: {to: "{club}"}}
`

// outcomes are statuses and bodies with what they prove.
func outcomes() []struct {
	status int
	body   string
	op     sdk.Op
	want   string
} {
	const retry, reject, fail = "refused retry ", "refused reject ", "refused fail "
	return []struct {
		status int
		body   string
		op     sdk.Op
		want   string
	}{
		{201, `{"ok":true,"id":"n1"}`, sdk.OpCreate, "ok n1"},
		{200, `{"ok":true,"id":12345678901234567890}`, sdk.OpCreate, "ok 12345678901234567890"},
		{200, `{"ok":"true","id":"n1","external_ref":"mark"}`, sdk.OpCreate, "ok n1"},
		{200, `{"ok":true,"id":"n1","external_ref":"another"}`, sdk.OpCreate, "unknown"},
		{200, `{"ok":true,"id":"n1","external_ref":null}`, sdk.OpCreate, "unknown"},
		{200, `{"ok":true}`, sdk.OpCreate, "unknown"},
		{200, `{"ok":true,"id":{"a":1}}`, sdk.OpCreate, "unknown"},
		{200, `{"id":"n1"}`, sdk.OpCreate, "unknown"},
		{200, `<html>`, sdk.OpCreate, "unknown"},
		{200, ``, sdk.OpCreate, "unknown"},
		{204, ``, sdk.OpUpdate, "ok p1"},
		{204, ``, sdk.OpCreate, "unknown"},
		{200, `{"ok":true}`, sdk.OpUpdate, "ok p1"},
		{200, `{"ok":true}`, sdk.OpDeactivate, "ok p1"},
		{200, `{"ok":false}`, sdk.OpCreate, reject + "data"},
		{200, `{"ok":false,"error":{"code":"busy"}}`, sdk.OpCreate, retry + "unavailable"},
		{200, `{"ok":false,"error":{"code":"bad_key"}}`, sdk.OpCreate, fail + "config"},
		{200, `{"ok":false,"error":{"code":"duplicate","id":"x9"}}`, sdk.OpCreate, "conflict x9"},
		{200, `{"ok":false,"error":{"code":"internal"}}`, sdk.OpCreate, "unknown"},
		{200, `{"ok":false,"error":{"code":"no_such"}}`, sdk.OpUpdate, reject + "data"},
		{200, `{"ok":false,"error":{"code":"no_such"}}`, sdk.OpDelete, "ok p1"},
		{200, `{"ok":false,"error":{"status":500,"code":"x"}}`, sdk.OpCreate, "unknown"},
		{200, `{"ok":false,"error":{"status":429,"code":"x"}}`, sdk.OpCreate, retry + "quota"},
		{200, `{"ok":false,"error":{"status":404,"code":"x"}}`, sdk.OpUpdate, reject + "data"},
		{400, `{"error":{"code":"bad"}}`, sdk.OpCreate, reject + "data"},
		{400, ``, sdk.OpUpdate, reject + "data"},
		{422, `{"error":{"code":"duplicate","id":"x9"}}`, sdk.OpCreate, "conflict x9"},
		{422, `{"error":{"code":"busy"}}`, sdk.OpCreate, retry + "unavailable"},
		{413, ``, sdk.OpCreate, reject + "data"},
		{401, `{"error":{"code":"busy"}}`, sdk.OpCreate, fail + "auth"},
		{403, ``, sdk.OpCreate, fail + "auth"},
		{404, ``, sdk.OpCreate, fail + "config"},
		{404, ``, sdk.OpUpdate, reject + "data"},
		{404, ``, sdk.OpDeactivate, reject + "data"},
		{404, ``, sdk.OpDelete, "ok p1"},
		{410, ``, sdk.OpUpdate, reject + "data"},
		{405, ``, sdk.OpCreate, fail + "config"},
		{415, ``, sdk.OpCreate, fail + "config"},
		{409, `{"error":{"code":"whatever","id":"x9"}}`, sdk.OpCreate, "conflict x9"},
		{409, `no JSON`, sdk.OpCreate, "conflict "},
		{429, ``, sdk.OpCreate, retry + "quota"},
		{408, ``, sdk.OpCreate, "unknown"},
		{500, `{"error":{"code":"duplicate"}}`, sdk.OpCreate, "unknown"},
		{500, `{"error":{"code":"busy"}}`, sdk.OpCreate, "unknown"},
		{502, ``, sdk.OpUpdate, "unknown"},
		{503, ``, sdk.OpCreate, "unknown"},
		{302, ``, sdk.OpCreate, "unknown"},
		{201, `{"ok":true,"id":"m1"}`, sdk.OpConvert, "ok m1"},
		{201, `{"ok":true}`, sdk.OpConvert, "unknown"},
		{204, ``, sdk.OpConvert, "conflict "},
		{200, `{"ok":true,"id":"m1"}`, sdk.OpConvert, "conflict m1"},
		{409, `{"error":{"code":"converted","id":"m1"}}`, sdk.OpConvert, "conflict m1"},
		{404, ``, sdk.OpConvert, reject + "data"},
		{405, ``, sdk.OpConvert, fail + "config"},
		{500, ``, sdk.OpConvert, "unknown"},
		{200, `{"ok":true}`, sdk.OpTransfer, "ok p1"},
		{204, ``, sdk.OpTransfer, "ok p1"},
		{422, `{"error":{"code":"x"}}`, sdk.OpTransfer, reject + "data"},
		{504, ``, sdk.OpTransfer, "unknown"},
	}
}

func told(r sdk.Result) string {
	switch r.Outcome {
	case sdk.OutcomeOK, sdk.OutcomeConflict:
		return string(r.Outcome) + " " + r.ID
	case sdk.OutcomeRefused:
		return fmt.Sprintf("refused %s %s", r.Class, r.Code)
	case sdk.OutcomeUnknown:
	}
	return string(r.Outcome)
}

func TestEveryAnswerHasTheOutcomeThatItProves(t *testing.T) {
	var status int
	var body string
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	c := at(t, server.URL, outcomeFile)
	for _, tt := range outcomes() {
		status, requests = tt.status, 0
		body = strings.Replace(tt.body, `"code"`, `"message":"no `+secretName+` here","code"`, 1)
		op := sdk.Operation{Op: tt.op, ID: "p1", Marker: "mark", Key: "k", Club: "2", Data: []byte(`{"name":"` + secretName + `"}`)}
		kind := sdk.KindProspect
		if tt.op == sdk.OpConvert || tt.op == sdk.OpTransfer {
			kind = sdk.KindMember
		}
		res, err := c.Write(t.Context(), sdk.WriteRequest{Kind: kind, Operations: []sdk.Operation{op}})
		if err != nil || len(res.Results) != 1 {
			t.Fatal(err, res)
		}
		got := res.Results[0]
		if told(got) != tt.want || requests != 1 {
			t.Errorf("%s answered %d %s: %s after %d requests, want %s after 1\n%+v", tt.op, tt.status, tt.body, told(got), requests, tt.want, got)
		}
		if strings.Contains(fmt.Sprintf("%+v", got), secretName) || got.Outcome != sdk.OutcomeOK && got.Detail == "" {
			t.Errorf("%s answered %d %s: detail %q shows a value, or nothing", tt.op, tt.status, tt.body, got.Detail)
		}
		if got.Class == sdk.ClassRetry && got.After != 7*time.Second {
			t.Errorf("answered %d %s: wait %s, want what the service asked for", tt.status, tt.body, got.After)
		}
	}
}

func TestASuccessOfAnotherStatusThanCreatedIsAConflict(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"ok":true,"id":"old"}`))
	}))
	defer server.Close()
	c := at(t, server.URL, outcomeFile)
	res, err := c.Write(t.Context(), sdk.WriteRequest{Kind: sdk.KindMember, Operations: []sdk.Operation{
		{Op: sdk.OpCreate, Marker: "m", Data: []byte(`{}`)}, {Op: sdk.OpUpdate, ID: "old", Data: []byte(`{}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"conflict old", "ok old"}, []string{told(res.Results[0]), told(res.Results[1])}); diff != "" {
		t.Error(diff)
	}
}

func TestAServiceUnavailableIsRefusedOnlyWhereThatIsSafe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	c := at(t, server.URL, strings.Replace(outcomeFile, "errors:\n", "errors:\n  safe_503: true\n", 1))
	got := c.write(t.Context(), sdk.KindProspect, sdk.Operation{Op: sdk.OpCreate, Marker: "m", Data: []byte(`{}`)})
	if told(got) != "refused retry unavailable" || got.After != 3*time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestAMessageIsShownOnlyWhereThatIsSafe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"error":{"code":"E 1","message":"Club\nis closed ` + testToken + `"}}`))
	}))
	defer server.Close()
	c := at(t, server.URL, strings.Replace(outcomeFile, "errors:\n", "errors:\n  message_safe: true\n", 1))
	got := c.write(t.Context(), sdk.KindProspect, sdk.Operation{Op: sdk.OpCreate, Data: []byte(`{}`)})
	if want := "POST /p answered 422: Club is closed [redacted]"; got.Detail != want {
		t.Errorf("got %q, want %q", got.Detail, want)
	}
}

func TestWhatCannotBeSentIsRefusedAndNotSent(t *testing.T) {
	s := newService(t)
	c := at(t, s.url, outcomeFile)
	for _, tt := range []struct {
		op   sdk.Operation
		want string
	}{
		{sdk.Operation{Op: sdk.OpUpdate, ID: "..", Data: []byte(`{}`)}, "refused reject data"},
		{sdk.Operation{Op: sdk.OpUpdate, Data: []byte(`{}`)}, "refused reject data"},
		{sdk.Operation{Op: sdk.OpUpdate, ID: "1", Data: []byte(`[]`)}, "refused reject data"},
		{sdk.Operation{Op: "merge", ID: "1"}, "refused reject config"},
	} {
		if got := c.write(t.Context(), sdk.KindProspect, tt.op); told(got) != tt.want {
			t.Errorf("%+v: got %+v", tt.op, got)
		}
	}
	read := c.write(sdk.WithReadOnly(t.Context()), sdk.KindProspect, sdk.Operation{Op: sdk.OpDelete, ID: "1"})
	if read.Outcome != sdk.OutcomeRefused {
		t.Errorf("under read-only: got %+v", read)
	}
	if seen := s.requests(); len(seen) != 0 {
		t.Errorf("the service was asked %v", seen)
	}
}

func TestNobodyListeningIsRefusedAndTriedLater(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c := at(t, server.URL, outcomeFile)
	got := c.write(t.Context(), sdk.KindProspect, sdk.Operation{Op: sdk.OpUpdate, ID: "p77", Data: []byte(`{}`)})
	if told(got) != "refused retry unavailable" || strings.Contains(got.Detail, "p77") {
		t.Errorf("got %+v", got)
	}
}

func TestALostAnswerIsUnknown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	c := at(t, server.URL, outcomeFile)
	for _, op := range []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete} {
		got := c.write(t.Context(), sdk.KindProspect, sdk.Operation{Op: op, ID: "p77", Data: []byte(`{}`)})
		if told(got) != "unknown" || strings.Contains(got.Detail, "p77") {
			t.Errorf("%s: got %+v", op, got)
		}
	}
}
