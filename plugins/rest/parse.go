package main

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// parser reads a file for one connection.
type parser struct {
	doc *document
	// always are the placeholders of every call.
	always []string
	// clubs says that the connection names clubs.
	clubs bool
}

// parseSpec reads a file, and reports everything that is wrong with it at once.
func parseSpec(name string, text []byte, vars map[string]string, clubs bool) (*spec, error) {
	doc := &document{name: name}
	var root yaml.Node
	if len(bytes.TrimSpace(text)) == 0 {
		doc.fault(nil, "the file is empty", "it begins with  version: 1")
		return nil, doc.err()
	}
	if err := yaml.Load(text, &root); err != nil || len(root.Content) != 1 {
		doc.syntax(err)
		return nil, doc.err()
	}
	doc.aliases(root.Content[0])
	if err := doc.err(); err != nil {
		return nil, err
	}
	p := &parser{doc: doc, clubs: clubs, always: []string{"client"}}
	for _, v := range sorted(vars) {
		p.always = append(p.always, varsPrefix+v)
	}
	s := p.spec(value{doc: doc, node: root.Content[0]})
	return s, doc.err()
}

// syntax reports that the file is not YAML. The parser's own words may quote it.
func (d *document) syntax(err error) {
	f := fault{message: "the file cannot be read as YAML", hint: "check indentation, quotes and brackets; quote a text that holds a brace inside brackets"}
	if found, ok := firstLoadError(err); ok {
		f.line, f.column = found.Mark.Line, found.Mark.Column
	}
	d.faults = append(d.faults, f)
}

func (p *parser) spec(root value) *spec {
	m := root.members("version", "auth", "headers", "limits", "errors", "check", "clubs", "kinds")
	root.need(m, "version", "kinds")
	if m["version"].there() && m["version"].text() != "1" {
		m["version"].fault("this version of the file is not known", "write version: 1")
	}
	s := &spec{
		auth: p.auth(m["auth"]), limits: p.limits(m["limits"]), errors: p.errors(m["errors"]),
		kinds: map[sdk.Kind]*kind{}, headers: p.headers(m["headers"]),
	}
	if m["check"].there() {
		c := p.call(m["check"].members("method", "path", "query", "body"), m["check"], "GET", p.always)
		s.check = &c
	}
	if m["clubs"].there() {
		s.clubs = p.clubList(m["clubs"])
	}
	for _, entry := range m["kinds"].entries() {
		k := sdk.Kind(entry.name())
		if !k.Valid() {
			p.doc.fault(entry.key, fmt.Sprintf("%q is no kind of record", entry.name()), meant(entry.name(), kindNames()))
			continue
		}
		s.kinds[k] = p.kind(entry)
	}
	if m["kinds"].is(yaml.MappingNode) && len(m["kinds"].node.Content) == 0 {
		m["kinds"].fault("there is no kind", "write at least one of "+strings.Join(kindNames(), ", "))
	}
	return s
}

func kindNames() []string {
	names := make([]string, 0, len(sdk.Kinds()))
	for _, k := range sdk.Kinds() {
		names = append(names, string(k))
	}
	return names
}

func (p *parser) auth(v value) authSpec {
	if !v.is(yaml.MappingNode) {
		return authSpec{way: authWay(v.choice(string(authNone), string(authBearer), string(authBasic)))}
	}
	m := v.members("header", "oauth")
	switch {
	case m["header"].there() == m["oauth"].there():
		v.fault(`"auth" has one key here`, "write bearer, basic, none, {header: NAME} or {oauth: {token_url: /oauth/token}}")
	case m["header"].there():
		return authSpec{way: authHeader, header: m["header"].text()}
	}
	o := m["oauth"].members("token_url", "scope", "audience", "in_body")
	m["oauth"].need(o, "token_url")
	return authSpec{way: authOAuth, oauth: httpx.OAuth{
		TokenURL: o["token_url"].text(), Scope: o["scope"].text(), Audience: o["audience"].text(), InBody: o["in_body"].flag(),
	}}
}

func (p *parser) limits(v value) httpx.Limits {
	if !v.there() {
		return httpx.Limits{}
	}
	m := v.members("per_second", "per_minute", "per_day")
	return httpx.Limits{
		PerSecond: m["per_second"].rate(),
		PerMinute: m["per_minute"].number(0, 1, 1_000_000), PerDay: m["per_day"].number(0, 1, 1_000_000_000),
	}
}

