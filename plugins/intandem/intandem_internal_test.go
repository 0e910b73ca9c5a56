package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const testToken = "tok3n-that-nobody-may-see"

// vendor is an HTTP server that plays inTandem with fixed answers.
type vendor struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
	bodies   []string
}

func newVendor(t *testing.T, answer http.HandlerFunc) *vendor {
	t.Helper()
	v := &vendor{}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v.mu.Lock()
		v.requests = append(v.requests, fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type")))
		v.bodies = append(v.bodies, string(body))
		v.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) sent() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.requests)
}

func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func opened(t *testing.T, url string) *connection {
	t.Helper()
	settings, err := json.Marshal(map[string]string{
		"business_uid": "b1", "app_code_name": "acmeimport", "token": testToken, "staff_uid": "s1", "api_url": url,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := adapter().Opener.Open(t.Context(), sdk.Connection{Name: "acme/intandem", Settings: settings, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c, ok := v.(*connection)
	if !ok {
		t.Fatalf("opened a %T", v)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestTheAdapterDescribesItself(t *testing.T) {
	info := adapter().Describe()
	want := []sdk.Ability{sdk.AbilityImportStarter, sdk.AbilityOutcomeSubscriber, sdk.AbilityFieldLister, sdk.AbilityChecker}
	if info.Name != "intandem" || info.Version == "" || !cmp.Equal(info.Abilities, want) {
		t.Errorf("%+v", info)
	}
}

// The schema and the adapter's own check refuse the same settings.
func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(settingsSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("settings.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("settings.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		settings string
		fault    string
	}{
		{`{"business_uid":"b","app_code_name":"a1","token":"t"}`, ""},
		{`{"business_uid":"b","app_code_name":"a1","token":"t","staff_uid":"s","api_url":"http://127.0.0.1:1"}`, ""},
		{`{"app_code_name":"a","token":"t"}`, "business_uid is missing"},
		{`{"business_uid":"b","token":"t"}`, "app_code_name is missing"},
		{`{"business_uid":"b","app_code_name":"a"}`, "token is missing"},
		{`{"business_uid":"","app_code_name":"a","token":"t"}`, "business_uid is missing"},
		{`{"business_uid":"b","app_code_name":"a/../b","token":"t"}`, "app_code_name has other characters"},
		{`{"business_uid":"b","app_code_name":"a","token":"t","tokn":"x"}`, "settings are not"},
		{`{"business_uid":7,"app_code_name":"a","token":"t"}`, "settings are not"},
		{`{"business_uid":"b","app_code_name":"a","token":"t","custom_fields":"id","matters":{"key":"deals","name":"title","declared":true}}`, ""},
		{`{"business_uid":"b","app_code_name":"a","token":"t","custom_fields":"uid"}`, "setting custom_fields"},
		{`{"business_uid":"b","app_code_name":"a","token":"t","matters":{"key":"email"}}`, "setting matters.key"},
		{`{"business_uid":"b","app_code_name":"a","token":"t","matters":{"keys":"x"}}`, "settings are not"},
		{`[]`, "settings are not"},
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(tt.settings))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != (tt.fault == "") {
			t.Errorf("schema on %s: %v", tt.settings, err)
		}
		checkFault(t, tt.settings, tt.fault)
	}
	checkFault(t, `{"business_uid":"b","app_code_name":"a","token":"`+testToken+` x"}`, "setting token")
	checkFault(t, `{"business_uid":"b","app_code_name":"a","token":"t","api_url":"http://api.vcita.biz"}`, "setting api_url")
	checkFault(t, `{"business_uid":"b","app_code_name":"a","token":{"x":"`+testToken+`"}}`, "settings are not")
}

func checkFault(t *testing.T, settings, fault string) {
	t.Helper()
	_, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: json.RawMessage(settings)})
	switch {
	case fault == "" && err != nil:
		t.Errorf("%s: %v", settings, err)
	case fault == "":
	case err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), testToken):
		t.Errorf("%s: error %v, want %q", settings, err, fault)
	case sdk.AsError(err).Code != sdk.CodeConfig || sdk.AsError(err).Class != sdk.ClassFail:
		t.Errorf("%s: %#v, want a configuration error", settings, sdk.AsError(err))
	}
}

func TestTheIdentityComesFromTheSettings(t *testing.T) {
	got, err := opened(t, "").ImportIdentity(t.Context())
	if want := (sdk.ImportIdentity{BusinessUID: "b1", StaffUID: "s1"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	settings := `{"business_uid":"b","app_code_name":"a","token":"t","matters":{"key":"deals","name":"title","declared":true}}`
	v, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: json.RawMessage(settings)})
	if err != nil {
		t.Fatal(err)
	}
	got, err = v.(sdk.ImportStarter).ImportIdentity(t.Context())
	want := sdk.ImportIdentity{BusinessUID: "b", Matters: sdk.MatterForm{Key: "deals", Name: "title", Declared: true}}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTheAnnouncementIsTheGoldenRequest(t *testing.T) {
	for name, req := range map[string]sdk.StartImportRequest{
		"single": {
			Fields: []sdk.ImportField{{Key: "first_name", Label: "First Name"}, {Key: "email", Label: "E-Mail"}, {Key: "phone"}, {Key: "address", Label: "Straße <1> & \"2\""}},
			Upload: "single", Notify: true,
		},
		"multi":   {Fields: []sdk.ImportField{{Key: "first_name", Label: "Vorname"}, {Key: "Goal \"x\"", Label: "Goal"}}, Upload: "multi", Override: true},
		"default": {Fields: []sdk.ImportField{{Key: "first_name"}, {Key: "Member No"}}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, answers(201, "application/json", `{"success":true,"data":{"session_id":"x"}}`))
			got, err := opened(t, v.URL).StartImport(t.Context(), req)
			if err != nil || got.Outcome != sdk.OutcomeOK {
				t.Fatalf("got %+v, %v", got, err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), v.bodies[0]); diff != "" || !json.Valid([]byte(v.bodies[0])) {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			line := "POST /business/clients/v1/apps/acmeimport/import Bearer " + testToken + " application/json"
			if !cmp.Equal(v.requests, []string{line}) {
				t.Errorf("requests %v", v.requests)
			}
		})
	}
}

func TestAnAnnouncementThatMakesNoSenseIsNotSent(t *testing.T) {
	v := newVendor(t, answers(201, "application/json", `{"success":true}`))
	for _, req := range []sdk.StartImportRequest{
		{},
		{Fields: []sdk.ImportField{{Key: "a"}}, Upload: "double"},
		{Fields: []sdk.ImportField{{Key: ""}}},
		{Fields: []sdk.ImportField{{Key: "a"}, {Key: "a"}}},
	} {
		got, err := opened(t, v.URL).StartImport(t.Context(), req)
		if err != nil || got.Outcome != sdk.OutcomeRefused || got.Code != sdk.CodeConfig || got.Detail == "" {
			t.Errorf("%+v: %+v, %v", req, got, err)
		}
	}
	if len(v.requests) != 0 {
		t.Errorf("sent %v", v.requests)
	}
}

func TestEveryAnswerToTheAnnouncementIsUnderstood(t *testing.T) {
	const (
		js   = "application/json"
		ok   = sdk.OutcomeOK
		no   = sdk.OutcomeRefused
		open = sdk.OutcomeUnknown
	)
	for _, tt := range []struct {
		name    string
		status  int
		kind    string
		body    string
		outcome sdk.Outcome
		code    sdk.Code
		session string
		detail  string
	}{
		{"text id", 201, js, `{"success":true,"data":{"session_id":"0a35841d-1"}}`, ok, "", "0a35841d-1", ""},
		{"number id", 201, js, `{"success":true,"data":{"session_id":12345678901234567890}}`, ok, "", "12345678901234567890", ""},
		{"no id", 201, js, `{"success":true,"data":{}}`, ok, "", "", ""},
		{"null id", 201, js, `{"success":true,"data":{"session_id":null}}`, ok, "", "", ""},
		{"odd id", 201, js, `{"success":true,"data":{"session_id":{"a":1}}}`, ok, "", "", ""},
		{"true id", 201, js, `{"success":true,"data":{"session_id":true}}`, ok, "", "", ""},
		{"huge id", 201, js, `{"success":true,"data":{"session_id":"` + strings.Repeat("x", 500) + `"}}`, ok, "", "", ""},
		{"id with control characters", 201, js, `{"success":true,"data":{"session_id":"a\u0000b"}}`, ok, "", "", ""},
		{"data null", 200, js, `{"data":null,"success":true}`, ok, "", "", ""},
		{"data an array", 200, js, `{"data":[1],"success":true}`, ok, "", "", ""},
		{"data missing", 200, js, `{"success":true}`, ok, "", "", ""},
		{"platform envelope", 200, js, `{"status":"OK","data":{"session_id":"x"}}`, ok, "", "x", ""},
		{"success false", 200, js, `{"success":false,"errors":[{"message":"no luck"}]}`, open, sdk.CodeUnavailable, "", "no luck"},
		{"success as text", 200, js, `{"success":"true"}`, open, sdk.CodeUnavailable, "", "does not say"},
		{"garbage", 200, js, `)]}'`, open, sdk.CodeUnavailable, "", ""},
		{"cut", 201, js, `{"success":true,"da`, open, sdk.CodeUnavailable, "", "cut or malformed"},
		{"empty", 204, js, ``, open, sdk.CodeUnavailable, "", "does not say"},
		{"number", 200, js, `7`, open, sdk.CodeUnavailable, "", "7"},
		{"deep", 200, js, strings.Repeat("[", 100_000), open, sdk.CodeUnavailable, "", "malformed"},
		{"huge", 200, js, `{"success":true,"x":"` + strings.Repeat("x", 2<<20) + `"}`, open, sdk.CodeUnavailable, "", "over 1 MiB"},
		{"HTML", 200, "text/html; charset=utf-8", `<html>Maintenance</html>`, open, sdk.CodeUnavailable, "", "a page of HTML"},

		{
			"not installed", 422, js, `{"success":false,"errors":[{"code":"invalid","message":"The application acmeimport is not installed for the business"}]}`,
			no, sdk.CodeConfig, "", "The application acmeimport is not installed for the business. Install the app acmeimport for business b1",
		},
		{
			"wrong type", 422, js, `{"success":false,"errors":[{"code":"invalid","message":"wrong type expecting import_clients"}]}`,
			no, sdk.CodeConfig, "", "must have the app type import_clients",
		},
		{
			"422 by field", 422, js, `{"success":false,"errors":[{"code":"invalid","field":"upload_type","message":"bad"},{"code":"second"},"third"]}`,
			no, sdk.CodeConfig, "", "upload_type: bad; second; third. Correct",
		},
		{"422 object", 422, js, `{"errors":{"message":"single"}}`, no, sdk.CodeConfig, "", "single. Correct"},
		{"422 unauthorized", 422, js, `{"status":"Error","error":"Unauthorized"}`, no, sdk.CodeAuth, "", "does not belong to this business"},
		{"422 empty", 422, js, ``, no, sdk.CodeConfig, "", "Unprocessable Entity. Correct"},

		{"401 token", 401, js, `{"status":"Error","error":"401 Unauthorized"}`, no, sdk.CodeAuth, "", "The token is not valid"},
		{"401 token as text", 401, "text/plain", `401 Unauthorized`, no, sdk.CodeAuth, "", "The token is not valid"},
		{"401 type", 401, js, `{"success":false,"errors":[{"code":"unauthorized","message":"Unauthorized"}]}`, no, sdk.CodeAuth, "", "wrong type or of another business"},
		{"401 directory", 401, js, `{"error":"Unauthorized"}`, no, sdk.CodeAuth, "", "another directory"},
		{"401 doorkeeper", 401, js, `{"error":"invalid_token","error_description":"The access token expired"}`, no, sdk.CodeAuth, "", "invalid_token; The access token expired. The token is refused"},
		{"401 empty", 401, js, ``, no, sdk.CodeAuth, "", "Unauthorized. The token is refused"},
		{"403", 403, js, `{"error":"no"}`, no, sdk.CodeAuth, "", "may not do this"},
		{"400", 400, js, `{"message":"what?"}`, no, sdk.CodeConfig, "", "what?. The request is not understood"},
		{"404", 404, "text/html", `<html>`, no, sdk.CodeConfig, "", "There is no such address"},
		{"405", 405, js, ``, no, sdk.CodeConfig, "", "There is no such address"},
		{"429", 429, js, `{"error":"Too many requests"}`, no, sdk.CodeUnavailable, "", "Nothing has begun"},

		{
			"500", 500, js, `{"success":false,"errors":[{"code":"unexpected","message":"undefined method 'key?' for nil"}]}`,
			open, sdk.CodeUnavailable, "", "whether the import began is not known: undefined method 'key?' for nil",
		},
		{"502", 502, "text/html", `<html>Bad gateway</html>`, open, sdk.CodeUnavailable, "", "a page of HTML"},
		{"503", 503, js, ``, open, sdk.CodeUnavailable, "", "Service Unavailable"},
		{"408", 408, js, ``, open, sdk.CodeUnavailable, "", "Request Timeout"},
		{"409", 409, js, `{"error":"conflict"}`, open, sdk.CodeUnavailable, "", "conflict"},
		{"307", 307, js, ``, open, sdk.CodeUnavailable, "", "Temporary Redirect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVendor(t, answers(tt.status, tt.kind, tt.body))
			got, err := opened(t, v.URL).StartImport(t.Context(), sdk.StartImportRequest{Fields: []sdk.ImportField{{Key: "first_name"}}})
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != tt.outcome || got.Code != tt.code || got.SessionID != tt.session || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got %+v", got)
			}
			if tt.outcome != ok && (!strings.Contains(got.Detail, fmt.Sprint(tt.status)) && tt.name != "huge") {
				t.Errorf("detail %q does not name the status", got.Detail)
			}
			if len(v.requests) != 1 {
				t.Errorf("sent %d times", len(v.requests))
			}
		})
	}
}

