package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// cells are the fields of a row, as text.
func cells(p *sdk.Page, row int) map[string]string {
	out := map[string]string{}
	for col, name := range p.Columns {
		switch c := p.Row(row).Cell(col); c.Kind() {
		case sdk.CellAbsent:
		case sdk.CellNull:
			out[name] = "null"
		case sdk.CellString:
			out[name] = fmt.Sprintf("string %q", c.Bytes())
		case sdk.CellNumber:
			out[name] = "number " + string(c.Bytes())
		case sdk.CellBool:
			out[name] = fmt.Sprint("bool ", c.Bytes()[0])
		case sdk.CellJSON:
			out[name] = "json " + string(c.Bytes())
		}
	}
	return out
}

// walk reads pages until one is done, and returns ids and the last cursor.
func walk(t *testing.T, c *connection, after sdk.Cursor, limit int) ([]string, sdk.Cursor) {
	t.Helper()
	var ids []string
	for range 1000 {
		p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Rows {
			ids = append(ids, p.Row(i).ID())
		}
		if after = p.Next; p.Done {
			return ids, after
		}
	}
	t.Fatal("the walk does not end")
	return nil, nil
}

// lists answers one list of 23 members in each of the ways of paging.
func lists(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method == http.MethodPost {
			var body map[string]any
			_ = json.NewDecoder(r.Body).Decode(&body)
			q.Set("page", fmt.Sprint(body["page"]))
		}
		n := func(name string, otherwise int) int {
			if v, err := strconv.Atoi(q.Get(name)); err == nil {
				return v
			}
			return otherwise
		}
		first := n("page", 0) * 5
		if r.URL.Path == "/api/one" {
			first = (n("page", 1) - 1) * 5
		}
		if r.URL.Path == "/api/offset" {
			first = n("skip", 0)
		}
		first = min(first, 23)
		last := min(first+5, 23)
		items := []map[string]any{}
		for i := first; i < last; i++ {
			items = append(items, map[string]any{"id": i})
		}
		answer := map[string]any{"data": map[string]any{"list": items}, "more": last < 23, "cursor": nil, "link": nil}
		if last < 23 {
			next := n("page", 0) + 1
			answer["cursor"] = next
			answer["link"] = "/api/x?page=" + strconv.Itoa(next)
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/first>; rel="first", <http://%s/api/x?page=%d>; rel="next"`, r.Host, r.Host, next))
		}
		say(w, 200, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/api"
}

func TestEveryWayOfPagingReadsTheWholeList(t *testing.T) {
	url := lists(t)
	var want []string
	for i := range 23 {
		want = append(want, strconv.Itoa(i))
	}
	for name, text := range map[string]string{
		"page from 1":    `{path: /one, items: /data/list, paging: {page: {param: page}}}`,
		"page from 0":    `{path: /zero, items: /data/list, paging: {page: {param: page, first: 0, size: n, limit: 5, short_page_ends: true}}}`,
		"page with more": `{path: /one, items: /data/list, paging: {page: {param: page, more: /more}}}`,
		"offset":         `{path: /offset, items: /data/list, paging: {offset: {param: skip, size: take, limit: 5}}}`,
		"cursor":         `{path: /x, items: /data/list, paging: {cursor: {param: page, next: /cursor}}}`,
		"link":           `{path: /x, items: /data/list, paging: {link: {next: /link}}}`,
		"link header":    `{path: /x, items: /data/list, paging: {link: {next: header}}}`,
		"body":           `{method: POST, path: /x, items: /data/list, body: {page: "{page}"}, paging: {page: {first: 0}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := at(t, url, "version: 1\nauth: bearer\nkinds:\n  member:\n    list: "+text+"\n")
			for _, limit := range []int{1, 7, 500} {
				if got, _ := walk(t, c, nil, limit); !slices.Equal(got, want) {
					t.Errorf("limit %d: got %v", limit, got)
				}
			}
		})
	}
}

func TestAListThatDoesNotPageAsTheFileSaysIsAFault(t *testing.T) {
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	defer server.Close()
	for _, tt := range []struct{ paging, answer, want string }{
		{"{page: {param: page}}", `{"items":[{"id":1}]}`, "two pages are the same"},
		{"{cursor: {param: c, next: /next}}", `{"items":[],"next":"x"}`, "same place"},
		{"{cursor: {param: c, next: /next}}", `{"items":[{"id":1}],"next":{"a":1}}`, "not a text or a number"},
		{"{link: {next: /next}}", `{"items":[],"next":"https://elsewhere.example/x"}`, "another address"},
		{"{link: {next: /next}}", `{"items":[],"next":"//elsewhere.example/x"}`, "another address"},
		{"none", `{"things":[]}`, "no list in the answer"},
		{"none", `{"items":{}}`, "no list in the answer"},
		{"none", `[`, "not JSON"},
	} {
		answer = tt.answer
		c := at(t, server.URL, "version: 1\nauth: bearer\nkinds:\n  member:\n    list: {path: /x, items: /items, paging: "+tt.paging+"}\n")
		var err error
		var after sdk.Cursor
		for range 4 {
			var p *sdk.Page
			if p, err = c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: 1}); err != nil {
				break
			}
			after = p.Next
		}
		if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || !strings.Contains(e.Error(), tt.want) {
			t.Errorf("paging %s, answer %s: got %v", tt.paging, tt.answer, err)
		}
	}
}

func TestARecordKeepsItsTypesAndDigits(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"items":[{"id":12345678901234567890,"n":1.10,"b":true,"null":null,"s":"<é>","o":{"z":1,"a":[2.0]},
			"First":"Ann","address":{"city":"York","zip":"1"}},17,{"id":""},{"id":"gone","deleted":"true"},{"id":"` + strings.Repeat("x", 300) + `"}]}`))
	}))
	defer server.Close()
	c := at(t, server.URL, "version: 1\nauth: bearer\nkinds:\n  member:\n    fields: {first_name: /First, city: /address/city}\n"+
		"    removed: {at: /deleted, equals: true}\n    list: {path: /x, items: /items}\n")
	p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 10})
	if err != nil || p.Rows != 1 || !p.Done {
		t.Fatalf("got %+v, %v", p, err)
	}
	want := map[string]string{
		"id": "number 12345678901234567890", "n": "number 1.10", "b": "bool 1", "null": "null", "s": `string "<é>"`,
		"o": `json {"a":[2.0],"z":1}`, "first_name": `string "Ann"`, "city": `string "York"`,
	}
	if diff := cmp.Diff(want, cells(p, 0)); diff != "" {
		t.Error(diff)
	}
	if p.Row(0).ID() != "12345678901234567890" || p.Row(0).Position() != "item 1" {
		t.Errorf("id %q, position %q", p.Row(0).ID(), p.Row(0).Position())
	}
	var rejected []string
	for _, r := range p.Rejected {
		rejected = append(rejected, r.Position+": "+r.Reason)
	}
	if diff := cmp.Diff([]string{"item 2: " + faultNoObject, "item 3: " + faultNoID, "item 5: " + faultID}, rejected); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"gone"}, p.Removed); diff != "" {
		t.Error(diff)
	}
}