func (p *parser) errors(v value) errorSpec {
	e := errorSpec{verdicts: map[string]verdict{}}
	if !v.there() {
		return e
	}
	m := v.members("ok", "status", "code", "message", "message_safe", "retry", "fail", "conflict", "gone", "unknown", "conflict_id", "safe_503")
	e.ok, e.code, e.message = m["ok"].condition(), m["code"].pointer(nil), m["message"].pointer(nil)
	e.status = m["status"].pointer(nil)
	e.conflictID = m["conflict_id"].pointer(nil)
	e.messageSafe, e.safe503 = m["message_safe"].flag(), m["safe_503"].flag()
	for _, means := range []struct {
		key string
		verdict
	}{{"retry", later}, {"fail", broken}, {"conflict", taken}, {"gone", gone}, {"unknown", unsure}} {
		for _, code := range m[means.key].texts() {
			if _, twice := e.verdicts[code]; twice {
				m[means.key].fault("a code has two meanings", "name each code once")
			}
			e.verdicts[code] = means.verdict
		}
		if m[means.key].there() && e.code == nil {
			m[means.key].fault("codes are listed, and nothing says where an answer has one", `add "code" with a JSON Pointer`)
		}
	}
	return e
}

// parameters reads names with templates.
func (p *parser) parameters(v value, allowed []string) []parameter {
	var all []parameter
	for _, entry := range v.entries() {
		all = append(all, parameter{name: entry.name(), value: entry.template(allowed)})
	}
	return all
}

// headerName is what names a header that a file may set.
var headerName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// headers reads those of each request. What the adapter sends itself is not
// among them.
func (p *parser) headers(v value) []parameter {
	for _, entry := range v.entries() {
		switch name := http.CanonicalHeaderKey(entry.name()); {
		case !headerName.MatchString(name):
			p.doc.fault(entry.key, "this does not name a header", "write letters, digits and dashes")
		case name == "Authorization" || name == "Content-Type" || name == "Content-Length" || name == "Host":
			p.doc.fault(entry.key, "the adapter sends this header itself", `remove it; credentials go into "auth" and the settings`)
		}
	}
	return p.parameters(v, p.always)
}

// call reads what every call has.
func (p *parser) call(m map[string]value, v value, method string, allowed []string) call {
	c := call{method: strings.ToUpper(m["method"].choice(method, "GET", "POST", "PUT", "PATCH", "DELETE"))}
	v.need(m, "path")
	allowed = slices.Concat(p.always, allowed)
	c.path = m["path"].template(allowed)
	if m["path"].there() && (len(c.path) == 0 || !strings.HasPrefix(c.path[0].literal, "/") || hasDots(c.path)) {
		m["path"].fault("a path begins with a slash and has no . or .. in it, no ? and no #", "write it as it follows base_url; what stands behind ? goes into query")
	}
	c.query = p.parameters(m["query"], allowed)
	if m["body"].there() {
		body := m["body"].tree(allowed)
		c.body = &body
	}
	return c
}

// hasDots reports whether the literal text of a path could lead elsewhere.
func hasDots(t template) bool {
	text := t.String()
	return slices.ContainsFunc(strings.Split(text, "/"), func(s string) bool { return s == "." || s == ".." }) ||
		slices.ContainsFunc(t, func(p part) bool { return strings.ContainsAny(p.literal, "?#") })
}

// uses reports whether a placeholder stands anywhere in the call.
func (c *call) uses(name string) bool {
	names := c.path.names()
	for _, q := range c.query {
		names = append(names, q.value.names()...)
	}
	if c.body != nil {
		names = append(names, c.body.names()...)
	}
	return slices.Contains(names, name)
}

// fingerprint tells texts apart, wherever they stand.
func fingerprint(seed string, nodes ...*yaml.Node) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, seed) // a hash takes everything
	for _, n := range nodes {
		writeNode(h, n)
	}
	return h.Sum64()
}

func writeNode(w io.Writer, n *yaml.Node) {
	if n == nil {
		_, _ = io.WriteString(w, "\x00-") // a hash takes everything
		return
	}
	_, _ = fmt.Fprintf(w, "\x00%d%q", n.Kind, cmp.Or(n.Value, n.ShortTag()))
	for _, child := range n.Content {
		writeNode(w, child)
	}
}
