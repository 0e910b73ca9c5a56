package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxDepth bounds how deep values nest.
const maxDepth = 32

// checkTree finds what a configuration must not hold whatever its shape, and
// hides the values that may be secrets.
func (l *loader) checkTree(v value, depth int) {
	n := v.node
	switch {
	case depth > maxDepth:
		l.fault(v, CodeSyntax, "the values nest too deep", "a configuration needs no more than a few levels")
		return
	case n.Kind == yaml.AliasNode:
		l.fault(v, CodeSyntax, "an alias (*name) stands here, and aliases are not read", "write the value itself; quote a text that starts with *")
		return
	case n.Kind == yaml.ScalarNode && !knownTag(n):
		l.fault(v, CodeSyntax, "a tag (!name) stands here, and tags are not read", "remove the tag; quote a text that starts with !")
		return
	}
	for _, item := range v.items() {
		l.checkTree(item, depth+1)
	}
	first := map[string]*yaml.Node{}
	for name, entry := range v.entries() {
		l.checkKey(entry, name, first[name])
		if first[name] == nil {
			first[name] = entry.key
		}
		if sensitive.MatchString(name) && !isReference(v) {
			hideLiterals(entry)
		}
		l.checkTree(entry, depth+1)
	}
}

func (l *loader) checkKey(entry value, name string, first *yaml.Node) {
	at := value{src: entry.src, node: entry.key}
	switch {
	case entry.key.Kind != yaml.ScalarNode:
		l.fault(at, CodeSyntax, "a list or mapping stands where a key must be", "if a value in braces was meant, put it in quotes")
	case entry.key.ShortTag() == "!!merge":
		l.fault(at, CodeSyntax, "a merge (<<) stands here, and merges are not read", "write the keys themselves")
	case first != nil:
		entry.src.hide(entry.node)
		l.fault(at, CodeDuplicate, fmt.Sprintf("%s stands here a second time, first in line %d", quote(name), first.Line), "remove one of the two")
	}
}

// hideLiterals hides a value except for the references in it.
func hideLiterals(v value) {
	if isReference(v) {
		return
	}
	if v.is(yaml.ScalarNode) || v.is(yaml.AliasNode) {
		v.src.hide(v.node)
	}
	for _, entry := range v.entries() {
		hideLiterals(entry)
	}
	for _, item := range v.items() {
		hideLiterals(item)
	}
}

func knownTag(n *yaml.Node) bool {
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp":
		return true
	}
	return false
}

// jsonNumber is how JSON writes numbers.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// hugeExponent matches what must not be compared with a schema: a short text
// that stands for a number which fills the memory.
var hugeExponent = regexp.MustCompile(`[eE][+-]?0*[0-9]{4,}$`)

// plainNumber reports whether the text reads the same as YAML and as JSON.
func plainNumber(text string) bool {
	return jsonNumber.MatchString(text) && !hugeExponent.MatchString(text) && len(text) <= 64
}

// plain converts a value for a JSON Schema, without its references resolved.
// Numbers keep their digits, dates their text.
func plain(v value) any {
	switch {
	case v.is(yaml.MappingNode):
		object := make(map[string]any, len(v.node.Content)/2)
		for name, entry := range v.entries() {
			object[name] = plain(entry)
		}
		return object
	case v.is(yaml.SequenceNode):
		list := make([]any, 0, len(v.node.Content))
		for _, item := range v.items() {
			list = append(list, plain(item))
		}
		return list
	case v.node == nil:
		return nil
	}
	return plainScalar(v.node)
}

func plainScalar(n *yaml.Node) any {
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		return nil
	case tag == "!!bool":
		return strings.EqualFold(n.Value, "true")
	case (tag == "!!int" || tag == "!!float") && plainNumber(n.Value):
		return json.Number(n.Value)
	}
	return n.Value
}

// quote shows text from the file in a message.
func quote(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	return fmt.Sprintf("%q", maskUserinfo(text))
}