func TestClubsAreReadInTheirOrderAndAWalkIsResumed(t *testing.T) {
	s := newService(t).fill("members", 9)
	c := opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil), "2", "1")
	all, _ := walk(t, c, nil, 500)
	if want := []string{"members-0", "members-2", "members-4", "members-6", "members-8", "members-1", "members-3", "members-5", "members-7"}; !slices.Equal(all, want) {
		t.Errorf("got %v", all)
	}
	p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := walk(t, opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil), "1", "2"), p.Next, 3); !slices.Equal(rest, all[2:]) {
		t.Errorf("resumed with %v", rest)
	}
	// The club in the middle of which the walk stood is no longer there.
	if rest, _ := walk(t, opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil), "2"), p.Next, 3); !slices.Equal(rest, all[5:]) {
		t.Errorf("without club 1: resumed with %v", rest)
	}
}

func TestTheNextWalkReadsWhatChangedSince(t *testing.T) {
	s := newService(t).fill("members", 5)
	c := opened(t, settingsOf(t, "testdata/club.rest.yaml", s.url, nil))
	_, end := walk(t, c, nil, 2)
	s.requests()
	ids, again := walk(t, c, end, 500)
	// The latest change was at 04:00; five minutes before that is read again.
	if !slices.Equal(ids, []string{"members-4"}) || !strings.Contains(s.requests()[0], "updated_since=2026-01-01T03%3A55%3A00Z") {
		t.Errorf("read %v", ids)
	}
	if string(again) != string(end) {
		t.Errorf("a walk without changes moved the cursor from %s to %s", end, again)
	}
	s.records["members"][1]["updated_at"] = "2026-01-02T00:00:00Z"
	if ids, _ := walk(t, c, again, 500); !slices.Equal(ids, []string{"members-1", "members-4"}) {
		t.Errorf("read %v", ids)
	}
}

