package club_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/sandbox/club"
)

// tally returns what became of the creates of one key.
func (s *site) tally(by, key string) club.Tally {
	for _, t := range s.Creates() {
		if t.By == by && t.Key == key {
			return t
		}
	}
	return club.Tally{}
}

func keyed(key string) call { return call{header: map[string]string{"Idempotency-Key": key}} }

func TestClassAHonoursAKeyUntilItIsForgotten(t *testing.T) {
	c := newClock()
	s := newSite(t, club.Options{Class: club.ClassA, KeyTTL: time.Hour, Now: c.now})
	post := func(body string) reply { return s.do(http.MethodPost, "/v1/prospects", body, keyed("k1")) }
	first := want(t, post(ann("")), 201)
	again := want(t, post(ann("")), 201)
	if first.field("id") != again.field("id") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	want(t, post(strings.Replace(ann(""), "Lee", "Ray", 1)), 422)
	if got := s.tally("idempotency_key", "k1"); got.Posts != 3 || got.Executed != 1 {
		t.Errorf("tally %+v", got)
	}
	c.move(time.Hour)
	if late := want(t, post(ann("")), 201); late.field("id") == first.field("id") {
		t.Error("the key is still remembered")
	}
	if got := s.Duplicates(); len(got) != 2 || got[0].Executed != 2 {
		t.Errorf("duplicates %+v", got)
	}
}

func TestClassBWritesUnderAnExternalID(t *testing.T) {
	s := newSite(t, club.Options{Class: club.ClassB})
	first := want(t, s.put("/v1/members/by-external-id/crm%2F1", ann("")), 201)
	again := want(t, s.put("/v1/members/by-external-id/crm%2F1", `{"city":"Oslo"}`), 200)
	saved := want(t, s.post("/v1/members/save", `{"external_id":"crm/1","state":"X"}`), 200)
	if id := first.field("id"); again.field("id") != id || saved.field("id") != id || saved.field("city") != "Oslo" || saved.field("external_id") != "crm/1" {
		t.Errorf("first %s, again %s, saved %s", first.body, again.body, saved.body)
	}
	if r := want(t, s.post("/v1/members", strings.Replace(ann(""), "{", `{"external_id":"crm/1",`, 1)), 409); r.field("error", "id") != first.field("id") {
		t.Errorf("conflict %s", r.body)
	}
	if got := s.get("/v1/members?external_id=crm%2F1").items(); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	if got := s.tally("external_id", "crm/1"); got.Posts != 4 || got.Executed != 1 {
		t.Errorf("tally %+v", got)
	}
	other := newSite(t, club.Options{Class: club.ClassC})
	want(t, other.put("/v1/members/by-external-id/1", ann("")), 405)
}

func TestClassBPrimeRefusesASecondAddress(t *testing.T) {
	for _, hide := range []bool{false, true} {
		s := newSite(t, club.Options{Class: club.ClassBPrime, HideConflict: hide})
		id := want(t, s.post("/v1/prospects", ann("")), 201).field("id")
		r := want(t, s.post("/v1/prospects", strings.Replace(ann(""), "Ann@Example.com", " ann@example.COM ", 1)), 409)
		if named := strings.Contains(r.body, id); r.field("error", "field") != "email" || named == hide {
			t.Errorf("conflict %s", r.body)
		}
		want(t, s.post("/v1/members", ann("")), 201) // another kind
		noAddress := strings.Replace(ann(""), "Ann@Example.com", "", 1)
		want(t, s.post("/v1/prospects", noAddress), 201)
		other := want(t, s.post("/v1/prospects", noAddress), 201).field("id")
		want(t, s.put("/v1/prospects/"+other, `{"email":"ANN@example.com"}`), 409)
		want(t, s.put("/v1/prospects/"+id, `{"email":"ANN@example.com"}`), 200)
	}
}

func TestWhatCanBeFoundDependsOnTheClass(t *testing.T) {
	for _, c := range club.Classes() {
		s := newSite(t, club.Options{Class: c})
		id := want(t, s.post("/v1/prospects", ann("m1")), 201).field("id")
		for query, found := range map[string]bool{
			"external_ref=m1":                           c == club.ClassC,
			"email=ANN@example.com":                     c != club.ClassE,
			"phone=12045550101":                         c != club.ClassE,
			"name=ann%20lee":                            c != club.ClassE,
			"name=ann%20lee&club_id=12&email=x@example": false,
		} {
			r := s.get("/v1/prospects?" + query)
			if got := len(r.items()) == 1 && r.items()[0] == id; got != found {
				t.Errorf("class %s, %s: found %v, want %v: %s", c, query, got, found, r.body)
			}
		}
		if got := want(t, s.get("/v1/prospects/"+id), 200); (got.field("external_ref") == "m1") != (c == club.ClassC) {
			t.Errorf("class %s: %s", c, got.body)
		}
		if got := s.tally("external_ref", "m1"); got.Posts != 1 || got.Executed != 1 || len(got.IDs) != 1 || got.IDs[0] != id {
			t.Errorf("class %s: tally %+v", c, got)
		}
	}
}

func TestAFilterThatIsNotKnownIsAnErrorOrIgnored(t *testing.T) {
	s := newSite(t, club.Options{Class: club.ClassD})
	s.post("/v1/prospects", ann("m1"))
	if r := want(t, s.get("/v1/prospects?external_ref=other"), 400); r.field("error", "field") != "external_ref" {
		t.Errorf("answer %s", r.body)
	}
	s = newSite(t, club.Options{Class: club.ClassD, IgnoreFilters: true})
	s.post("/v1/prospects", ann("m1"))
	if got := want(t, s.get("/v1/prospects?external_ref=other"), 200).items(); len(got) != 1 {
		t.Errorf("items %v", got)
	}
	want(t, s.get("/v1/prospects?updated_since=yesterday"), 400)
	want(t, s.get("/v1/prospects?page=0"), 400)
}

func TestClassCDoesNotKeepTheMarkerUnique(t *testing.T) {
	s := newSite(t, club.Options{Class: club.ClassC})
	s.post("/v1/prospects", ann("m1"))
	s.post("/v1/prospects", ann("m1"))
	if got := s.get("/v1/prospects?external_ref=m1").items(); len(got) != 2 {
		t.Errorf("found %v", got)
	}
	if got := s.do(http.MethodGet, "/control/duplicates", "", call{base: s.control}); !strings.Contains(got.body, `"by":"external_ref","key":"m1","posts":2,"executed":2`) {
		t.Errorf("duplicates %s", got.body)
	}
}
