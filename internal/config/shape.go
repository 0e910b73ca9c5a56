package config

import (
	"bytes"
	"cmp"
	_ "embed" // for the schema
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

//go:embed schema.json
var schemaText []byte

// Schema returns the JSON Schema (2020-12) of the configuration file, for
// editors.
func Schema() json.RawMessage { return bytes.Clone(schemaText) }

// shape is a compiled JSON Schema with its document, in which the keys that it
// knows are looked up.
type shape struct {
	schema *jsonschema.Schema
	doc    any
}

// The addresses under which schemas are compiled. They tell the rules of the
// configuration from those of an adapter.
const (
	ownURL     = "mem:///rosterd.json"
	adapterURL = "mem:///adapter.json"
)

// noFetch keeps a schema, which may come from an adapter, from naming files
// and addresses to load.
type noFetch struct{}

var errFetch = errors.New("a schema may refer only to itself")

// Load refuses.
func (noFetch) Load(string) (any, error) { return nil, errFetch }

// formatPath is the format of a setting that is a path: a relative one counts
// from the file in which it stands.
const formatPath = "path"

// compile makes shapes of the parts of a schema that the fragments name.
func compile(url string, text []byte, fragments ...string) ([]*shape, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noFetch{})
	compiler.RegisterFormat(&jsonschema.Format{Name: formatPath, Validate: func(any) error { return nil }})
	compiler.AssertFormat()
	if err := compiler.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	shapes := make([]*shape, len(fragments))
	for i, fragment := range fragments {
		schema, err := compiler.Compile(url + fragment)
		if err != nil {
			return nil, fmt.Errorf("compile schema: %w", err)
		}
		shapes[i] = &shape{schema: schema, doc: doc}
	}
	return shapes, nil
}

// mismatch is one violation of a schema.
type mismatch struct {
	// path leads to the value from the one that was checked.
	path []string
	// rule is the place of the violated rule in the schema.
	rule  string
	cause jsonschema.ErrorKind
}

// check returns what is wrong with the shape of a plain value.
func (s *shape) check(plain any) []mismatch {
	failed, ok := errors.AsType[*jsonschema.ValidationError](s.schema.Validate(plain))
	if !ok {
		return nil
	}
	found := leaves(failed, nil)
	// The library walks over maps, so it finds in no fixed order.
	slices.SortStableFunc(found, func(a, b mismatch) int {
		return cmp.Or(slices.Compare(a.path, b.path), cmp.Compare(a.rule, b.rule))
	})
	return found
}

// leaves collects the violations that have no further cause. The alternatives
// of a choice are no help when none of them fits, so a choice is a leaf.
func leaves(e *jsonschema.ValidationError, found []mismatch) []mismatch {
	choice := false
	switch e.ErrorKind.(type) {
	case *kind.PropertyNames:
		// The library gives it a path that others overwrite. The names of a
		// configuration are checked where they are read.
		return found
	case *kind.AnyOf, *kind.OneOf:
		choice = true
	}
	if len(e.Causes) == 0 || choice {
		return append(found, mismatch{path: e.InstanceLocation, rule: e.SchemaURL, cause: e.ErrorKind})
	}
	for _, cause := range e.Causes {
		found = leaves(cause, found)
	}
	return found
}

// keys are the keys that the rule at a place in the schema knows.
func (s *shape) keys(rule string) []string {
	_, pointer, _ := strings.Cut(rule, "#")
	at := s.doc
	for step := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		if step == "" {
			continue
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[step]
	}
	object, _ := at.(map[string]any)
	properties, _ := object["properties"].(map[string]any)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// checkShape reports what is wrong with the shape of a value, and hides the
// values that may be secrets in the wrong place.
func (l *loader) checkShape(root value, s *shape, plain any, skip func([]string) bool) {
	for _, m := range s.check(plain) {
		if skip != nil && skip(m.path) {
			continue
		}
		v := root.find(m.path)
		switch cause := m.cause.(type) {
		case *kind.AdditionalProperties:
			l.unknownKeys(v, cause.Properties, s.keys(m.rule))
		case *kind.Required:
			for _, name := range cause.Missing {
				l.missing(v, name, m.path)
			}
		default:
			l.mismatched(v, m)
		}
	}
}

func (l *loader) unknownKeys(v value, unknown, known []string) {
	if inSecret(known) && len(unknown) == 1 && len(v.node.Content) == 2 {
		v.src.hide(v.get(unknown[0]).node)
	}
	for _, name := range unknown {
		entry := v.get(name)
		entry.src.hide(entry.node)
		at := value{src: entry.src, node: entry.key}
		hint := "the keys here are " + strings.Join(known, ", ")
		if meant, ok := closest(name, known); ok {
			hint = "did you mean " + quote(meant) + "?"
		} else if len(known) == 0 {
			hint = "remove it"
		}
		l.fault(at, CodeUnknownKey, "unknown key "+quote(name), hint)
	}
}

func inSecret(known []string) bool { return slices.Equal(known, []string{"credential", "env", "file"}) }

func (l *loader) missing(v value, name string, path []string) {
	if len(path) == 0 {
		l.fault(v, CodeMissing, quote(name)+" is missing", hintMissing(name))
		return
	}
	l.fault(v, CodeMissing, quote(name)+" is missing in "+quote(path[len(path)-1]), hintMissing(name))
}

func hintMissing(name string) string {
	hints := map[string]string{
		"version":  "write  version: 1",
		"country":  "write the two letters of ISO 3166-1, such as  country: CA",
		"timezone": "write an IANA zone, such as  timezone: America/Toronto",
		"adapter":  "name the adapter program, such as  adapter: csv",
		"mapping":  "name a script in scripts_dir, such as  mapping: gym_to_intandem.lua",
		"from":     "name the connection that is read",
		"to":       "name the connection that is delivered to",
		"type":     "write  type: import",
	}
	if hint, ok := hints[name]; ok {
		return hint
	}
	return "add the key " + quote(name)
}
