package club_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/internal/sandbox/club"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a platform over real HTTP.
type site struct {
	*club.Platform
	url, control string
	client       *http.Client
}

func newSite(t *testing.T, o club.Options) *site {
	t.Helper()
	p := club.New(o)
	api, control := httptest.NewServer(p), httptest.NewServer(p.Control())
	// A connection a request: a broken one says nothing of another request, and
	// net/http repeats none by itself.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		api.Close()
		control.Close()
	})
	return &site{Platform: p, url: api.URL, control: control.URL, client: client}
}

// reply is what a caller sees of an answer.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

// field is a text of a JSON answer.
func (r reply) field(path ...string) string {
	var v any
	if json.Unmarshal([]byte(r.body), &v) != nil {
		return "not JSON: " + r.body
	}
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return fmt.Sprint(v)
}

// items are the ids of a list's page.
func (r reply) items() []string {
	var list struct {
		Items []struct{ ID string }
	}
	ids := []string{}
	if json.Unmarshal([]byte(r.body), &list) == nil {
		for _, item := range list.Items {
			ids = append(ids, item.ID)
		}
	}
	return ids
}

type call struct {
	ctx    context.Context
	header map[string]string
	base   string
}

func (s *site) do(method, path, body string, c call) reply {
	if c.ctx == nil {
		c.ctx = context.Background()
	}
	if c.base == "" {
		c.base = s.url
	}
	// A body of which net/http does not know how to send it again.
	r, err := http.NewRequestWithContext(c.ctx, method, c.base+path, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		return reply{err: err}
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text), err}
}

func (s *site) get(path string) reply        { return s.do(http.MethodGet, path, "", call{}) }
func (s *site) post(path, body string) reply { return s.do(http.MethodPost, path, body, call{}) }
func (s *site) put(path, body string) reply  { return s.do(http.MethodPut, path, body, call{}) }

// ann is a prospect with a marker.
func ann(marker string) string {
	return `{"club_id":"12","first_name":"Ann","last_name":"Lee","email":"Ann@Example.com","mobile":"+1 204 555 0101","external_ref":"` + marker + `"}`
}

// clock is a clock that is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func want(t *testing.T, r reply, status int) reply {
	t.Helper()
	if r.err != nil || r.status != status {
		t.Fatalf("answer %d %s, error %v; want %d", r.status, r.body, r.err, status)
	}
	return r
}

func TestARecordLivesThroughEveryCall(t *testing.T) {
	s := newSite(t, club.Options{Seed: 1})
	id := want(t, s.post("/v1/prospects", ann("m1")), 201).field("id")
	got := want(t, s.get("/v1/prospects/"+id), 200)
	if got.field("first_name") != "Ann" || got.field("status") != "active" || got.field("type") != "prospect" || got.field("company") != "" {
		t.Errorf("record %s", got.body)
	}
	if got := want(t, s.put("/v1/prospects/"+id, `{"company":"Acme","custom":{"goal":"fit"}}`), 200); got.field("company") != "Acme" ||
		got.field("custom", "goal") != "fit" || got.field("first_name") != "Ann" {
		t.Errorf("after a patch: %s", got.body)
	}
	if got := want(t, s.put("/v1/prospects/"+id, `{"club_id":"13"}`), 422); !strings.Contains(got.body, "use_transfer") {
		t.Errorf("a change of club: %s", got.body)
	}
	if got := want(t, s.post("/v1/prospects/"+id+"/transfer", `{"club_id":"13"}`), 200); got.field("club_id") != "13" {
		t.Errorf("after a transfer: %s", got.body)
	}
	want(t, s.post("/v1/prospects/"+id+"/transfer", `{"club_id":"99"}`), 422)
	if got := want(t, s.post("/v1/prospects/save", `{"id":"`+id+`","city":"Toronto"}`), 200); got.field("city") != "Toronto" {
		t.Errorf("after a save: %s", got.body)
	}
	member := want(t, s.post("/v1/prospects/"+id+"/convert", ""), 201)
	before := want(t, s.get("/v1/prospects/"+id), 200)
	if member.field("id") == id || member.field("person_id") != before.field("person_id") || before.field("converted_to") != member.field("id") ||
		before.field("status") != "inactive" || member.field("type") != "member" {
		t.Errorf("converted %s to %s", before.body, member.body)
	}
	want(t, s.post("/v1/prospects/"+id+"/convert", ""), 409)
	if got := want(t, s.post("/v1/members/"+member.field("id")+"/deactivate", ""), 200); got.field("status") != "inactive" {
		t.Errorf("after a deactivation: %s", got.body)
	}
	want(t, s.do(http.MethodDelete, "/v1/prospects/"+id, "", call{}), 204)
	want(t, s.get("/v1/prospects/"+id), 404)
	if got := s.get("/v1/prospects").items(); len(got) != 0 {
		t.Errorf("the list shows %v after a delete", got)
	}
}

