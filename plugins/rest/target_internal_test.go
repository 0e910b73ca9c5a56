package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// echo notes each request and answers with an id.
type echo struct {
	url  string
	seen []string
	head http.Header
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	e := &echo{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.seen, e.head = append(e.seen, r.Method+" "+r.RequestURI+" "+string(body)), r.Header
		w.Header().Set("Location", "/v1/people/loc%201")
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

const bodiesFile = `version: 1
auth: bearer
headers: {X-Site: "{vars.site}"}
kinds:
  prospect:
    class: A
    key_ttl: 24h
    exec_lag: 30s
    updates: patch
    natural: [email]
    fields:
      first_name: {at: /FirstName, required: true, max_length: 40, shorten: true}
      city: /Address/City
      gender: {values: [m, f]}
    create:
      path: /v1/{vars.site}/people
      query: {notify: "false", club: "{club}"}
      idempotency_header: Idempotency-Key
      id: location
      body:
        "...": data
        Reference: "{marker}"
        Owner: "{owner|null}"
        Source: "{lead_source}"
        Full: "{data.first_name} {data.last_name}"
        Address: {Country: "{vars.country}", Zip: "{data.zip}"}
        Nested: {Only: "{lead_source}"}
        Braces: "{{x}}"
        Number: 12345678901234567890
        List: ["{club}", 1, true, null]
    update:
      method: PUT
      path: /v1/people/{id}
      changed_only: true
      body: {"...": data, Owner: "{owner|null}"}
    delete: {path: "/v1/people/{id}", query: {club: "{club}"}}
  member:
    class: B
    save: {method: PUT, path: "/v1/members/{key}", id: "{key}", body: {"...": data}}
    convert: {path: "/v1/people/{id}/convert", id: location, body: {"...": data, Owner: "{owner}", Ref: "{marker}"}}
    transfer: {method: PUT, path: "/v1/members/{id}/club", body: {club: "{club}", reason: moved}}
`

func bodies(t *testing.T, e *echo) *connection {
	t.Helper()
	return opened(t, settingsOf(t, written(t, bodiesFile), e.url+"/api", map[string]any{"vars": map[string]string{"site": "a/b", "country": ""}}))
}

func TestABodyIsTheTemplateWithTheRecordInIt(t *testing.T) {
	e := newEcho(t)
	c := bodies(t, e)
	for _, tt := range []struct {
		name string
		kind sdk.Kind
		op   sdk.Operation
		want string
	}{
		{
			"create", sdk.KindProspect,
			sdk.Operation{
				Op: sdk.OpCreate, Key: "k", Marker: "mark", Club: "c 1", Owner: "o1",
				Data: []byte(`{"first_name":"A\"nn","last_name":"<Lee>","city":"York","n":1.10,"x":null,"Reference":"mine"}`),
			},
			`POST /api/v1/a%2Fb/people?club=c+1&notify=false {"Address":{"City":"York"},"Braces":"{x}","FirstName":"A\"nn",` +
				`"Full":"A\"nn <Lee>","List":["c 1",1,true,null],"Number":12345678901234567890,"Owner":"o1","Reference":"mark","last_name":"<Lee>","n":1.10,"x":null}`,
		},
		{
			"create without owner, club and city", sdk.KindProspect,
			sdk.Operation{Op: sdk.OpCreate, Marker: "mark", Data: []byte(`{"Source":"theirs"}`)},
			`POST /api/v1/a%2Fb/people?notify=false {"Braces":"{x}","List":[1,true,null],"Number":12345678901234567890,"Owner":null,"Reference":"mark"}`,
		},
		{
			"update of what changed", sdk.KindProspect,
			sdk.Operation{Op: sdk.OpUpdate, ID: "p/1", Owner: "o1", Changed: []string{"city"}, Data: []byte(`{"first_name":"Ann","city":"York"}`)},
			`PUT /api/v1/people/p%2F1 {"Address":{"City":"York"}}`,
		},
		{
			"update of an owner that is gone", sdk.KindProspect,
			sdk.Operation{Op: sdk.OpUpdate, ID: "p1", Changed: []string{"owner"}, Data: []byte(`{"city":"York"}`)},
			`PUT /api/v1/people/p1 {"Owner":null}`,
		},
		{
			"update of which nothing is known", sdk.KindProspect,
			sdk.Operation{Op: sdk.OpUpdate, ID: "p1", Data: []byte(`{"city":"York"}`)},
			`PUT /api/v1/people/p1 {"Address":{"City":"York"},"Owner":null}`,
		},
		{"delete", sdk.KindProspect, sdk.Operation{Op: sdk.OpDelete, ID: "p1"}, `DELETE /api/v1/people/p1 `},
		{
			"convert", sdk.KindMember,
			sdk.Operation{Op: sdk.OpConvert, ID: "p/1", Marker: "mark", Owner: "o1", Club: "2", Data: []byte(`{"city":"York"}`)},
			`POST /api/v1/people/p%2F1/convert {"Owner":"o1","Ref":"mark","city":"York"}`,
		},
		{
			"transfer", sdk.KindMember,
			sdk.Operation{Op: sdk.OpTransfer, ID: "m1", Club: "c 2", Data: []byte(`{"city":"York"}`)},
			`PUT /api/v1/members/m1/club {"club":"c 2","reason":"moved"}`,
		},
		{"save", sdk.KindMember, sdk.Operation{Op: sdk.OpCreate, Key: "süd/1", Data: []byte(`{"a":[1]}`)}, `PUT /api/v1/members/s%C3%BCd%2F1 {"a":[1]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.seen = nil
			got := c.write(t.Context(), tt.kind, tt.op)
			if got.Outcome != sdk.OutcomeOK {
				t.Errorf("got %+v", got)
			}
			if diff := cmp.Diff([]string{tt.want}, e.seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnUpdateOfWhichNothingIsSentIsNotSent(t *testing.T) {
	e := newEcho(t)
	got := bodies(t, e).write(t.Context(), sdk.KindProspect, sdk.Operation{Op: sdk.OpUpdate, ID: "p1", Changed: []string{"lead_source"}, Data: []byte(`{"a":1}`)})
	if got.Outcome != sdk.OutcomeOK || got.ID != "p1" || len(e.seen) != 0 {
		t.Errorf("got %+v after %v", got, e.seen)
	}
}

func TestTheIDOfANewRecordIsFoundWhereTheFileSays(t *testing.T) {
	e := newEcho(t)
	c := bodies(t, e)
	created := c.write(t.Context(), sdk.KindProspect, sdk.Operation{Op: sdk.OpCreate, Marker: "mark", Data: []byte(`{}`)})
	if created.ID != "loc 1" || e.head.Get("Idempotency-Key") != "mark" || e.head.Get("X-Site") != "a/b" {
		t.Errorf("got %+v after %v", created, e.head)
	}
	if saved := c.write(t.Context(), sdk.KindMember, sdk.Operation{Op: sdk.OpCreate, Key: "k1", Data: []byte(`{}`)}); saved.ID != "k1" {
		t.Errorf("got %+v", saved)
	}
}

func TestTheTargetIsWhatTheFileSays(t *testing.T) {
	got, err := bodies(t, newEcho(t)).Target(t.Context())
	want := sdk.TargetInfo{Kinds: []sdk.TargetKind{
		{
			Kind: sdk.KindProspect, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDelete}, Class: sdk.ClassA,
			ExecLag: 30 * time.Second, KeyTTL: 24 * time.Hour, Update: sdk.UpdatePatch, Natural: []string{"email"},
			Fields: []sdk.TargetField{
				{Name: "first_name", Required: true, MaxLength: 40, Shorten: true}, {Name: "city"}, {Name: "gender", Values: []string{"m", "f"}},
			},
		},
		{
			Kind: sdk.KindMember, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpConvert, sdk.OpTransfer},
			Class: sdk.ClassB, Update: sdk.UpdatePatch,
		},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestWhatSaysNeitherWhomNorWhereToIsNotSent(t *testing.T) {
	e := newEcho(t)
	c := bodies(t, e)
	for _, op := range []sdk.Operation{{Op: sdk.OpConvert}, {Op: sdk.OpTransfer, Club: "2"}, {Op: sdk.OpTransfer, ID: "m1"}} {
		got := c.write(t.Context(), sdk.KindMember, op)
		if got.Outcome != sdk.OutcomeRefused || got.Class != sdk.ClassReject || len(e.seen) != 0 {
			t.Errorf("%s: got %+v after %v", op.Op, got, e.seen)
		}
	}
	if got := c.write(t.Context(), sdk.KindProspect, sdk.Operation{Op: sdk.OpConvert, ID: "p1"}); got.Code != sdk.CodeConfig {
		t.Errorf("got %+v", got)
	}
}

func TestAMemberMayBeTheProspectsRecord(t *testing.T) {
	file := "version: 1\nkinds:\n  member: {same_record: true, update: {path: \"/m/{id}\", body: {\"...\": data}}}\n"
	c := opened(t, settingsOf(t, written(t, file), "https://example.com", map[string]any{"token": nil}))
	info, err := c.Target(t.Context())
	if err != nil || !info.Kinds[0].SameRecord || info.Kinds[0].Can(sdk.OpConvert) {
		t.Errorf("got %+v, %v", info, err)
	}
}

func TestARecordSurvivesItsLife(t *testing.T) {
	s := newService(t)
	c := opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil), "1", "2")
	write := func(op sdk.Operation) sdk.Result {
		t.Helper()
		got := c.write(t.Context(), sdk.KindProspect, op)
		if got.Outcome != sdk.OutcomeOK {
			t.Fatalf("%s: %+v", op.Op, got)
		}
		return got
	}
	made := write(sdk.Operation{Op: sdk.OpCreate, Marker: "mark1", Club: "2", Owner: "s1", Data: []byte(`{"first_name":"Ann"}`)})
	write(sdk.Operation{Op: sdk.OpCreate, Marker: "mark2", Club: "2", Data: []byte(`{"first_name":"Bob"}`)})
	found, err := c.Find(t.Context(), sdk.FindRequest{Kind: sdk.KindProspect, Queries: []sdk.Query{
		{Marker: "mark1", Club: "2"}, {Marker: "mark1"}, {Marker: "none"},
	}})
	if err != nil || len(found.Matches[0]) != 1 || found.Matches[0][0].ID != made.ID || len(found.Matches[1]) != 1 || len(found.Matches[2]) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	write(sdk.Operation{Op: sdk.OpUpdate, ID: made.ID, Changed: []string{"first_name", "owner"}, Data: []byte(`{"first_name":"Anne"}`)})
	page, err := c.Get(t.Context(), sdk.GetRequest{Kind: sdk.KindProspect, IDs: []string{"none", made.ID}})
	if err != nil || page.Rows != 1 || page.Row(0).ID() != made.ID || page.Row(0).Club() != "2" || len(page.Next) != 0 {
		t.Fatalf("got %+v, %v", page, err)
	}
	if name := cells(page, 0); name["first_name"] != `string "Anne"` || name["owner_id"] != "null" {
		t.Errorf("got %v", name)
	}
	write(sdk.Operation{Op: sdk.OpDeactivate, ID: made.ID})
	write(sdk.Operation{Op: sdk.OpDelete, ID: made.ID})
	if again := write(sdk.Operation{Op: sdk.OpDelete, ID: made.ID}); len(again.Warnings) != 1 {
		t.Errorf("got %+v, want a warning", again)
	}
}
