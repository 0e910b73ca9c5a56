package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestClubsAreListedByTheCallOfTheFile(t *testing.T) {
	answer := `{"data":[{"no":12,"label":"Downtown"},{"no":"13"},{"no":12,"label":"Downtown"}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/acme/clubs" {
			t.Errorf("asked for %s", r.URL.RequestURI())
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	c := at(t, server.URL, "version: 1\nauth: bearer\nclubs: {path: \"/{client}/clubs\", items: /data, id: /no, name: /label}\nkinds: {member: {}}\n")
	got, err := c.ListClubs(t.Context())
	if diff := cmp.Diff([]sdk.Club{{ID: "12", Name: "Downtown"}, {ID: "13"}}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	answer = `{"data":[{"id":12}]}`
	if _, err := c.ListClubs(t.Context()); sdk.AsError(err) == nil || sdk.AsError(err).Code != sdk.CodeConfig {
		t.Errorf("a club without an id: %v", err)
	}
}

func TestAFileWithoutAListOfClubsHasNone(t *testing.T) {
	c := at(t, "https://example.com", "version: 1\nauth: bearer\nkinds: {member: {}}\n")
	if _, err := c.ListClubs(t.Context()); sdk.AsError(err) == nil || sdk.AsError(err).Code != sdk.CodeConfig {
		t.Errorf("got %v", err)
	}
}
