package club_test

import (
	"net/http"
	"testing"

	"github.com/rosterd/rosterd/internal/sandbox/club"
)

func TestAConversionTakesWhatIsSaidOfTheMember(t *testing.T) {
	s := newSite(t, club.Options{Seed: 1, Records: club.SeedTarget()})
	id := want(t, s.post("/v1/prospects", ann("m1")), 201).field("id")
	path := "/v1/prospects/" + id + "/convert"
	want(t, s.post(path, `{"status":"asleep"}`), 422)
	want(t, s.post(path, `{"type":"prospect"}`), 422)
	want(t, s.post(path, `{"custom":7}`), 422)
	member := want(t, s.post(path, `{"company":"Acme","club_id":"13","external_ref":"m2","owner_id":"12-S1","custom":{"goal":"fit"}}`), 201)
	if member.field("company") != "Acme" || member.field("club_id") != "12" || member.field("external_ref") != "m2" ||
		member.field("owner_id") != "12-S1" || member.field("custom", "goal") != "fit" || member.field("first_name") != "Ann" {
		t.Errorf("member %s", member.body)
	}
	if s.get("/v1/members?external_ref=m2").items() == nil || s.State().Created[club.Member] != 1 || s.State().Created[club.Prospect] != 1 {
		t.Errorf("state %+v", s.State())
	}
	if again := want(t, s.post(path, ""), 409); again.field("error", "id") != member.field("id") {
		t.Errorf("a second conversion: %s", again.body)
	}
}

func TestAMemberMayKeepTheRecordOfTheProspect(t *testing.T) {
	for name, convert := range map[string]func(s *site, id string) reply{
		"an update of the prospect": func(s *site, id string) reply { return s.put("/v1/prospects/"+id, `{"type":"member"}`) },
		"an update of the member":   func(s *site, id string) reply { return s.put("/v1/members/"+id, `{"company":"Acme"}`) },
		"a save of the member":      func(s *site, id string) reply { return s.post("/v1/members/save", `{"id":"`+id+`"}`) },
	} {
		for _, update := range []club.Update{club.Patch, club.Replace} {
			s := newSite(t, club.Options{SameRecord: true, Update: update, Required: []string{}})
			before := want(t, s.post("/v1/prospects", ann("m1")), 201)
			id := before.field("id")
			want(t, s.post("/v1/prospects/"+id+"/convert", ""), 405)
			want(t, s.get("/v1/members/"+id), 404)
			want(t, s.put("/v1/members/"+id, `{"status":"asleep"}`), 422)
			want(t, s.put("/v1/prospects/"+id, `{"trial_start":"2026-03-01"}`), 200)
			got := want(t, convert(s, id), 200)
			if got.field("id") != id || got.field("type") != "member" || got.field("person_id") != before.field("person_id") || got.field("club_id") != "12" {
				t.Errorf("%s, %s: %s", name, update, got.body)
			}
			want(t, s.get("/v1/prospects/"+id), 404)
			want(t, s.get("/v1/members/"+id), 200)
			if n := s.State().Records; n[club.Prospect] != 0 || n[club.Member] != 1 {
				t.Errorf("%s, %s: records %v", name, update, n)
			}
			want(t, s.put("/v1/members/"+id, `{"type":"ex_member"}`), 200)
			want(t, s.do(http.MethodDelete, "/v1/members/"+id, "", call{}), 204)
		}
	}
}
