package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// walkSchema calls visit for each value with each rule of the schema that may
// speak about it, whether or not the value satisfies the rule.
func walkSchema(rule *jsonschema.Schema, v value, path []string, visit func(*jsonschema.Schema, value, []string)) {
	w := walker{visit: visit, seen: map[visitedRule]bool{}}
	w.walk(rule, v, path)
}

// visitedRule keeps a schema that refers to itself from being walked for ever.
type visitedRule struct {
	rule *jsonschema.Schema
	node *yaml.Node
}

type walker struct {
	visit func(*jsonschema.Schema, value, []string)
	seen  map[visitedRule]bool
}

func (w *walker) walk(rule *jsonschema.Schema, v value, path []string) {
	if rule == nil || v.node == nil || w.seen[visitedRule{rule, v.node}] {
		return
	}
	w.seen[visitedRule{rule, v.node}] = true
	w.visit(rule, v, path)
	for _, alike := range slices.Concat([]*jsonschema.Schema{rule.Ref, rule.If, rule.Then, rule.Else}, rule.AllOf, rule.AnyOf, rule.OneOf) {
		w.walk(alike, v, path)
	}
	for name, entry := range v.entries() {
		inside := append(slices.Clone(path), name)
		w.walk(rule.Properties[name], entry, inside)
		for pattern, other := range rule.PatternProperties {
			if pattern.MatchString(name) {
				w.walk(other, entry, inside)
			}
		}
		if other, ok := rule.AdditionalProperties.(*jsonschema.Schema); ok && rule.Properties[name] == nil {
			w.walk(other, entry, inside)
		}
	}
	for i, item := range v.items() {
		inside := append(slices.Clone(path), strconv.Itoa(i))
		if i < len(rule.PrefixItems) {
			w.walk(rule.PrefixItems[i], item, inside)
			continue
		}
		w.walk(rule.Items2020, item, inside)
	}
}

// replace puts text at a place inside a plain value and returns the value.
func replace(plain any, path []string, text string) any {
	if len(path) == 0 {
		return text
	}
	switch at := plain.(type) {
	case map[string]any:
		at[path[0]] = replace(at[path[0]], path[1:], text)
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(at) {
			at[i] = replace(at[i], path[1:], text)
		}
	}
	return plain
}

// cutRef splits account/key.
func cutRef(ref string) (account, key string, ok bool) { return strings.Cut(ref, "/") }

// listed enumerates names for a hint.
func listed(names []string, are string) string {
	if len(names) == 0 {
		return "there is none yet: add it first"
	}
	const most = 12
	if len(names) > most {
		return fmt.Sprintf("%s %s and %d more", are, strings.Join(names[:most], ", "), len(names)-most)
	}
	return are + " " + strings.Join(names, ", ")
}
