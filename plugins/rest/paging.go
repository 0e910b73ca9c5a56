package main

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pageStyle is how a list is cut into pages.
type pageStyle string

const (
	pageNone   pageStyle = "none"
	pageNumber pageStyle = "page"
	pageOffset pageStyle = "offset"
	pageCursor pageStyle = "cursor"
	pageLink   pageStyle = "link"
)

// maxAt bounds what a service gives to go on with, which stands in a cursor:
// escaped it still fits.
const maxAt = 3 << 9

// paging is how a list goes on.
type paging struct {
	style pageStyle
	// param and size name the parameters; empty where the call's own query or
	// body has {page} and {size}.
	param, size string
	// first is the number of the first page, limit how many records one has.
	first, limit int
	// next is where the answer says how to go on: a cursor, or a link.
	next *pointer
	// header says that the link stands in the Link header.
	header bool
	// more is where the answer says whether there is more.
	more *pointer
	// shortEnds says that a page of fewer records than limit is the last.
	shortEnds bool
}

// begin is the place of the first page.
func (p paging) begin() string {
	switch p.style {
	case pageNumber:
		return strconv.Itoa(p.first)
	case pageOffset:
		return "0"
	case pageNone, pageCursor, pageLink:
	}
	return ""
}

// ask adds the place of a page to a query.
func (p paging) ask(q url.Values, at string, size int) {
	if p.size != "" && size > 0 {
		q.Set(p.size, strconv.Itoa(size))
	}
	if p.param != "" && at != "" && p.style != pageLink {
		q.Set(p.param, at)
	}
}

var (
	errNext    = errors.New("the place of the next page is not a text or a number of at most 1.5 KiB")
	errRepeats = errors.New("the page has the same place for the next one as for itself")
	errForeign = errors.New("the link to the next page leads to another address than base_url")
)

// after returns the place of the page that follows the one at a place, empty
// for the last one. The page has count records.
func (p paging) after(at string, count int, doc any, header http.Header, base *url.URL) (string, error) {
	switch p.style {
	case pageNumber, pageOffset:
		return p.countOn(at, count, doc)
	case pageCursor:
		next, err := p.scalar(doc)
		switch {
		case err != nil:
			return "", err
		case p.more != nil && !p.hasMore(doc):
			return "", nil
		case next != "" && next == at:
			return "", errRepeats
		}
		return next, nil
	case pageLink:
		raw := nextLink(header)
		if !p.header {
			var err error
			if raw, err = p.scalar(doc); err != nil {
				return "", err
			}
		}
		next, err := within(base, raw)
		if err == nil && next != "" && next == at {
			err = errRepeats
		}
		return next, err
	case pageNone:
	}
	return "", nil
}

func (p paging) countOn(at string, count int, doc any) (string, error) {
	switch {
	case p.more != nil && !p.hasMore(doc), p.more == nil && count == 0, p.shortEnds && count < p.limit:
		return "", nil
	}
	n, err := strconv.Atoi(at)
	if err != nil {
		return "", errNext
	}
	if p.style == pageOffset && count == 0 {
		return "", errRepeats // more is promised, and nothing comes
	}
	if p.style == pageNumber {
		return strconv.Itoa(n + 1), nil
	}
	return strconv.Itoa(n + count), nil
}

func (p paging) hasMore(doc any) bool {
	v, _ := p.more.get(doc)
	return truthy(v)
}

// scalar is what the answer says to go on with.
func (p paging) scalar(doc any) (string, error) {
	v, ok := p.next.get(doc)
	if !ok || !truthy(v) {
		return "", nil
	}
	w := word(v)
	if w == "" || len(w) > maxAt {
		return "", errNext
	}
	return w, nil
}

// leadsUp reports whether a path has dots that were escaped, which the service may take
// for those that lead to another folder.
func leadsUp(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

// nextLink finds rel="next" in Link headers (RFC 8288).
func nextLink(header http.Header) string {
	for _, line := range header.Values("Link") {
		for line != "" {
			_, rest, ok := strings.Cut(line, "<")
			if !ok {
				break
			}
			target, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			params, next, _ := strings.Cut(rest, "<")
			for param := range strings.SplitSeq(strings.TrimRight(params, ", "), ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
				if strings.EqualFold(name, "rel") && hasNext(strings.Trim(value, `" ,`)) {
					return target
				}
			}
			if line = ""; next != "" {
				line = "<" + next
			}
		}
	}
	return ""
}

// hasNext reports whether next is one of the relations of a link.
func hasNext(relations string) bool {
	return slices.ContainsFunc(strings.Fields(relations), func(r string) bool { return strings.EqualFold(r, "next") })
}

// within makes a link relative to the base URL, so that no credentials leave
// for another address.
func within(base *url.URL, raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	ref, err := url.Parse(raw)
	if err != nil || len(raw) > maxAt {
		return "", errNext
	}
	// A link without a host counts from the root of the host, as in a browser.
	u := base.ResolveReference(ref)
	prefix := strings.TrimSuffix(base.EscapedPath(), "/")
	path, inside := strings.CutPrefix(u.EscapedPath(), prefix)
	if u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil || !inside || path != "" && path[0] != '/' || leadsUp(u.Path) {
		return "", errForeign
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path, nil
}
