package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// request fills a call in.
func (c *call) request(s scope, merge func() map[string]any) (httpx.Call, error) {
	path, err := c.path.path(s)
	if err != nil {
		return httpx.Call{}, err
	}
	out := httpx.Call{Method: c.method, Path: path, Query: url.Values{}, Shown: c.shown()}
	for _, q := range c.query {
		if text, ok := q.value.text(s); ok {
			out.Query.Add(q.name, text)
		}
	}
	if c.body != nil {
		v, _ := c.body.build(s, merge)
		if out.Body, err = encode(v); err != nil {
			return httpx.Call{}, errors.New("the body of the call cannot be written as JSON")
		}
	}
	return out, nil
}

// answer is what a read returned.
type answer struct {
	doc    any
	header http.Header
	// gone says that the record is not there.
	gone bool
}

// noFields stands for the fields of a record in calls that write none.
func noFields() map[string]any { return map[string]any{} }

// ask makes a call that changes nothing.
func (c *connection) ask(ctx context.Context, call *call, s scope, change func(*httpx.Call)) (answer, error) {
	req, err := call.request(s, noFields)
	if err != nil {
		return answer{}, sdk.Fail(sdk.CodeData, fmt.Errorf("%s %s: %w", call.method, call.shown(), err))
	}
	if change != nil {
		change(&req)
	}
	a, err := c.http.Read(ctx, req)
	if err != nil {
		if ctx.Err() != nil {
			return answer{}, ctx.Err()
		}
		return answer{}, err
	}
	return c.understand(call, a)
}

// understand says what an answer to a read means.
func (c *connection) understand(call *call, a httpx.Answer) (answer, error) {
	where := func(format string, args ...any) error {
		return fmt.Errorf("%s %s: %s", call.method, call.shown(), fmt.Sprintf(format, args...))
	}
	doc, err := decode(a.Body)
	a.Status = c.spec.errors.statusOf(a.Status, doc)
	what := where("%s", c.spec.errors.words(c.http, a.Status, doc))
	said := c.spec.errors.judge(doc)
	switch {
	case said == gone, a.Status == http.StatusNotFound && said <= failed, a.Status == http.StatusGone:
		return answer{gone: true}, nil
	case said == later || said == unsure:
		return answer{}, sdk.Retry(a.RetryAfter, what)
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		return answer{}, sdk.Fail(sdk.CodeAuth, where("answered %d: the credentials are refused, or may not do this", a.Status))
	case a.Status == http.StatusTooManyRequests:
		return answer{}, &sdk.Error{Class: sdk.ClassRetry, Code: sdk.CodeQuota, After: a.RetryAfter, Err: what}
	case said == broken:
		return answer{}, sdk.Fail(sdk.CodeConfig, what)
	case a.Status >= http.StatusInternalServerError || a.Status == http.StatusRequestTimeout:
		return answer{}, sdk.Retry(a.RetryAfter, what)
	case !a.OK():
		return answer{}, sdk.Fail(sdk.CodeConfig, where("answered %d: check the call's method, path and query", a.Status))
	case err != nil:
		return answer{}, sdk.Fail(sdk.CodeData, where("the answer is not JSON"))
	case said != fine:
		return answer{}, sdk.Fail(sdk.CodeData, what)
	}
	return answer{doc: doc, header: a.Header}, nil
}

// judge says what a body says.
func (e errorSpec) judge(doc any) verdict {
	if v, ok := e.verdicts[e.codeOf(doc)]; ok {
		return v
	}
	switch {
	case e.ok == nil || e.ok.holds(doc):
		return fine
	case doc == nil, !e.ok.absent && !e.ok.there(doc):
		return silent
	}
	return failed
}

// statusOf is the status of an answer: its own, or the one in its body where
// its own says success and the body knows better.
func (e errorSpec) statusOf(status int, doc any) int {
	inside, err := strconv.Atoi(e.status.text(doc))
	if err != nil || status < 200 || status > 299 || inside < 400 || inside > 599 {
		return status
	}
	return inside
}

func (e errorSpec) codeOf(doc any) string { return e.code.text(doc) }

