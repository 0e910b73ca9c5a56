package main

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// firstLoadError finds where the parser of YAML gave up. The list has to be
// asked for first, because it unwraps to its first entry.
func firstLoadError(err error) (*yaml.LoadError, bool) {
	if list, ok := errors.AsType[*yaml.LoadErrors](err); ok && len(list.Errors) > 0 {
		return list.Errors[0], true
	}
	return errors.AsType[*yaml.LoadError](err)
}

// The keys of a call.
func callKeys(more ...string) []string {
	return append([]string{"method", "path", "query", "body"}, more...)
}

func (p *parser) kind(v value) *kind {
	m := v.members("id", "club", "marker", "email", "name", "inactive", "removed", "class", "unique", "natural", "key_ttl",
		"exec_lag", "index_lag", "updates", "fields", "other_fields", "custom_fields", "list", "get", "find", "find_by",
		"same_record", callSave, callCreate, callUpdate, callDeactivate, callDelete, callConvert, callTransfer)
	slash := pointer{"id"}
	k := &kind{
		id: m["id"].pointer(&slash), club: m["club"].pointer(nil), marker: m["marker"].pointer(nil),
		email: m["email"].pointer(nil), name: m["name"].pointer(nil),
		inactive: m["inactive"].condition(), removed: m["removed"].condition(),
		unique: m["unique"].text(), natural: m["natural"].texts(), keyTTL: m["key_ttl"].span(),
		execLag: m["exec_lag"].span(), indexLag: m["index_lag"].span(),
		updates: sdk.UpdateSemantics(m["updates"].choice(string(sdk.UpdatePatch), string(sdk.UpdateReplace))),
		fields:  p.fields(m["fields"]), open: m["other_fields"].flag(),
		writes: map[string]*write{}, sameRecord: m["same_record"].flag(),
	}
	if m["class"].there() {
		k.class = sdk.GuaranteeClass(m["class"].choice("A", "B", "B'", "C", "D", "E"))
	}
	if m["list"].there() {
		k.list = p.list(m["list"], true, p.clubs)
	}
	if m["find"].there() {
		k.find = p.list(m["find"], false, p.clubs, "marker")
	}
	if m["find_by"].there() {
		k.findBy = p.list(m["find_by"], false, p.clubs, dataPrefix)
	}
	if m["get"].there() {
		c := m["get"].members(callKeys("item")...)
		get := p.call(c, m["get"], "GET", []string{"id"})
		get.item = *c["item"].pointer(&pointer{})
		k.get = &get
		if !get.uses("id") {
			m["get"].fault("this call does not say which record", "put {id} into its path or query")
		}
	}
	if m["custom_fields"].there() {
		k.custom, k.open = p.customFields(m["custom_fields"]), true
	}
	p.writes(k, m)
	p.converts(sdk.Kind(v.name()), k, m)
	k.print = fingerprint("", m["list"].node, m["id"].node, m["club"].node, m["fields"].node, m["removed"].node)
	p.promises(v, k, m)
	return k
}

func (p *parser) fields(v value) []field {
	var all []field
	for _, entry := range v.entries() {
		f := field{TargetField: sdk.TargetField{Name: entry.name()}, at: pointer{entry.name()}}
		if entry.is(yaml.ScalarNode) && entry.node.ShortTag() != "!!null" {
			f.at = p.place(entry, f.at)
		} else if entry.is(yaml.MappingNode) {
			m := entry.members("at", "required", "max_length", "shorten", "values")
			f.at = p.place(m["at"], f.at)
			f.Required, f.Shorten = m["required"].flag(), m["shorten"].flag()
			f.MaxLength, f.Values = m["max_length"].number(0, 1, 1<<20), m["values"].texts()
		}
		all = append(all, f)
	}
	return all
}

// place is where a field stands, which is never the whole record.
func (p *parser) place(v value, otherwise pointer) pointer {
	at := *v.pointer(&otherwise)
	if len(at) == 0 {
		v.fault("a field is not the whole record", "write where it stands, like /address/city")
		return otherwise
	}
	return at
}

// list reads a call that returns records.
func (p *parser) list(v value, changes, clubs bool, allowed ...string) *list {
	keys := callKeys("items", "paging")
	if changes {
		keys = append(keys, "changed_since")
		allowed = append(allowed, "since")
	}
	return p.listed(v, v.members(keys...), clubs, allowed...)
}

