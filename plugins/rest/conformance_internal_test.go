package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	raw, err := os.ReadFile("testdata/club.rest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Small pages, and no waiting for quotas.
	small := written(t, strings.NewReplacer("limit: 100", "limit: 5", "per_second: 50, per_minute: 2000", "per_day: 1000000").Replace(string(raw)))
	for name, clubs := range map[string]map[string]string{"no clubs": nil, "two clubs": {"north": "1", "south": "2"}} {
		t.Run(name, func(t *testing.T) {
			s := newService(t).fill("members", 23).fill("prospects", 9)
			s.records["members"][7]["id"] = nil // rejected
			s.records["staff"] = []map[string]any{{"id": "s1", "email": "bob@example.com"}}
			s.records["member_fields"] = []map[string]any{{"key": "shoe_size", "title": "Shoe size"}, {"key": "locker", "max": 4}}
			s.records["clubs"] = []map[string]any{{"id": 1, "name": "North"}, {"id": 2, "name": "South"}}
			s.records["lead_sources"] = []map[string]any{{"id": "l1", "name": "Web"}}
			settings := settingsOf(t, small, s.url, nil)
			sdktest.Run(t, sdktest.Case{
				Adapter:    adapter(),
				Connection: sdk.Connection{Name: "acme/clubsys", Clubs: clubs, Settings: settings},
				Kinds:      []sdk.Kind{sdk.KindMember, sdk.KindProspect},
				BadSettings: []json.RawMessage{
					settingsOf(t, small, "http://example.com", nil),
					settingsOf(t, small+".not", s.url, nil),
					settingsOf(t, small, s.url, map[string]any{"password": "x"}),
					settingsOf(t, small, s.url, map[string]any{"vars": map[string]string{"No": "x"}}),
				},
				Fault: func() func() {
					s.denying(func(w http.ResponseWriter, _ *http.Request) bool {
						w.WriteHeader(http.StatusInternalServerError)
						return true
					})
					return func() { s.denying(nil) }
				},
				StaffEmail: "bob@example.com",
				Write: &sdktest.Writing{
					Kind: sdk.KindProspect, Club: "1", OtherClub: "2",
					Record: func(n int) json.RawMessage {
						return json.RawMessage(fmt.Sprintf(`{"first_name":"Ann","email":"new%d@example.com"}`, n))
					},
					Count: func() int {
						s.mu.Lock()
						defer s.mu.Unlock()
						return len(s.records["prospects"]) + len(s.records["members"])
					},
					Lose: func() func() {
						s.losing(true)
						return func() { s.losing(false) }
					},
				},
				Hang: func() func() {
					s.mu.Lock()
					defer s.mu.Unlock()
					hang := make(chan struct{})
					s.hang = hang
					return func() {
						close(hang)
						s.mu.Lock()
						defer s.mu.Unlock()
						s.hang = nil
					}
				},
			})
		})
	}
}
