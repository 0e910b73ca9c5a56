package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// scope is what placeholders stand for in one call.
type scope struct {
	// texts are the values by name; an empty one is nothing.
	texts map[string]string
	// data are the fields of a record.
	data map[string]any
	// only are the fields that changed, with owner and lead_source; nil is all.
	only map[string]bool
}

// The names in front of a dot.
const (
	dataPrefix = "data."
	varsPrefix = "vars."
)

// value returns what a placeholder stands for, and whether that is something.
func (s scope) value(name string) (any, bool) {
	if s.only != nil {
		if field, ok := strings.CutPrefix(name, dataPrefix); ok && !s.only[field] {
			return nil, false
		}
		if (name == "owner" || name == "lead_source") && !s.only[name] {
			return nil, false
		}
	}
	if field, ok := strings.CutPrefix(name, dataPrefix); ok {
		v, there := s.data[field]
		return v, there
	}
	text := s.texts[name]
	return text, text != ""
}

// part is a piece of a template: literal text, or a placeholder.
type part struct {
	literal, name string
	// null sends null in place of nothing.
	null bool
}

// template is a text with placeholders: {id}, {data.first_name}, {owner|null}.
type template []part

// template reads one. Placeholders other than the allowed ones are faults; an
// allowed name that ends with a dot allows everything behind it.
func (v value) template(allowed []string) template {
	text := v.text()
	var t template
	for text != "" {
		open := strings.IndexAny(text, "{}")
		if open < 0 {
			return append(t, part{literal: text})
		}
		if open > 0 {
			t = append(t, part{literal: text[:open]})
			text = text[open:]
		}
		if strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "}}") {
			t = append(t, part{literal: text[:1]})
			text = text[2:]
			continue
		}
		name, rest, ok := strings.Cut(text[1:], "}")
		if text[0] == '}' || !ok {
			v.fault("a brace has no partner", "write {name} for a placeholder, {{ and }} for braces")
			return nil
		}
		p := part{name: name}
		p.name, p.null = strings.CutSuffix(name, "|null")
		v.allow(p.name, allowed)
		t, text = append(t, p), rest
	}
	return t
}

func (v value) allow(name string, allowed []string) {
	for _, a := range allowed {
		if a == name || strings.HasSuffix(a, ".") && strings.HasPrefix(name, a) && len(name) > len(a) {
			return
		}
	}
	if strings.HasPrefix(name, varsPrefix) {
		v.fault(fmt.Sprintf("the placeholder {%s} has no value", name), "set it in the connection's setting vars")
		return
	}
	shown := make([]string, len(allowed))
	for i, a := range allowed {
		if shown[i] = a; strings.HasSuffix(a, ".") {
			shown[i] = a + "NAME"
		}
	}
	v.fault(fmt.Sprintf("the placeholder {%s} is not known here", name), meant(name, shown))
}

// names are the placeholders of the template.
func (t template) names() []string {
	var all []string
	for _, p := range t {
		if p.name != "" {
			all = append(all, p.name)
		}
	}
	return all
}

// text fills the template in. It is nothing where one of its placeholders is.
func (t template) text(s scope) (string, bool) {
	var b strings.Builder
	for _, p := range t {
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		v, ok := s.value(p.name)
		w := plain(v)
		if !ok || w == "" {
			return "", false
		}
		b.WriteString(w)
	}
	return b.String(), true
}

var errPath = errors.New("a value in the path of the call is empty, or one or two dots")

// path fills in a path: each value is one segment, or a part of one.
func (t template) path(s scope) (string, error) {
	var b strings.Builder
	for _, p := range t {
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		v, _ := s.value(p.name)
		w := plain(v)
		if w == "" || w == "." || w == ".." {
			return "", errPath
		}
		b.WriteString(url.PathEscape(w))
	}
	return b.String(), nil
}

// String is the template as it is written, which may be shown.
func (t template) String() string {
	var b strings.Builder
	for _, p := range t {
		if p.name != "" {
			b.WriteString("{" + p.name + "}")
			continue
		}
		b.WriteString(p.literal)
	}
	return b.String()
}

// tree is a JSON document with placeholders: exactly one of its members is set.
type tree struct {
	object []branch
	array  []tree
	text   template
	// literal is a number, a bool or null.
	literal any
	kind    treeKind
}

type treeKind int

const (
	isLiteral treeKind = iota
	isText
	isArray
	isObject
)

// branch is a member of an object.
type branch struct {
	key  string
	tree tree
	// merge puts all fields of the record here.
	merge bool
}

// mergeKey is the key whose value "data" stands for all fields of the record.
const mergeKey = "..."