// words say what a failure was: its status, its code, and its message only
// where that holds no values.
func (e errorSpec) words(client *httpx.Client, status int, doc any) string {
	text := "answered " + strconv.Itoa(status)
	if code := e.codeOf(doc); code != "" && len(code) <= 64 && !strings.ContainsFunc(code, notCode) {
		text += ", code " + code
	}
	if message := e.message.text(doc); message != "" && e.messageSafe {
		text += ": " + client.Words(message)
	}
	return text
}

// notCode tells what no code of an error has in it, so that a message which
// stands where a code is expected is not shown.
func notCode(r rune) bool {
	return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// place is where in a list a page begins.
type place struct {
	club, at, since string
}

// batch is one page of a list.
type batch struct {
	items []any
	// next is where the page behind it begins; empty for none.
	next string
}

// page reads one page of a list.
func (c *connection) page(ctx context.Context, l *list, s scope, at place) (batch, error) {
	s.texts = maps.Clone(s.texts)
	maps.Copy(s.texts, map[string]string{"club": at.club, "since": at.since, "page": at.at})
	if l.paging.limit > 0 {
		s.texts["size"] = strconv.Itoa(l.paging.limit)
	}
	if l.paging.style == pageLink {
		s.texts["page"] = ""
	}
	a, err := c.ask(ctx, &l.call, s, func(req *httpx.Call) { l.locate(req, at) })
	if err != nil {
		return batch{}, err
	}
	if a.gone {
		return batch{}, sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s %s: there is no such list: check path and base_url", l.method, l.shown()))
	}
	items, ok := l.items.get(a.doc)
	list, isList := items.([]any)
	if ok && items == nil {
		isList = true
	}
	if !ok || !isList {
		return batch{}, sdk.Fail(sdk.CodeData, fmt.Errorf("%s %s: there is no list in the answer where \"items\" points", l.method, l.shown()))
	}
	next, err := l.paging.after(at.at, len(list), a.doc, a.header, c.base)
	if err != nil {
		return batch{}, sdk.Fail(sdk.CodeData, fmt.Errorf("%s %s: %w", l.method, l.shown(), err))
	}
	return batch{items: list, next: next}, nil
}

// locate puts the place of a page into a request.
func (l *list) locate(req *httpx.Call, at place) {
	if l.paging.style == pageLink && at.at != "" {
		path, query, _ := strings.Cut(at.at, "?")
		req.Path = path
		if values, err := url.ParseQuery(query); err == nil {
			req.Query = values
		}
		return
	}
	if l.since != nil && l.since.param != "" && at.since != "" {
		req.Query.Set(l.since.param, at.since)
	}
	l.paging.ask(req.Query, at.at, l.paging.limit)
}

// maxPages and maxListed bound the pages and the records of a list that is read as a
// whole.
const (
	maxPages  = 1000
	maxListed = 100_000
)

var (
	errEndless = errors.New("the list does not end within 1,000 pages: check its paging")
	errListed  = errors.New("the list has more than 100,000 records, too many to be read as a whole: narrow its query")
)

// each calls f for each record of a list, with its club, until f returns false.
func (c *connection) each(ctx context.Context, l *list, s scope, f func(item any, club string) bool) error {
	clubs := []string{s.texts["club"]}
	if l.perClub && clubs[0] == "" {
		clubs = c.clubs
	}
	listed := 0
	for _, club := range clubs {
		more, err := c.eachOf(ctx, l, s, club, func(item any) (bool, error) {
			if listed++; listed > maxListed {
				return false, errListed
			}
			return f(item, club), nil
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// eachOf calls f for each record of a list for one club, and reports whether f has
// never returned false.
func (c *connection) eachOf(ctx context.Context, l *list, s scope, club string, f func(item any) (bool, error)) (more bool, err error) {
	fault := func(err error) error {
		return sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s %s: %w", l.method, l.shown(), err))
	}
	at, seen := place{club: club, at: l.paging.begin()}, turns{}
	for range maxPages {
		b, err := c.page(ctx, l, s, at)
		if err != nil {
			return false, err
		}
		for _, item := range b.items {
			more, err := f(item)
			if err != nil {
				return false, fault(err)
			}
			if !more {
				return false, nil
			}
		}
		if at.at = b.next; at.at == "" {
			return true, nil
		}
		if err := seen.on(l.paging, b); err != nil {
			return false, fault(err)
		}
	}
	return false, fault(errEndless)
}
