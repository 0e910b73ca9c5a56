package connector

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

// node is a part of an answer: an element with a text or with parts of its own.
type node struct {
	name  string
	text  string
	parts []node
}

func write(w http.ResponseWriter, status int, asJSON bool, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/xml; charset=utf-8")
	if asJSON {
		header.Set("Content-Type", "application/json")
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a save that was answered in vain is sent again and changes nothing
}

// encode writes an answer: in XML with the interface's namespace, in JSON without
// the outermost name.
func (n node) encode(asJSON bool) []byte {
	var out bytes.Buffer
	if asJSON {
		n.json(&out)
		return append(out.Bytes(), '\n')
	}
	out.WriteString(xml.Header)
	n.xml(&out, ` xmlns="`+namespace+`"`)
	out.WriteByte('\n')
	return out.Bytes()
}

func (n node) xml(out *bytes.Buffer, attribute string) {
	out.WriteString("<" + n.name + attribute + ">")
	_ = xml.EscapeText(out, []byte(n.text)) // a buffer takes everything
	for _, part := range n.parts {
		part.xml(out, "")
	}
	out.WriteString("</" + n.name + ">")
}

func (n node) json(out *bytes.Buffer) {
	if n.parts == nil {
		text, _ := json.Marshal(n.text) // a text has a form in JSON
		out.Write(text)
		return
	}
	out.WriteByte('{')
	for i, part := range n.parts {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`"` + part.name + `":`) // names are of letters, as the settings have them
		part.json(out)
	}
	out.WriteByte('}')
}

func savedBody(id string, asJSON bool) []byte {
	return node{name: "response", parts: []node{{name: "uuid", text: id}}}.encode(asJSON)
}

func errorBody(f *failure, id string, asJSON bool) []byte {
	return node{name: "error", parts: []node{
		{name: "reason", text: string(f.reason)}, {name: "errorUUID", text: id}, {name: "message", text: f.message},
	}}.encode(asJSON)
}

// foundBody is the answer to a fetch: what is known of the record, in the names of
// the interface.
func foundBody(e *Endpoint, q *request, found Found, asJSON bool) []byte {
	a := q.address
	out := node{name: "user", parts: []node{
		{name: "providerInfo", parts: []node{
			{name: "identifier", text: a.provider},
			{name: "clientID", text: a.client},
			{name: "clubID", text: a.club},
			{name: "recordID", text: a.record},
		}},
	}}
	if q.what == resourceLeadSource {
		out.name = "leadSource"
		info := node{name: "leadInfo", parts: []node{{name: "name", text: found.Fields[fieldName]}}}
		if active, ok := found.Fields[fieldActive]; ok {
			info.parts = append(info.parts, node{name: "active", text: active})
		}
		out.parts = append(out.parts, info)
		return out.encode(asJSON)
	}
	info := node{name: "userInfo", parts: []node{}}
	for _, f := range e.fields {
		if text, ok := e.shown(f, found); ok {
			info.place(strings.Split(f.element, "/"), text)
		}
	}
	out.parts = append(out.parts, info)
	return out.encode(asJSON)
}

// place puts a text below a node, where elements may lie within others.
func (n *node) place(path []string, text string) {
	for i := range n.parts {
		if n.parts[i].name == path[0] && len(path) > 1 && n.parts[i].parts != nil {
			n.parts[i].place(path[1:], text)
			return
		}
	}
	part := node{name: path[0], text: text}
	if len(path) > 1 {
		part.text, part.parts = "", []node{}
		part.place(path[1:], text)
	}
	n.parts = append(n.parts, part)
}

// shown is a field's value as the sender writes it.
func (e *Endpoint) shown(f field, found Found) (string, bool) {
	if f.form == formType {
		return e.shownType(found), true
	}
	text, ok := found.Fields[f.name]
	for _, other := range f.others {
		if !ok {
			text, ok = found.Fields[other]
		}
	}
	switch {
	case !ok || text == "":
		return "", false
	case f.form == formStatus:
		return strings.ToUpper(text), true
	case f.form == formReference && e.perClub:
		_, text, _ = strings.Cut(text, "/")
	}
	return text, true
}

func (e *Endpoint) shownType(found Found) string {
	switch {
	case found.Fields[fieldType] == typeExMember:
		return e.exMember
	case found.Kind == typeStaff:
		return e.staff
	case found.Kind == typeProspect:
		return "PROSPECT"
	}
	return "MEMBER"
}