func TestTheVendorsWordsAreCutCleanedAndWithoutTheToken(t *testing.T) {
	words := "bad\u0000\u001b[31m\r\n" + testToken + " " + strings.Repeat("é", 1000)
	body, err := json.Marshal(map[string]any{"errors": []any{map[string]string{"message": words}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{200, 401, 422, 500} {
		for _, kind := range []string{"application/json", "text/plain"} {
			sent := body
			if kind == "text/plain" {
				sent = []byte(words)
			}
			v := newVendor(t, answers(status, kind, string(sent)))
			c := opened(t, v.URL)
			got, _ := c.StartImport(t.Context(), sdk.StartImportRequest{Fields: []sdk.ImportField{{Key: "first_name"}}})
			if strings.Contains(got.Detail, testToken) || strings.ContainsAny(got.Detail, "\x00\x1b\r\n") || strings.Count(got.Detail, "é") > 300 {
				t.Errorf("%d %s: detail %q", status, kind, got.Detail)
			}
			if !strings.Contains(got.Detail, "bad [31m [redacted] é") {
				t.Errorf("%d %s: detail %q lost the words", status, kind, got.Detail)
			}
		}
	}
}

func TestABrokenAnswerToTheAnnouncementIsUnknownAndAnUnreachableVendorRefused(t *testing.T) {
	v := newVendor(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	req := sdk.StartImportRequest{Fields: []sdk.ImportField{{Key: "first_name"}}}
	got, err := opened(t, v.URL).StartImport(t.Context(), req)
	if err != nil || got.Outcome != sdk.OutcomeUnknown || !strings.Contains(got.Detail, "not known") || v.sent() != 1 {
		t.Errorf("got %+v, %v after %d requests", got, err, v.sent())
	}
	v.Close()
	got, err = opened(t, v.URL).StartImport(t.Context(), req)
	if err != nil || got.Outcome != sdk.OutcomeRefused || got.Code != sdk.CodeUnavailable || !strings.Contains(got.Detail, "check api_url") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestACheckSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		class  sdk.Class
		code   sdk.Code
		says   string
	}{
		{200, `{"status":"OK","data":[]}`, "", "", ""},
		{200, `{"status":"OK","data":{"fields":[]}}`, "", "", ""},
		{200, `{"success":true,"data":{"fields":[{"id":1,"label":null,"type":3}]}}`, "", "", ""},
		{401, `{"status":"Error","error":"401 Unauthorized"}`, sdk.ClassFail, sdk.CodeAuth, "The token is not valid"},
		{401, `{"errors":[{"message":"Unauthorized"}]}`, sdk.ClassFail, sdk.CodeAuth, "wrong type"},
		{401, `{"error":"Unauthorized"}`, sdk.ClassFail, sdk.CodeAuth, "another directory"},
		{404, `<html>`, sdk.ClassFail, sdk.CodeConfig, "check api_url"},
		{500, `{}`, sdk.ClassRetry, sdk.CodeUnavailable, "500"},
		{408, `{}`, sdk.ClassRetry, sdk.CodeUnavailable, "408"},
		{302, ``, sdk.ClassFail, sdk.CodeConfig, "302"},
		{200, `<html>`, sdk.ClassFail, sdk.CodeData, "a page of HTML"},
		{200, `{"status":"OK","data":{}}`, sdk.ClassFail, sdk.CodeData, "another form"},
		{200, `{"status":"OK","data":null}`, sdk.ClassFail, sdk.CodeData, "another form"},
		{200, `{"status":"OK","data":[1]}`, sdk.ClassFail, sdk.CodeData, "another form"},
		{200, `{"status":"Error","message":"down","data":[]}`, sdk.ClassFail, sdk.CodeData, "down"},
	} {
		v := newVendor(t, answers(tt.status, "application/json", tt.body))
		err := opened(t, v.URL).Check(t.Context())
		if tt.says == "" {
			if err != nil {
				t.Errorf("%d %s: %v", tt.status, tt.body, err)
			}
			continue
		}
		e, ok := errors.AsType[*sdk.Error](err)
		if !ok || e.Class != tt.class || e.Code != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%d %s: %#v", tt.status, tt.body, err)
		}
		if v.requests[0] != "GET /platform/v1/fields?page=1&per_page=1 Bearer "+testToken+" " {
			t.Errorf("request %q", v.requests[0])
		}
	}
}