func TestCallsThatThePlatformLacksAreNotThere(t *testing.T) {
	s := newSite(t, club.Options{Without: []string{"create", "member.list", "clubs"}})
	want(t, s.post("/v1/prospects", ann("m")), 405)
	want(t, s.post("/v1/prospects/save", ann("m")), 201)
	want(t, s.get("/v1/members"), 405)
	want(t, s.get("/v1/members?email=a@example.com"), 200)
	want(t, s.get("/v1/clubs"), 405)
	want(t, s.get("/v1/nothing"), 404)
	want(t, s.get("/elsewhere"), 404)
	want(t, s.post("/v1/members/x/convert", ""), 405)
}

func TestOnlyTheRightTokenOrPasswordGetsIn(t *testing.T) {
	s := newSite(t, club.Options{Token: "secret", Username: "sync", Password: "pass"})
	for authorization, status := range map[string]int{
		"": 401, "Bearer wrong": 401, "Bearer secret": 200, "Basic c3luYzpwYXNz": 200, "Basic c3luYzp4": 401, "secret": 401,
	} {
		if r := s.do(http.MethodGet, "/v1/clubs", "", call{header: map[string]string{"Authorization": authorization}}); r.status != status {
			t.Errorf("%q: %d, want %d", authorization, r.status, status)
		}
	}
}

