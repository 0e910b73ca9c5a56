package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// endless is a service whose list has a page for every request.
func endless(t *testing.T, page func(r *http.Request, n int) string) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(page(r, int(asked.Add(1)))))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// enough is more requests than any of these lists may take.
const enough = 2500

// readToItsEnd reads pages until the list is over or a fault is found.
func readToItsEnd(t *testing.T, c *connection, asked *atomic.Int32) error {
	t.Helper()
	var after sdk.Cursor
	for asked.Load() < enough {
		p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindStaff, After: after, Limit: 500})
		if err != nil {
			return err
		}
		if after = p.Next; p.Done {
			return nil
		}
	}
	return errors.New("it was read on and on")
}

// TestAListThatNeverEndsIsAFault: in a walk, which goes on over many calls, and where
// it is read as a whole.
func TestAListThatNeverEndsIsAFault(t *testing.T) {
	one := func(id any, next string) string {
		return fmt.Sprintf(`{"items":[{"id":"%v"}],"next":%q,"more":true}`, id, next)
	}
	for name, x := range map[string]struct {
		paging string
		page   func(r *http.Request, n int) string
		want   string
	}{
		"cursors that go round": {"{cursor: {param: c, next: /next}}", func(r *http.Request, n int) string {
			next := map[string]string{"": "a", "a": "b", "b": "c", "c": "a"}[r.URL.Query().Get("c")]
			return one(n, next)
		}, "again"},
		"links that go round": {"{link: {next: /next}}", func(r *http.Request, n int) string {
			next := map[string]string{"": "a", "a": "b", "b": "a"}[r.URL.Query().Get("c")]
			return one(n, "/x?c="+next)
		}, "again"},
		"pages that begin again behind the last": {"{page: {param: page, first: 0}}", func(r *http.Request, _ int) string {
			var page int
			_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
			return one(page%7, "")
		}, "again"},
		"a place that stays": {"{offset: {param: skip, more: /more}}", func(*http.Request, int) string {
			return `{"items":[],"more":true}`
		}, "the same place"},
		"nothing on every page": {"{cursor: {param: c, next: /next}}", func(_ *http.Request, n int) string {
			return fmt.Sprintf(`{"items":[],"next":"c%d"}`, n)
		}, "1,000 pages"},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := endless(t, x.page)
			c := at(t, url, "version: 1\nauth: bearer\nkinds:\n  staff: {email: /email, list: {path: /x, items: /items, paging: "+x.paging+"}}\n")
			err := readToItsEnd(t, c, asked)
			if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || !strings.Contains(e.Error(), x.want) {
				t.Errorf("a walk: %v after %d requests", err, asked.Load())
			}
			asked.Store(0)
			_, err = c.ListStaff(t.Context())
			if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || !strings.Contains(e.Error(), x.want) {
				t.Errorf("the whole list: %v after %d requests", err, asked.Load())
			}
		})
	}
}

func TestAListIsReadAsAWholeWithinBounds(t *testing.T) {
	items := strings.TrimSuffix(strings.Repeat(`{"id":1},`, 10_000), ",")
	url, asked := endless(t, func(_ *http.Request, n int) string {
		return fmt.Sprintf(`{"items":[{"id":"p%d"},%s],"next":%d}`, n, items, n)
	})
	c := at(t, url, "version: 1\nauth: bearer\nkinds:\n  staff: {email: /email, list: {path: /x, items: /items, paging: {cursor: {param: c, next: /next}}}}\n")
	_, err := c.ListStaff(t.Context())
	if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeConfig || !strings.Contains(e.Error(), "100,000 records") || asked.Load() > 11 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

// TestALinkIsFollowedWithinBaseURLOnly: escaped dots are dots to many a service.
func TestALinkIsFollowedWithinBaseURLOnly(t *testing.T) {
	for _, link := range []string{
		"/tenant/%2e%2e/other", "/tenant/%2E./other?x=1", "/tenant/a/%2e%2e/%2e%2e/other", "/tenant/../other", "../other", "//evil.example/tenant/x",
		"https://me:secret@evil.example/tenant/", "http:/tenant", "/tenantother/x", `/\evil.example/x`,
	} {
		url, asked := endless(t, func(_ *http.Request, n int) string {
			text, _ := json.Marshal(map[string]any{"items": []any{map[string]any{"id": n}}, "next": link})
			return string(text)
		})
		c := at(t, url+"/tenant", "version: 1\nauth: bearer\nkinds:\n  member: {list: {path: /x, items: /items, paging: {link: {next: /next}}}}\n")
		_, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 500})
		if e := sdk.AsError(err); e == nil || e.Class != sdk.ClassFail || asked.Load() != 1 || strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: %v after %d requests", link, err, asked.Load())
		}
	}
}

