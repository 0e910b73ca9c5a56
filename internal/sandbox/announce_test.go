package sandbox_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/sandbox"
)

func TestEachAnswerBeginsAnImportOrNone(t *testing.T) {
	for _, tt := range []struct {
		answer sandbox.ImportAnswer
		status int
		body   string
		begins bool
	}{
		{sandbox.AnswerSessionID, 201, `"session_id":"`, true},
		{sandbox.AnswerSessionNumber, 201, `"session_id":1}`, true},
		{sandbox.AnswerNull, 200, `{"data":null,"success":true}`, true},
		{sandbox.AnswerNotInstalled, 422, "The application acmeimport is not installed for the business", false},
		{sandbox.AnswerWrongType, 422, "wrong type expecting import_clients", false},
		{sandbox.AnswerTooMany, 429, `{"error":"Too many requests"}`, false},
		{sandbox.AnswerErrorBefore, 500, `"code":"unexpected"`, false},
		{sandbox.AnswerErrorAfter, 500, `"code":"unexpected"`, true},
		{sandbox.AnswerBadToken, 401, `"401 Unauthorized"`, false},
		{sandbox.AnswerWrongToken, 401, `"message":"Unauthorized"`, false},
		{sandbox.AnswerWrongDirectory, 401, `{"error":"Unauthorized"}`, false},
		{sandbox.AnswerDropBefore, 0, "EOF", false},
		{sandbox.AnswerDropAfter, 0, "EOF", true},
	} {
		t.Run(string(tt.answer), func(t *testing.T) {
			p := newPlatform(t, newApp(t, people(3)...), nil)
			if status, body := p.call(t, http.MethodPut, "/sandbox/answer", string(tt.answer)); status != http.StatusNoContent {
				t.Fatal(status, body)
			}
			status, body := p.announce(t, announcement)
			if status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%d %s, want %d with %s", status, body, tt.status, tt.body)
			}
			if !tt.begins {
				if n := len(p.Imports()); n != 0 {
					t.Errorf("%d imports, want none", n)
				}
				return
			}
			if _, err := p.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if n := len(p.Clients()); n != 3 {
				t.Errorf("%d clients, want 3", n)
			}
		})
	}
}

func TestAHangingAnswerEndsWithTheCaller(t *testing.T) {
	p := newPlatform(t, newApp(t), func(o *sandbox.Options) { o.Answer = sandbox.AnswerHang })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/business/clients/v1/apps/acmeimport/import", strings.NewReader(announcement))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Errorf("answered %d", resp.StatusCode)
	}
	if n := len(p.Imports()); n != 0 {
		t.Errorf("%d imports, want none", n)
	}
}

func TestAnAnnouncementThatCannotBeReadIsAnsweredAsTheVendorDoes(t *testing.T) {
	p := newPlatform(t, newApp(t), nil)
	for body, want := range map[string]int{
		``: 500, `{`: 500, `[]`: 500, `{}`: 500, `{"fields_mapping":{}}`: 500, `{"import_params":{}}`: 500,
		`{"fields_mapping":{},"import_params":{"upload_type":"double"}}`: 422,
	} {
		if status, answer := p.announce(t, body); status != want {
			t.Errorf("%q: %d %s, want %d", body, status, answer, want)
		}
	}
	if status, body := p.call(t, http.MethodPost, "/business/clients/v1/apps/other/import", announcement); status != 422 || !strings.Contains(body, "not installed") {
		t.Errorf("another app: %d %s", status, body)
	}
	if n := len(p.Imports()); n != 0 {
		t.Errorf("%d imports, want none", n)
	}
}

func TestEveryCallOfThePlatformNeedsTheToken(t *testing.T) {
	p := newPlatform(t, newApp(t), func(o *sandbox.Options) { o.Token = "another" })
	for _, call := range []string{
		"POST /business/clients/v1/apps/acmeimport/import", "GET /platform/v1/fields",
		"POST /platform/v1/webhook/subscribe", "POST /platform/v1/webhook/unsubscribe", "GET /platform/v1/webhooks",
	} {
		method, path, _ := strings.Cut(call, " ")
		if status, _ := p.call(t, method, path, announcement); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", call, status)
		}
	}
}

func TestTheFirstPageCanComeBeforeTheAnswer(t *testing.T) {
	a := newApp(t, people(5)...)
	p := newPlatform(t, a, func(o *sandbox.Options) { o.Pull.First, o.Pull.Pause = true, time.Hour })
	if status, body := p.announce(t, announcement); status != http.StatusCreated {
		t.Fatal(status, body)
	}
	if got := a.pages(); !cmp.Equal(got, []string{"1"}) {
		t.Errorf("pages %v asked for before the answer, want the first", got)
	}
}

func TestFieldsAreListedInBothShapesPageByPage(t *testing.T) {
	for shape, prefix := range map[sandbox.FieldsShape]string{
		sandbox.FieldsNew: `{"data":{"fields":[`, sandbox.FieldsOld: `{"data":[`,
	} {
		p := newPlatform(t, nil, func(o *sandbox.Options) {
			o.Fields, o.CustomFields = shape, []sandbox.Field{{Label: "Goal"}, {Label: "Gone", Deleted: true}}
		})
		counts := []int{}
		for _, query := range []string{"", "?page=1&per_page=4", "?page=3&per_page=4", "?page=4&per_page=4"} {
			status, body := p.call(t, http.MethodGet, "/platform/v1/fields"+query, "")
			if status != http.StatusOK || !strings.HasPrefix(body, prefix) {
				t.Errorf("%s: %d %s", query, status, body)
			}
			counts = append(counts, strings.Count(body, `"label"`))
		}
		if want := []int{10, 4, 2, 0}; !cmp.Equal(counts, want) {
			t.Errorf("%s: %v fields, want %v", shape, counts, want)
		}
	}
}
