package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// pointer is a JSON Pointer (RFC 6901): the names and indexes on the way.
type pointer []string

// maxSteps bounds how deep a pointer reaches.
const maxSteps = 32

func parsePointer(text string) (pointer, bool) {
	if text == "" {
		return pointer{}, true
	}
	steps := strings.Split(text, "/")
	if steps[0] != "" || len(steps) > maxSteps {
		return nil, false
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	p := make(pointer, 0, len(steps)-1)
	for _, s := range steps[1:] {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(s); strings.Contains(rest, "~") {
			return nil, false
		}
		p = append(p, unescape.Replace(s))
	}
	return p, true
}

// get follows the pointer into a document.
func (p pointer) get(doc any) (any, bool) {
	for _, step := range p {
		switch at := doc.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return nil, false
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != step {
				return nil, false
			}
			doc = at[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// set puts a value into an object, with the objects on the way.
func (p pointer) set(object map[string]any, v any) {
	for _, step := range p[:len(p)-1] {
		next, ok := object[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[step] = next
		}
		object = next
	}
	object[p[len(p)-1]] = v
}

// text returns what a pointer finds where it is a text or a number.
func (p *pointer) text(doc any) string {
	if p == nil {
		return ""
	}
	v, ok := p.get(doc)
	if !ok {
		return ""
	}
	return word(v)
}

// word is a text or a number as text; numbers keep their digits.
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// plain is a word, or true or false, as text.
func plain(v any) string {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b)
	}
	return word(v)
}

// truthy reports whether a value says yes: anything but null, false, 0, an empty
// text and an empty list.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != "" && !strings.EqualFold(v, "false") && v != "0"
	case json.Number:
		return strings.Trim(v.String(), "-0.") != ""
	case []any:
		return len(v) > 0
	}
	return true
}

var errNotJSON = errors.New("it is not one JSON document")

// decode reads one JSON document. Numbers keep their digits.
func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, errNotJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return doc, nil
}

// encode writes JSON with < > & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// condition is a question about a document.
type condition struct {
	at pointer
	// equals are the values of which it has to have one; empty is any.
	equals []string
	// absent turns the question around: nothing may stand there.
	absent bool
}

// condition reads one: {at, equals} or {at, absent: true}.
func (v value) condition() *condition {
	if !v.there() {
		return nil
	}
	m := v.members("at", "equals", "absent")
	v.need(m, "at")
	c := condition{equals: m["equals"].texts(), absent: m["absent"].flag()}
	if p := m["at"].pointer(nil); p != nil {
		c.at = *p
	}
	if c.absent == (len(c.equals) > 0) {
		v.fault("a condition has either \"equals\" or \"absent: true\"", "write one of the two")
	}
	return &c
}

// there reports whether something stands where the question points.
func (c *condition) there(doc any) bool {
	_, ok := c.at.get(doc)
	return ok
}

// holds answers the question. Values are compared as text, because true is
// "true" in some systems.
func (c *condition) holds(doc any) bool {
	v, ok := c.at.get(doc)
	if c.absent {
		return doc != nil && (!ok || !truthy(v))
	}
	return ok && slices.Contains(c.equals, plain(v))
}