func TestTheNextLinkIsFoundAmongOthers(t *testing.T) {
	for header, want := range map[string]string{
		`</a>; rel="next"`:                             "/a",
		`</a>; rel=next`:                               "/a",
		`</a>; rel="prev next"`:                        "/a",
		`</a>; rel="next last"; title="x"`:             "/a",
		`</p>; rel="prev", </a>; rel="NEXT"`:           "/a",
		`</p?a=1,2>; rel=prev, </a?a=1,2>; rel="next"`: "/a?a=1,2",
		`</a>; rel="nextish"`:                          "",
		`</a>; title="next"`:                           "",
		`</a`:                                          "",
	} {
		if got := nextLink(http.Header{"Link": {header}}); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// TestNestedAnswersAndLongNumbersCostOneRecord or the answer, and nothing else.
func TestNestedAnswersAndLongNumbersCostOneRecord(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	for name, answer := range map[string]string{
		"deep":      `{"items":[{"id":1,"x":` + deep + `}]}`,
		"too deep":  `{"items":[{"id":1,"x":` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000) + `}]}`,
		"long":      `{"items":[{"id":1,"x":` + strings.Repeat("9", 900_000) + `}]}`,
		"exponents": `{"items":[{"id":1,"x":1e999999999},{"id":1e400},{"id":12345678901234567890123}]}`,
		"not UTF-8": "{\"items\":[{\"id\":\"\xff\xfe\"}]}",
		"too large": `{"items":["` + strings.Repeat("x", 2<<20) + `"]}`,
	} {
		url, _ := endless(t, func(*http.Request, int) string { return answer })
		c := at(t, url, "version: 1\nauth: bearer\nkinds:\n  member: {list: {path: /x, items: /items}}\n")
		p, err := c.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 500})
		if e := sdk.AsError(err); e != nil && (e.Class != sdk.ClassFail || e.Code != sdk.CodeData) {
			t.Errorf("%s: %#v", name, e)
		}
		if err == nil {
			if err := p.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if name == "exponents" && (p == nil || p.Rows != 3 || p.Row(2).ID() != "12345678901234567890123") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestAClientIDThatTearsAHeaderApartIsRefused(t *testing.T) {
	config := written(t, "version: 1\nheaders: {X-Client: \"{client}\"}\nkinds:\n  member: {list: {path: /x}}\n")
	_, err := adapter().Opener.Open(t.Context(), sdk.Connection{
		Name: "acme/x", ClientID: "a\r\nX-Admin: yes", Settings: settingsOf(t, config, "https://example.com", map[string]any{"token": nil}),
	})
	if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeConfig || !strings.Contains(e.Error(), "client_id") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoTimeIsNone(t *testing.T) {
	for _, v := range []any{"NaN", "Inf", "-1", "1e300"} {
		for _, format := range []timeFormat{formatUnix, formatUnixMS} {
			if at, ok := format.parse(v); ok {
				t.Errorf("%v is %s", v, at)
			}
		}
	}
}
