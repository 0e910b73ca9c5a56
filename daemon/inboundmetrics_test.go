package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestWhatIsPushedIsMeasuredWithoutAValueOfIt pushes to a real daemon.
func TestWhatIsPushedIsMeasuredWithoutAValueOfIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	text, err := os.ReadFile(s.path("rosterd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "crm.secret", "the-secret-of-the-crm")
	s.write(t, "rosterd.yaml", strings.Replace(string(text), "    connections:\n",
		"    connections:\n      crm: {adapter: inbound, client_id: \"456\", settings: {provider: CRM, secret: {file: crm.secret}}}\n", 1))
	d := s.start(t)
	s.ready(t)
	push := func(secret string, status int) {
		t.Helper()
		body := `{"providerInfo": {"identifier": "CRM", "clientID": "456", "clubID": "1", "recordID": "r-17"},
			"userInfo": {"firstname": "Pete", "lastname": "Prospect", "userStatus": "ACTIVE", "userType": "MEMBER", "shoe": "44"}}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.public+"/connector/api/2011-11/user", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.SetBasicAuth("CRM", secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != status {
			t.Fatalf("answered %s", response.Status)
		}
	}
	push("the-secret-of-the-crm", http.StatusOK)
	push("another-secret", http.StatusUnauthorized)
	got, err := s.client.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`rosterd_inbound_saves_total{connection="acme/crm",kind="member"} 1`,
		`rosterd_inbound_unknown_values_total{connection="acme/crm"} 1`,
		`rosterd_inbound_refused_total{connection="",reason="access"} 1`,
		`rosterd_inbound_refused_total{connection="acme/crm",reason="database"} 0`,
		`rosterd_inbound_waiting_records{connection="acme/crm"}`, // 0 once it is removed, since no job reads it
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, value := range []string{"Pete", "r-17", "secret-of", "another-secret"} {
		if strings.Contains(got, value) {
			t.Errorf("the metrics hold %q", value)
		}
	}
	d.stop(t)
	s.quiet(t)
}