func TestAMomentIsNeverPassedThatWasNotRead(t *testing.T) {
	day := func(h, m int) time.Time { return time.Date(2026, 3, 1, h, m, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name                string
		since               since
		before, began, high time.Time
		want                time.Time
	}{
		{"the latest change", since{field: &pointer{}, overlap: 5 * time.Minute}, time.Time{}, day(12, 0), day(11, 0), day(10, 55)},
		{"changes while the walk ran", since{field: &pointer{}}, time.Time{}, day(12, 0), day(12, 30), day(12, 0)},
		{"nothing was read", since{field: &pointer{}}, day(9, 0), day(12, 0), time.Time{}, day(9, 0)},
		{"no field", since{overlap: time.Minute}, day(9, 0), day(12, 0), time.Time{}, day(11, 59)},
		{"never back", since{field: &pointer{}, overlap: time.Hour}, day(9, 0), day(12, 0), day(9, 30), day(9, 0)},
		{"exclusive", since{field: &pointer{}, exclusive: true}, time.Time{}, day(12, 0), day(11, 0), day(11, 0).Add(-time.Second)},
		{"a day", since{field: &pointer{}, format: formatDate}, time.Time{}, day(12, 0), day(11, 0), day(0, 0)},
	} {
		if got := tt.since.next(tt.before, tt.began, tt.high); !got.Equal(tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMomentsAreReadAndWrittenInEveryFormat(t *testing.T) {
	moment := time.Date(2026, 3, 1, 12, 30, 15, 0, time.UTC)
	for format, want := range map[timeFormat]string{
		formatRFC3339: "2026-03-01T12:30:15Z", formatDate: "2026-03-01", formatDateTime: "2026-03-01 12:30:15",
		formatUnix: "1772368215", formatUnixMS: "1772368215000",
	} {
		text := format.text(moment)
		back, ok := format.parse(text)
		if text != want || !ok || !back.Equal(moment.Truncate(format.resolution())) {
			t.Errorf("%s: %s, and back %s %v", format, text, back, ok)
		}
	}
	for _, bad := range []any{"", "yesterday", nil, true, json.Number("1e300")} {
		if _, ok := formatUnix.parse(bad); ok {
			t.Errorf("%v is a moment", bad)
		}
	}
}

func TestAReadThatFailsIsClassified(t *testing.T) {
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	c := at(t, server.URL, strings.Replace(outcomeFile, "kinds:\n  prospect:\n", "kinds:\n  prospect:\n    list: {path: /p, items: /items}\n", 1))
	for _, tt := range []struct {
		status int
		body   string
		class  sdk.Class
		code   sdk.Code
	}{
		{401, ``, sdk.ClassFail, sdk.CodeAuth},
		{403, ``, sdk.ClassFail, sdk.CodeAuth},
		{404, ``, sdk.ClassFail, sdk.CodeConfig},
		{400, ``, sdk.ClassFail, sdk.CodeConfig},
		{302, ``, sdk.ClassFail, sdk.CodeConfig},
		{500, ``, sdk.ClassRetry, sdk.CodeUnavailable},
		{200, `{"ok":false}`, sdk.ClassFail, sdk.CodeData},
		{200, `{"ok":false,"error":{"code":"busy"}}`, sdk.ClassRetry, sdk.CodeUnavailable},
		{200, `{"ok":false,"error":{"code":"bad_key"}}`, sdk.ClassFail, sdk.CodeConfig},
		{200, `{"ok":false,"error":{"status":401}}`, sdk.ClassFail, sdk.CodeAuth},
		{200, `{"items":[]}`, sdk.ClassFail, sdk.CodeData},
		{200, `<html>`, sdk.ClassFail, sdk.CodeData},
	} {
		status, body = tt.status, tt.body
		_, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindProspect, Limit: 1})
		if e := sdk.AsError(err); e == nil || e.Class != tt.class || e.Code != tt.code {
			t.Errorf("%d %s: got %#v", tt.status, tt.body, e)
		}
	}
}

func TestWhatWasReadBeforeAQuotaIsUsedUpIsHandedOn(t *testing.T) {
	s := newService(t).fill("members", 12)
	c := at(t, s.url, "version: 1\nauth: bearer\nlimits: {per_day: 2}\nkinds:\n  member:\n"+
		"    list: {path: /v1/members, items: /items, paging: {page: {param: page, size: per_page, limit: 5, more: /next}}}\n")
	p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 500})
	if err != nil || p.Rows != 10 || p.Done {
		t.Fatalf("got %+v, %v", p, err)
	}
	_, err = c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: p.Next, Limit: 500})
	if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassRetry || e.Code != sdk.CodeQuota {
		t.Errorf("got %v", err)
	}
}

func TestAnotherListIsReadFromItsBeginning(t *testing.T) {
	s := newService(t).fill("members", 6)
	read := func(text string, after sdk.Cursor) *sdk.Page {
		t.Helper()
		p, err := at(t, s.url, "version: 1\nauth: bearer\n"+text+"kinds:\n  member:\n    list: {path: /v1/members, items: /items}\n").
			Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := read("", nil)
	if p := read("limits: {per_second: 99}\n", first.Next); p.Rows != 2 {
		t.Errorf("with other limits: %d records, want the rest", p.Rows)
	}
	c := at(t, s.url, "version: 1\nauth: bearer\nkinds:\n  member:\n    list: {path: /v1/members, query: {a: b}, items: /items}\n")
	if p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: first.Next, Limit: 500}); err != nil || p.Rows != 6 {
		t.Errorf("got %+v, %v, want all records", p, err)
	}
	for _, bad := range []string{"x", "{}", `{"v":1,"s":-1}`, `{"v":2}`} {
		if _, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: sdk.Cursor(bad), Limit: 1}); sdk.AsError(err) == nil {
			t.Errorf("cursor %s was taken", bad)
		}
	}
}