// tree reads one.
func (v value) tree(allowed []string) tree {
	switch v.node.Kind {
	case yaml.MappingNode:
		t := tree{kind: isObject}
		for _, entry := range v.entries() {
			if entry.name() == mergeKey {
				if entry.text() != "data" || !slices.Contains(allowed, dataPrefix) {
					entry.fault(`"...": data stands for all fields of the record that is written`, "remove the line, or write it in a call that writes")
				}
				t.object = append(t.object, branch{merge: true})
				continue
			}
			t.object = append(t.object, branch{key: entry.name(), tree: entry.tree(allowed)})
		}
		return t
	case yaml.SequenceNode:
		t := tree{kind: isArray}
		for _, n := range v.node.Content {
			t.array = append(t.array, value{doc: v.doc, node: n}.tree(allowed))
		}
		return t
	default:
	}
	if v.node.ShortTag() == "!!str" {
		if v.node.Value == "" {
			return tree{kind: isLiteral, literal: ""}
		}
		return tree{kind: isText, text: v.template(allowed)}
	}
	return tree{kind: isLiteral, literal: v.literal()}
}

// literal is a number, a bool or null of a file, as JSON has it.
func (v value) literal() any {
	text := v.node.Value
	switch v.node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(text, "true")
	}
	if doc, err := decode([]byte(text)); err == nil {
		return doc
	}
	v.fault("this value has no form in JSON", "write it in quotes")
	return nil
}

// names are the placeholders of the tree.
func (t tree) names() []string {
	all := t.text.names()
	for _, b := range t.object {
		all = append(all, b.tree.names()...)
	}
	for _, item := range t.array {
		all = append(all, item.names()...)
	}
	return all
}

// any reports whether one of the texts in the tree is as asked.
func (t tree) any(is func(template) bool) bool {
	return t.kind == isText && is(t.text) || slices.ContainsFunc(t.array, func(item tree) bool { return item.any(is) }) ||
		slices.ContainsFunc(t.object, func(b branch) bool { return b.tree.any(is) })
}

// owned are the placeholders that are a value of their own.
func (t tree) owned() []string {
	var all []string
	if len(t.text) == 1 && t.text[0].name != "" {
		all = append(all, t.text[0].name)
	}
	for _, b := range t.object {
		all = append(all, b.tree.owned()...)
	}
	for _, item := range t.array {
		all = append(all, item.owned()...)
	}
	return all
}

// merges reports whether all fields of the record are put somewhere.
func (t tree) merges() bool {
	return slices.ContainsFunc(t.object, func(b branch) bool { return b.merge || b.tree.merges() }) ||
		slices.ContainsFunc(t.array, tree.merges)
}

// build fills the tree in. What a placeholder has nothing for is left out,
// with its key.
func (t tree) build(s scope, merge func() map[string]any) (any, bool) {
	switch t.kind {
	case isText:
		return t.text.json(s)
	case isArray:
		list := []any{}
		for _, item := range t.array {
			if v, ok := item.build(s, merge); ok {
				list = append(list, v)
			}
		}
		return list, true
	case isObject:
		object := t.buildObject(s, merge)
		// An object in which nothing has a value is nothing.
		return object, len(object) > 0 || len(t.object) == 0
	case isLiteral:
	}
	return t.literal, true
}

// buildObject puts the fields of the record first: what the template names
// itself is its own.
func (t tree) buildObject(s scope, merge func() map[string]any) map[string]any {
	object := map[string]any{}
	if slices.ContainsFunc(t.object, func(b branch) bool { return b.merge }) {
		object = merge()
	}
	for _, b := range t.object {
		if b.merge {
			continue
		}
		v, ok := b.tree.build(s, merge)
		if !ok && b.tree.kind != isObject {
			delete(object, b.key)
		}
		if !ok {
			continue
		}
		below, isObject := v.(map[string]any)
		if merged, both := object[b.key].(map[string]any); both && isObject {
			maps.Copy(merged, below)
			continue
		}
		object[b.key] = v
	}
	return object
}

// json fills in a text. A template of one placeholder keeps its value's type.
func (t template) json(s scope) (any, bool) {
	if len(t) == 1 && t[0].name != "" {
		v, ok := s.value(t[0].name)
		if !ok {
			return nil, t[0].null && s.sends(t[0].name)
		}
		return v, true
	}
	text, ok := t.text(s)
	return text, ok
}

// sends reports whether an empty placeholder is one that the call speaks about:
// null is not sent for what did not change.
func (s scope) sends(name string) bool {
	return s.only == nil || s.only[strings.TrimPrefix(name, dataPrefix)] ||
		!strings.HasPrefix(name, dataPrefix) && name != "owner" && name != "lead_source"
}