func TestWrongFieldsAreNamed(t *testing.T) {
	s := newSite(t, club.Options{MaxLength: map[string]int{"last_name": 3}, Required: []string{"first_name", "email"}})
	r := want(t, s.post("/v1/prospects", `{"club_id":"9","last_name":"Long","status":"odd","owner_id":"x","lead_source_id":"y","city":7,"type":"member","unknown":1}`), 422)
	var got struct {
		Error struct {
			Fields []struct{ Field, Code string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatal(err)
	}
	wanted := "[{city not_a_text} {club_id unknown} {email required} {first_name required} {last_name too_long} {lead_source_id unknown} " +
		"{owner_id unknown} {status not_allowed} {type not_allowed}]"
	if fmt.Sprint(got.Error.Fields) != wanted {
		t.Errorf("fields %v, want %s", got.Error.Fields, wanted)
	}
	want(t, s.post("/v1/prospects", "[]"), 400)
	want(t, s.post("/v1/prospects", strings.Repeat(" ", 2<<20)), 413)
	if n := len(s.Records(club.Prospect)); n != 0 {
		t.Errorf("%d records were stored", n)
	}
}

func TestValuesAreChangedBeforeTheyAreStored(t *testing.T) {
	s := newSite(t, club.Options{Normalise: true, Clubs: []club.Club{{ID: "k"}}})
	r := want(t, s.post("/v1/members", `{"first_name":" ann ","last_name":"o'NEILL-smith","email":"Ann@EXAMPLE.com ","mobile":"+1 (204) 555-0101"}`), 201)
	if got := r.field("first_name") + "|" + r.field("last_name") + "|" + r.field("email") + "|" + r.field("mobile"); got != "Ann|O'Neill-Smith|ann@example.com|12045550101" {
		t.Errorf("stored %s", got)
	}
}

func TestAReplacingUpdateEmptiesWhatItDoesNotCarry(t *testing.T) {
	s := newSite(t, club.Options{Update: club.Replace})
	id := s.post("/v1/prospects", ann("m1")).field("id")
	r := want(t, s.put("/v1/prospects/"+id, `{"first_name":"Ann","last_name":"Ray"}`), 200)
	if r.field("email") != "" || r.field("external_ref") != "" || r.field("club_id") != "12" || r.field("last_name") != "Ray" {
		t.Errorf("record %s", r.body)
	}
	want(t, s.do(http.MethodPatch, "/v1/prospects/"+id, `{"last_name":"X"}`, call{}), 405)
	want(t, s.put("/v1/prospects/"+id, `{"last_name":"X"}`), 422)
}

func TestErrorsMayComeWithStatus200(t *testing.T) {
	s := newSite(t, club.Options{ErrorsIn200: true})
	if r := want(t, s.post("/v1/prospects", `{}`), 200); r.field("ok") != "false" || r.field("error", "status") != "422" {
		t.Errorf("a refusal: %s", r.body)
	}
	r := want(t, s.post("/v1/prospects", ann("m")), 200)
	if r.field("ok") != "true" || r.field("first_name") != "Ann" {
		t.Errorf("a record: %s", r.body)
	}
	if r := want(t, s.do(http.MethodDelete, "/v1/prospects/"+r.field("id"), "", call{}), 200); r.body != `{"ok":true}` {
		t.Errorf("a delete: %s", r.body)
	}
}

func TestTheRateIsLimitedBySecondMinuteAndDay(t *testing.T) {
	c := newClock()
	s := newSite(t, club.Options{Limit: club.Limit{PerSecond: 2, PerMinute: 3, PerDay: 4}, Now: c.now})
	steps := []struct {
		move   time.Duration
		status int
		after  string
	}{
		{0, 200, ""}, {0, 200, ""}, {0, 429, "1"}, {time.Second, 200, ""}, {0, 429, "59"}, {time.Minute, 200, ""}, {0, 429, "43139"},
	}
	for i, step := range steps {
		c.move(step.move)
		if r := s.get("/v1/clubs"); r.status != step.status || r.header.Get("Retry-After") != step.after {
			t.Errorf("call %d: %d, Retry-After %q; want %d, %q", i, r.status, r.header.Get("Retry-After"), step.status, step.after)
		}
	}
	if n := s.State().Limited; n != 3 {
		t.Errorf("%d calls were one too many, want 3", n)
	}
}

func TestLeadSourcesAreUniqueByNameAndStaffIsFoundByAddress(t *testing.T) {
	s := newSite(t, club.Options{Records: club.SeedTarget()})
	if got := s.get("/v1/staff?email=carla.romero@example.com").items(); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	if r := want(t, s.post("/v1/lead_sources", `{"club_id":"12","name":"WEB site"}`), 409); r.field("error", "id") != "12-L1" {
		t.Errorf("conflict %s", r.body)
	}
	id := want(t, s.post("/v1/lead_sources", `{"club_id":"12","name":"Radio"}`), 201).field("id")
	want(t, s.put("/v1/lead_sources/"+id, `{"name":"Wireless"}`), 200)
	if got := s.get("/v1/lead_sources?name=wireless").items(); len(got) != 1 || got[0] != id {
		t.Errorf("found %v, want %s", got, id)
	}
}

func TestEveryPagingReadsEverythingOnce(t *testing.T) {
	for _, paging := range []club.Paging{club.PageNumbers, club.Offsets, club.Cursors} {
		for _, filter := range []string{"", "&club_id=12", "&updated_since=2026-01-05T09:11:00Z"} {
			s := newSite(t, club.Options{Paging: paging, Records: club.Seed(25)})
			wanted := 0
			for _, r := range s.Records(club.Prospect) {
				if filter == "&club_id=12" && r.Fields["club_id"] != "12" || filter != "" && filter != "&club_id=12" && r.Updated.Minute() < 11 {
					continue
				}
				wanted++
			}
			seen := map[string]bool{}
			next, pages := "", 0
			for ; pages == 0 || next != "<nil>"; pages++ {
				query := map[club.Paging]string{
					club.PageNumbers: "?per_page=4&page=", club.Offsets: "?limit=4&offset=", club.Cursors: "?per_page=4&cursor=",
				}[paging]
				r := want(t, s.get("/v1/prospects"+query+next+filter), 200)
				for _, id := range r.items() {
					if seen[id] {
						t.Errorf("%s%s: %s was listed twice", paging, filter, id)
					}
					seen[id] = true
				}
				next = r.field("next")
			}
			if len(seen) != wanted || pages != (wanted+3)/4 {
				t.Errorf("%s%s: read %d records in %d pages, want %d", paging, filter, len(seen), pages, wanted)
			}
		}
	}
}

func TestAnExampleNamesWhatThePlatformHas(t *testing.T) {
	for _, c := range club.Classes() {
		p := club.New(club.Options{Class: c, Token: "a-secret", Without: []string{"delete"}})
		text, err := p.Example("http://127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "a-secret") || strings.Contains(text, "delete:") || strings.Contains(text, "<no value>") ||
			!strings.Contains(text, "base_url: http://127.0.0.1:1") || !strings.Contains(text, "class: "+string(c)+"\n") {
			t.Errorf("class %s:\n%s", c, text)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnExampleWithAUserNameHasBasicAuthorisation(t *testing.T) {
	p := club.New(club.Options{Username: "sync", Password: "a-secret"})
	text, err := p.Example("http://127.0.0.1:1")
	if err != nil || strings.Contains(text, "a-secret") || !strings.Contains(text, "\nauth: basic\n") || !strings.Contains(text, "username: sync\n") {
		t.Errorf("error %v:\n%s", err, text)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheSampleIsTheSameEachTimeAndFitsThePlatform(t *testing.T) {
	a, err := json.Marshal(club.Seed(300))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(club.Seed(300))
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two samples differ, error %v", err)
	}
	s := newSite(t, club.Options{Records: club.Seed(300)})
	emails := map[string]bool{}
	clubs := map[string]int{}
	for _, r := range s.Records(club.Prospect) {
		clubs[r.Fields["club_id"]]++
		if e := r.Fields["email"]; e != "" && (emails[e] || !strings.Contains(e, "@example.")) {
			t.Errorf("the address of %s is there twice or of no example", r.ID)
		}
		emails[r.Fields["email"]] = true
		want(t, s.put("/v1/prospects/"+r.ID, `{}`), 200)
	}
	if len(clubs) != 2 || clubs["12"]+clubs["13"] != 300 {
		t.Errorf("prospects by club: %v", clubs)
	}
	for _, r := range club.Seed(3, club.Club{ID: "A"}) {
		if !strings.HasPrefix(r.ID, "A-") {
			t.Errorf("the id %s does not begin with its club", r.ID)
		}
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	err := club.Options{
		Class: "X", Update: "y", Paging: "z", Without: []string{"fly", "cat.list"}, RetryAfterForm: "w", ExecLag: -1,
		Faults: club.Plan{"fly": {club.Hang: 0.5}, club.CallAny: {club.Hang: 0.7, club.Late: 0.7, "sing": 0.1, club.Redirect: 2}},
	}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{`"X"`, `"y"`, `"z"`, `"fly"`, `"cat"`, `"w"`, "negative", `"sing"`, "from 0 to 1", "more probable than 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the error:\n%v", part, err)
		}
	}
	if err := (club.Options{}).Validate(); err != nil {
		t.Error(err)
	}
}
