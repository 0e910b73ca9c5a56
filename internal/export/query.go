package export

import (
	"net/url"
	"strings"
)

// Bounds of a request. They leave room around everything the protocol can
// mean, and refuse the rest before it costs anything.
const (
	maxQueryBytes = 2 << 10
	maxParameters = 32
	maxUIDBytes   = 128
	maxPerPage    = 1000
	// maxPage is twice the last page that the largest session can have.
	maxPage = 2 * MaxClients
	// endPage is the page that says that the import is over.
	endPage = -1
)

// query is a well-formed request for a page.
type query struct {
	business, staff string
	page, perPage   int
	// unknown counts the parameters that the protocol does not have.
	unknown int
}

// parseQuery reads the parameters of a request. Every parameter of the protocol
// must be there exactly once, except that page=-1 needs no per_page. It does
// not use net/url's parser, which takes the first of several values and reads
// numbers that are not written as the protocol writes them.
func parseQuery(raw string) (query, bool) {
	if len(raw) > maxQueryBytes || strings.Count(raw, "&") >= maxParameters {
		return query{}, false
	}
	var q query
	ok := true
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		ok = q.set(key, value) && ok
	}
	ok = ok && q.business != "" && q.staff != "" && q.page != 0 && (q.perPage != 0 || q.page == endPage)
	return q, ok
}

// set takes one parameter and reports whether it may stand there.
func (q *query) set(key, value string) bool {
	key, ok := unescape(key)
	if !ok {
		return false
	}
	switch key {
	case "business_uid":
		return setUID(&q.business, value)
	case "staff_uid":
		return setUID(&q.staff, value)
	case "page":
		return setPage(&q.page, value)
	case "per_page":
		return setNumber(&q.perPage, value, maxPerPage)
	case "":
		return value == ""
	}
	q.unknown++
	return true
}

func setUID(field *string, value string) bool {
	value, ok := unescape(value)
	if !ok || *field != "" || len(value) > maxUIDBytes {
		return false
	}
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return false
		}
	}
	*field = value
	return value != ""
}

func setPage(page *int, value string) bool {
	if value == "-1" {
		free := *page == 0
		*page = endPage
		return free
	}
	return setNumber(page, value, maxPage)
}

// setNumber reads a number from 1 to limit in plain digits: no sign, no space,
// no leading zero, no exponent.
func setNumber(field *int, value string, limit int) bool {
	value, ok := unescape(value)
	if !ok || *field != 0 || value == "" || len(value) > 9 || value[0] == '0' {
		return false
	}
	n := 0
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return false
		}
		n = 10*n + int(value[i]-'0')
	}
	*field = n
	return n <= limit
}

// unescape undoes the percent-encoding. A bare semicolon is refused: some
// readers of queries take it for an ampersand.
func unescape(s string) (string, bool) {
	if strings.Contains(s, ";") {
		return "", false
	}
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	s, err := url.QueryUnescape(s)
	return s, err == nil
}
