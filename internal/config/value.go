package config

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// value is a place in a file: a value with its key. The zero value stands for
// something that is not there; every method works on it.
type value struct {
	src *source
	// key is nil for the topmost value and for items of a list.
	key, node *yaml.Node
}

// at is where a fault about the value points.
func (v value) at() *yaml.Node {
	if v.node != nil && v.node.Kind == yaml.ScalarNode {
		return v.node
	}
	return v.name()
}

// name is where a fault about the value's key points.
func (v value) name() *yaml.Node {
	if v.key != nil {
		return v.key
	}
	return v.node
}

// is reports whether the value is there and of that kind.
func (v value) is(kind yaml.Kind) bool { return v.node != nil && v.node.Kind == kind }

// get returns the value of a key.
func (v value) get(key string) value {
	for name, entry := range v.entries() {
		if name == key {
			return entry
		}
	}
	return value{}
}

// entries walks over a mapping in the order of the text.
func (v value) entries() func(yield func(string, value) bool) {
	return func(yield func(string, value) bool) {
		if !v.is(yaml.MappingNode) {
			return
		}
		for i := 0; i+1 < len(v.node.Content); i += 2 {
			key := v.node.Content[i]
			if !yield(key.Value, value{src: v.src, key: key, node: v.node.Content[i+1]}) {
				return
			}
		}
	}
}

// items returns the entries of a list.
func (v value) items() []value {
	if !v.is(yaml.SequenceNode) {
		return nil
	}
	list := make([]value, len(v.node.Content))
	for i, item := range v.node.Content {
		list[i] = value{src: v.src, node: item}
	}
	return list
}

// text returns a text; false where there is none, or it is of another type,
// which the check of the shape has reported.
func (v value) text() (string, bool) {
	if !v.is(yaml.ScalarNode) || isNull(v.node) {
		return "", false
	}
	return v.node.Value, true
}

func (v value) textOr(otherwise string) string {
	if s, ok := v.text(); ok {
		return s
	}
	return otherwise
}

func (v value) boolOr(otherwise bool) bool {
	if v.is(yaml.ScalarNode) && v.node.ShortTag() == "!!bool" {
		return v.node.Value[0]|0x20 == 't'
	}
	return otherwise
}

func (v value) intOr(otherwise int) int {
	if v.is(yaml.ScalarNode) && v.node.ShortTag() == "!!int" {
		if n, err := strconv.Atoi(v.node.Value); err == nil {
			return n
		}
	}
	return otherwise
}

// find follows the path of a fault that the check of the shape reported.
func (v value) find(path []string) value {
	for _, step := range path {
		next := v.get(step)
		if v.is(yaml.SequenceNode) {
			if i, err := strconv.Atoi(step); err == nil && i < len(v.node.Content) {
				next = v.items()[i]
			}
		}
		if next.node == nil {
			return v
		}
		v = next
	}
	return v
}

func isNull(n *yaml.Node) bool { return n.ShortTag() == "!!null" }
