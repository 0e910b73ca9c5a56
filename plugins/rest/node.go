package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hbollon/go-edlib"
	"go.yaml.in/yaml/v4"
)

// maxFaults bounds how many faults are told at once.
const maxFaults = 40

// fault is one thing that is wrong with a file.
type fault struct {
	line, column  int
	message, hint string
}

// document is a file with what was found wrong in it.
type document struct {
	name   string
	faults []fault
}

func (d *document) fault(n *yaml.Node, message, hint string) {
	f := fault{message: message, hint: hint}
	if n != nil {
		f.line, f.column = n.Line, n.Column
	}
	d.faults = append(d.faults, f)
}

// err returns every fault with its place, or nil. No value of the file is in it.
func (d *document) err() error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	d.faults = slices.Compact(d.faults)
	var b strings.Builder
	for i, f := range d.faults {
		if i == maxFaults {
			fmt.Fprintf(&b, "\nand %d more", len(d.faults)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.name)
		if f.line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.line, f.column)
		}
		b.WriteString(": " + f.message)
		if f.hint != "" {
			b.WriteString("; " + f.hint)
		}
	}
	return errors.New(b.String())
}

// value is a place in a file. The zero value is something that is not there.
type value struct {
	doc  *document
	key  *yaml.Node
	node *yaml.Node
}

func (v value) there() bool { return v.node != nil }

func (v value) is(kind yaml.Kind) bool { return v.node != nil && v.node.Kind == kind }

func (v value) fault(message, hint string) {
	at := v.node
	if v.key != nil && (v.node == nil || v.node.Kind != yaml.ScalarNode) {
		at = v.key
	}
	v.doc.fault(at, message, hint)
}

// entries returns the members of a mapping in the order of the text. Members
// that stand there twice are faults.
func (v value) entries() []value {
	if !v.is(yaml.MappingNode) {
		if v.there() {
			v.fault("this is not a mapping", "write keys with their values")
		}
		return nil
	}
	seen := map[string]bool{}
	var all []value
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		entry := value{doc: v.doc, key: v.node.Content[i], node: v.node.Content[i+1]}
		if seen[entry.name()] {
			v.doc.fault(entry.key, fmt.Sprintf("the key %q stands here twice", entry.name()), "remove one of the two")
			continue
		}
		seen[entry.name()] = true
		all = append(all, entry)
	}
	return all
}

func (v value) name() string { return v.key.Value }

// members returns the members of a mapping by their keys; other keys than the
// known ones are faults.
func (v value) members(known ...string) map[string]value {
	found := map[string]value{}
	for _, k := range known {
		found[k] = value{doc: v.doc}
	}
	for _, entry := range v.entries() {
		if _, ok := found[entry.name()]; !ok {
			v.doc.fault(entry.key, fmt.Sprintf("the key %q is not known here", entry.name()), meant(entry.name(), known))
			continue
		}
		found[entry.name()] = entry
	}
	return found
}

// need reports the member that is missing.
func (v value) need(members map[string]value, names ...string) {
	for _, name := range names {
		if !members[name].there() {
			v.fault(fmt.Sprintf("the key %q is missing", name), "add it")
		}
	}
}

// longestWord bounds the bytes of a word that is compared with others.
const longestWord = 64

// meant is a hint that names the closest of the words, or lists them.
func meant(word string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, word) || len(word) <= longestWord && edlib.OSADamerauLevenshteinDistance(k, word) <= max(1, len(k)/4) {
			return fmt.Sprintf("did you mean %q?", k)
		}
	}
	return "there are " + strings.Join(known, ", ")
}

// text returns a text; empty where there is none.
func (v value) text() string {
	if !v.there() {
		return ""
	}
	if !v.is(yaml.ScalarNode) || v.node.ShortTag() == "!!null" || v.node.Value == "" {
		v.fault("a text is wanted here", "write a text, in quotes where it holds a colon or a brace")
		return ""
	}
	return v.node.Value
}

// texts returns a list of texts; one text is a list of one.
func (v value) texts() []string {
	if !v.is(yaml.SequenceNode) {
		if t := v.text(); t != "" {
			return []string{t}
		}
		return nil
	}
	var all []string
	for _, n := range v.node.Content {
		if t := (value{doc: v.doc, node: n}).text(); t != "" {
			all = append(all, t)
		}
	}
	return all
}

func (v value) flag() bool {
	if !v.there() {
		return false
	}
	if !v.is(yaml.ScalarNode) || v.node.ShortTag() != "!!bool" {
		v.fault("true or false is wanted here", "")
		return false
	}
	return strings.EqualFold(v.node.Value, "true")
}

// number returns a whole number within bounds.
func (v value) number(otherwise, least, most int) int {
	if !v.there() {
		return otherwise
	}
	n, err := strconv.Atoi(v.node.Value)
	if !v.is(yaml.ScalarNode) || err != nil || n < least || n > most {
		v.fault(fmt.Sprintf("a whole number from %d to %d is wanted here", least, most), "")
		return otherwise
	}
	return n
}

// rate returns a number of requests a second.
func (v value) rate() float64 {
	if !v.there() {
		return 0
	}
	n, err := strconv.ParseFloat(v.node.Value, 64)
	if !v.is(yaml.ScalarNode) || err != nil || !(n >= 0.001 && n <= 10_000) {
		v.fault("a number from 0.001 to 10000 is wanted here", "")
		return 0
	}
	return n
}

// span returns a duration that is not negative, 0 where there is none.
func (v value) span() time.Duration {
	if !v.there() {
		return 0
	}
	d, err := time.ParseDuration(v.node.Value)
	if !v.is(yaml.ScalarNode) || err != nil || d < 0 {
		v.fault("a duration is wanted here", "write one like 30s, 5m or 24h")
		return 0
	}
	return d
}

// choice returns one of some words, the first where there is none.
func (v value) choice(words ...string) string {
	if !v.there() {
		return words[0]
	}
	if t := v.text(); t == "" || slices.Contains(words, t) {
		return cmp.Or(t, words[0])
	}
	v.fault("this word is not known here", "write one of "+strings.Join(words, ", "))
	return words[0]
}

// pointer returns a JSON Pointer; otherwise where there is none.
func (v value) pointer(otherwise *pointer) *pointer {
	if !v.there() {
		return otherwise
	}
	if v.is(yaml.ScalarNode) {
		if p, ok := parsePointer(v.node.Value); ok {
			return &p
		}
	}
	v.fault("a JSON Pointer is wanted here", "write one that begins with a slash, like /data/id")
	return otherwise
}

// aliases reports what YAML repeats by reference: the tree could grow without
// bound.
func (d *document) aliases(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		d.fault(n, "a value refers to another one", "write it out, or quote a text that begins with * or &")
		return
	}
	for _, child := range n.Content {
		d.aliases(child)
	}
}

// sorted returns the keys of a set in order.
func sorted[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }
