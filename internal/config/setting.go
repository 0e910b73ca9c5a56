package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Setting is the value of one of an adapter's settings before it stands in a
// configuration. The zero value is none.
type Setting struct{ node *yaml.Node }

// SettingText is the setting that is a text.
func SettingText(text string) Setting {
	return Setting{&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}}
}

// ParseReference reads a reference to a secret that is kept elsewhere, such as
// {credential: crm}.
func ParseReference(text string) (Setting, bool) {
	var doc yaml.Node
	if err := yaml.Load([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
		return Setting{}, false
	}
	return Setting{doc.Content[0]}, isReference(value{node: doc.Content[0]})
}

// text returns what a scalar is written as, numbers with all of their digits.
func (s Setting) text() (string, bool) { return value{node: s.node}.text() }

// Form is what an adapter's schema says of the settings of a connection, for a
// person who fills them in.
type Form struct {
	// Fields are the settings, the required ones first, then in the order of the
	// schema.
	Fields []Field
	// closed says that there are no others.
	closed bool
	schema json.RawMessage
	// properties are the settings of which the schema says more than that they are
	// required.
	properties []string
}

// Field is one setting of a [Form].
type Field struct {
	Name, Description string
	Required          bool
	// Secret says that the setting holds a secret.
	Secret bool
	// URL says that it holds a web address.
	URL bool
	// Default is what the adapter takes without the setting; empty for nothing.
	Default string
	// Choices are the values that it may have; empty where they are not named.
	Choices []string
	// text says that it is a text, whatever it looks like.
	text bool
}

// formSchema is the part of the schema of an adapter's settings that a form needs.
type formSchema struct {
	Required             []string        `json:"required"`
	AdditionalProperties json.RawMessage `json:"additionalProperties"`
	Properties           json.RawMessage `json:"properties"`
}

type formProperty struct {
	Type        any    `json:"type"`
	Enum        []any  `json:"enum"`
	Default     any    `json:"default"`
	Description string `json:"description"`
	Format      string `json:"format"`
	WriteOnly   bool   `json:"writeOnly"`
}

// ReadForm reads the schema of an adapter's settings. An empty one has no fields.
func ReadForm(schema json.RawMessage) (Form, error) {
	form := Form{schema: schema}
	if len(bytes.TrimSpace(schema)) == 0 {
		return form, nil
	}
	var s formSchema
	if err := json.Unmarshal(schema, &s); err != nil {
		return form, fmt.Errorf("read the schema of settings: %w", err)
	}
	form.closed = string(bytes.TrimSpace(s.AdditionalProperties)) == "false"
	names, err := keysInOrder(s.Properties)
	if err != nil {
		return form, fmt.Errorf("read the schema of settings: %w", err)
	}
	form.properties = slices.Clone(names)
	var properties map[string]formProperty
	if len(names) > 0 {
		if err := json.Unmarshal(s.Properties, &properties); err != nil {
			return form, fmt.Errorf("read the schema of settings: %w", err)
		}
	}
	for _, name := range s.Required { // one that nothing more is said of
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		form.Fields = append(form.Fields, properties[name].field(name, slices.Contains(s.Required, name)))
	}
	slices.SortStableFunc(form.Fields, func(a, b Field) int {
		if a.Required == b.Required {
			return 0
		}
		if a.Required {
			return -1
		}
		return 1
	})
	return form, nil
}

func (p formProperty) field(name string, required bool) Field {
	f := Field{
		Name: name, Description: oneLine(p.Description), Required: required, Secret: p.WriteOnly,
		URL: p.Format == "uri", text: p.Type == "string" || p.WriteOnly,
	}
	if p.Default != nil {
		f.Default = fmt.Sprint(p.Default)
	}
	for _, one := range p.Enum {
		text, ok := one.(string)
		f.text = f.text || ok
		if !ok {
			text = fmt.Sprint(one)
		}
		f.Choices = append(f.Choices, text)
	}
	return f
}

// keysInOrder are the keys of a JSON object in the order of its text.
func keysInOrder(object json.RawMessage) ([]string, error) {
	if len(object) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return nil, err
		}
		name, _ := key.(string)
		keys = append(keys, name)
	}
	return keys, nil
}

// Field finds a setting. One that the schema does not name is an error, unless
// others are allowed.
func (f Form) Field(name string) (Field, error) {
	var names []string
	for _, field := range f.Fields {
		if field.Name == name {
			return field, nil
		}
		names = append(names, field.Name)
	}
	if !f.closed {
		return Field{Name: name}, nil
	}
	return Field{}, CheckWord("setting", name, names)
}

// Parse reads what a person has written for a setting, and checks it. An error
// shows nothing of the value.
func (f Form) Parse(field Field, text string) (Setting, error) {
	setting := SettingText(text)
	if !field.text {
		var doc yaml.Node
		if err := yaml.Load([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
			return Setting{}, fmt.Errorf("setting %s cannot be read: write a number, true, false, [a, list] or {a: mapping}", field.Name)
		}
		setting = Setting{doc.Content[0]}
	}
	return setting, f.check(field.Name, setting)
}

// check compares one setting with its part of the schema.
func (f Form) check(name string, setting Setting) error {
	if !slices.Contains(f.properties, name) {
		return nil
	}
	pointer := "#/properties/" + strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", " ", "%20").Replace(name)
	shapes, err := compile(adapterURL, f.schema, pointer)
	if err != nil {
		return fmt.Errorf("read the schema of settings: %w", err)
	}
	src, err := newSource("")
	if err != nil {
		return err
	}
	l := &loader{cfg: &Config{}, files: []*source{src}}
	root := value{src: src, node: setting.node}
	for _, m := range shapes[0].check(plain(root)) {
		at := root.find(m.path)
		m.path = append([]string{name}, m.path...)
		l.mismatched(at, m)
	}
	if len(l.list) == 0 {
		return nil
	}
	fault := l.list[0]
	return errors.New(fault.Message + ": " + fault.Hint)
}