// customFields reads a call that lists fields.
func (p *parser) customFields(v value) *customFields {
	m := v.members(callKeys("items", "paging", "name", "label", "type", "required", "max_length")...)
	v.need(m, "name")
	return &customFields{
		list: *p.listed(v, m, p.clubs), name: m["name"].pointer(nil), label: m["label"].pointer(nil),
		kind: m["type"].pointer(nil), required: m["required"].pointer(nil), length: m["max_length"].pointer(nil),
	}
}

// listed reads what all calls have that return a list.
func (p *parser) listed(v value, m map[string]value, clubs bool, allowed ...string) *list {
	l := &list{call: p.call(m, v, "GET", append(allowed, "club", "page", "size")), items: *m["items"].pointer(&pointer{})}
	l.paging = p.paging(m["paging"], &l.call)
	if s := m["changed_since"]; s.there() {
		l.since = p.since(s, &l.call)
	}
	l.perClub = clubs && l.uses("club")
	if !clubs && slices.Contains(l.path.names(), "club") {
		m["path"].fault("the path takes a {club}, and the connection has no clubs", "add clubs to the connection, each with its id in this system")
	}
	for _, name := range allowed {
		named := l.uses(name)
		if name == dataPrefix {
			named = len(l.wanted()) > 0
		}
		if name != "since" && !named {
			v.fault("this call does not say what is looked for", "put {"+strings.TrimSuffix(name, ".")+mark(name)+"} into its query, path or body")
		}
	}
	return l
}

func mark(name string) string {
	if strings.HasSuffix(name, ".") {
		return ".NAME"
	}
	return ""
}

// wanted are the fields that a call looks records up by.
func (l *list) wanted() []string {
	names := l.path.names()
	for _, q := range l.query {
		names = append(names, q.value.names()...)
	}
	if l.body != nil {
		names = append(names, l.body.names()...)
	}
	var fields []string
	for _, n := range names {
		if f, ok := strings.CutPrefix(n, dataPrefix); ok && !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

func (p *parser) since(v value, c *call) *since {
	m := v.members("param", "format", "field", "inclusive", "overlap")
	s := &since{
		param:  m["param"].text(),
		format: timeFormat(m["format"].choice(string(formatRFC3339), string(formatDate), string(formatDateTime), string(formatUnix), string(formatUnixMS))),
		field:  m["field"].pointer(nil), overlap: m["overlap"].span(),
		exclusive: m["inclusive"].there() && !m["inclusive"].flag(),
	}
	if s.param == "" && !c.uses("since") {
		v.fault(`the key "param" is missing`, "name the parameter, or put {since} into the call's query or body")
	}
	return s
}

func (p *parser) paging(v value, c *call) paging {
	if !v.there() || v.is(yaml.ScalarNode) {
		return paging{style: pageStyle(v.choice(string(pageNone)))}
	}
	m := v.members(string(pageNumber), string(pageOffset), string(pageCursor), string(pageLink))
	var out paging
	for _, style := range []pageStyle{pageNumber, pageOffset, pageCursor, pageLink} {
		if !m[string(style)].there() {
			continue
		}
		if out.style != "" {
			v.fault("a list is paged in one way", "keep one of page, offset, cursor and link")
		}
		out = p.pages(style, m[string(style)], c)
	}
	if out.style == "" {
		v.fault("it does not say how the list is paged", "write one of page, offset, cursor and link, or leave paging out")
		out.style = pageNone
	}
	return out
}

func (p *parser) pages(style pageStyle, v value, c *call) paging {
	keys := map[pageStyle][]string{
		pageNumber: {"param", "first", "size", "limit", "more", "short_page_ends"},
		pageOffset: {"param", "size", "limit", "more", "short_page_ends"},
		pageCursor: {"param", "size", "limit", "more", "next"},
		pageLink:   {"size", "limit", "next"},
	}[style]
	m := v.members(keys...)
	out := paging{
		style: style, param: m["param"].text(), size: m["size"].text(), first: m["first"].number(1, 0, 1),
		limit: m["limit"].number(0, 1, 10_000), more: m["more"].pointer(nil), shortEnds: m["short_page_ends"].flag(),
	}
	if style == pageLink && m["next"].is(yaml.ScalarNode) && m["next"].node.Value == "header" {
		out.header = true
	} else if style == pageLink || style == pageCursor {
		v.need(m, "next")
		out.next = m["next"].pointer(&pointer{})
	}
	if style != pageLink && out.param == "" && !c.uses("page") {
		v.fault(`the key "param" is missing`, "name the parameter, or put {page} into the call's query or body")
	}
	if (out.size != "" || out.shortEnds || c.uses("size")) && out.limit == 0 {
		v.fault(`the key "limit" is missing`, "say how many records a page has at most")
	}
	return out
}
