package club

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// searchable reports whether a kind can be searched by a filter at all.
func (p *Platform) searchable(k Kind, filter string) bool {
	switch k {
	case Staff:
		return filter == fieldEmail || filter == fieldName
	case LeadSource:
		return filter == fieldName
	default:
		return p.findsPeopleBy(filter)
	}
}

func (p *Platform) findsPeopleBy(filter string) bool {
	switch filter {
	case fieldExternalRef:
		return p.opts.Class == ClassC
	case fieldExternalID:
		return p.opts.Class == ClassB
	default:
		return p.opts.Class != ClassE
	}
}

// list answers one page of a list or a search.
func (p *Platform) list(req *request) answer {
	s := selection{now: p.opts.Now(), club: req.query.Get(fieldClub)}
	none := false
	for _, name := range filters() {
		if !req.query.Has(name) {
			continue
		}
		if !p.searchable(req.kind, name) {
			if p.opts.IgnoreFilters {
				continue
			}
			return answer{err: badParameter(name)}
		}
		key, ok := indexKey(name, req.query.Get(name))
		none = none || !ok
		s.by = append(s.by, key)
	}
	if text := req.query.Get("updated_since"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return answer{err: badParameter("updated_since")}
		}
		s.since = since
	}
	t := p.tables[req.kind]
	var rows []*row
	if !none {
		rows = t.pick(s)
	}
	return p.page(req, rows, !s.since.IsZero())
}

func badParameter(name string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "bad_parameter", Message: "A parameter is not known or not valid", Field: name}
}

// page cuts one page out of the rows of a list.
func (p *Platform) page(req *request, rows []*row, byTime bool) answer {
	sizeName := "per_page"
	if p.opts.Paging == Offsets {
		sizeName = "limit"
	}
	size, ok := number(req, sizeName, p.opts.PerPage, 1)
	if !ok {
		return answer{err: badParameter(sizeName)}
	}
	size = min(size, p.opts.MaxPerPage)
	begin, bad := p.begin(req, rows, size, byTime)
	if bad != nil {
		return answer{err: bad}
	}
	begin = min(begin, len(rows))
	end := min(begin+size, len(rows))
	a := answer{status: http.StatusOK, list: make([]*Record, 0, end-begin)}
	for _, w := range rows[begin:end] {
		a.list = append(a.list, w.record)
	}
	if end == len(rows) {
		return a
	}
	switch p.opts.Paging {
	case Offsets:
		a.next = end
	case Cursors:
		a.next = cursorAt(rows[end-1])
	default:
		a.next = begin/size + 2
	}
	return a
}

// begin is the place of a page's first row.
func (p *Platform) begin(req *request, rows []*row, size int, byTime bool) (int, *apiError) {
	switch p.opts.Paging {
	case Offsets:
		n, ok := number(req, "offset", 0, 0)
		if !ok {
			return 0, badParameter("offset")
		}
		return n, nil
	case Cursors:
		text := req.query.Get("cursor")
		if text == "" {
			return 0, nil
		}
		updated, seq, ok := readCursor(text)
		if !ok {
			return 0, badParameter("cursor")
		}
		at := slices.IndexFunc(rows, func(w *row) bool {
			if byTime && w.record.Updated.UnixMilli() != updated {
				return w.record.Updated.UnixMilli() > updated
			}
			return w.seq > seq
		})
		if at < 0 {
			at = len(rows)
		}
		return at, nil
	default:
		n, ok := number(req, "page", 1, 1)
		if !ok || n > 1<<30 {
			return 0, badParameter("page")
		}
		return (n - 1) * size, nil
	}
}

// number reads a parameter; not ok when it is no number or less than least.
func number(req *request, name string, otherwise, least int) (int, bool) {
	text := req.query.Get(name)
	if text == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least
}

// cursorAt is the cursor behind a row. It holds a time and a place, so that
// records that change do not make a reader miss others.
func cursorAt(w *row) string {
	text := strconv.FormatInt(w.record.Updated.UnixMilli(), 10) + "." + strconv.Itoa(w.seq)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func readCursor(cursor string) (updated int64, seq int, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, 0, false
	}
	a, b, found := strings.Cut(string(text), ".")
	updated, errA := strconv.ParseInt(a, 10, 64)
	seq, errB := strconv.Atoi(b)
	return updated, seq, found && errA == nil && errB == nil
}
