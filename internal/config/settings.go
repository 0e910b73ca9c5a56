package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
)

// settings converts a connection's settings to JSON, with secrets in clear.
func (l *loader) settings(v value) roster.Secret {
	if !v.is(yaml.MappingNode) {
		return roster.NewSecret("{}")
	}
	text, err := json.Marshal(l.setting(v))
	if err != nil {
		l.fault(v, CodeValue, "the settings cannot be written as JSON", "write texts, numbers, true, false, lists and mappings only")
		return roster.NewSecret("{}")
	}
	return roster.NewSecret(string(text))
}

func (l *loader) setting(v value) any {
	switch {
	case isReference(v):
		return l.secret(v).Reveal()
	case v.is(yaml.MappingNode):
		object := make(map[string]any, len(v.node.Content)/2)
		for name, entry := range v.entries() {
			object[name] = l.setting(entry)
		}
		return object
	case v.is(yaml.SequenceNode):
		list := make([]any, 0, len(v.node.Content))
		for _, item := range v.items() {
			list = append(list, l.setting(item))
		}
		return list
	}
	if tag := v.node.ShortTag(); (tag == "!!int" || tag == "!!float") && !plainNumber(v.node.Value) {
		l.fault(v, CodeNumber, "the value can be read as a number in more than one way, or as text", "put it in quotes if it is a text, or write the number in plain decimal digits")
		return nil
	}
	return plainScalar(v.node)
}

// CheckSettings checks the settings of a connection against the JSON Schema of
// its adapter, of which "writeOnly": true marks the secrets: those must be
// references. It returns nil when all is well. A secret that could not be
// resolved is not checked. An unknown connection has no faults.
func CheckSettings(cfg *Config, connRef string, schema json.RawMessage) []Fault {
	connection, ok := cfg.connections[connRef]
	if !ok {
		return nil
	}
	l := &loader{cfg: cfg, files: []*source{connection.src}}
	s, plain, err := settingsShape(cfg, connRef, schema)
	if err != nil {
		l.fault(connection.get("adapter"), CodeSchema, "the adapter describes its settings in a way that cannot be read: "+err.Error(), "ask for a corrected version of the adapter")
		return l.findings()
	}
	root := settingsOf(connection)
	walkSchema(s.schema, root, nil, func(rule *jsonschema.Schema, v value, _ []string) {
		if rule.WriteOnly && !isReference(v) && !isNull(v.node) {
			v.src.hide(v.node)
			l.shaping = true
			l.fault(v, CodeSecret, "a secret stands here itself where only a reference to it may stand", hintSecret)
			l.shaping = false
		}
	})
	l.shaping = true
	l.checkShape(root, s, plain, func(path []string) bool { return cfg.unresolved[root.find(path).node] })
	return l.findings()
}

// AtAdapter puts a finding about a connection's adapter at the place where the
// configuration names that adapter.
func AtAdapter(cfg *Config, connRef string, f Fault) Fault {
	connection, ok := cfg.connections[connRef]
	if !ok {
		return f
	}
	l := &loader{cfg: cfg, files: []*source{connection.src}}
	l.find(f.Severity, connection.get("adapter"), f.Code, f.Message, f.Hint)
	return l.findings()[0]
}

// Settings returns the settings of a connection for its adapter, with each
// relative path resolved against the file in which it stands. A path is a text
// to which the adapter's JSON Schema gives "format": "path".
func (c *Config) Settings(connRef string, schema json.RawMessage) (roster.Secret, error) {
	connection, ok := c.connections[connRef]
	if !ok {
		return roster.Secret{}, fmt.Errorf("settings of connection %s: %w", connRef, roster.ErrNotFound)
	}
	s, plain, err := settingsShape(c, connRef, schema)
	if err != nil {
		return roster.Secret{}, fmt.Errorf("settings of connection %s: %w", connRef, err)
	}
	walkSchema(s.schema, settingsOf(connection), nil, func(rule *jsonschema.Schema, v value, path []string) {
		if text, ok := v.text(); ok && text != "" && rule.Format != nil && rule.Format.Name == formatPath && !filepath.IsAbs(text) {
			plain = replace(plain, path, resolve(v.src.dir, text))
		}
	})
	text, err := json.Marshal(plain)
	if err != nil {
		return roster.Secret{}, fmt.Errorf("settings of connection %s: encode: %w", connRef, err)
	}
	return roster.NewSecret(string(text)), nil
}

// settingsOf returns the settings, or something to point at in their place.
func settingsOf(connection value) value {
	if settings := connection.get("settings"); settings.is(yaml.MappingNode) {
		return settings
	}
	return value{src: connection.src, node: connection.key}
}

func settingsShape(cfg *Config, connRef string, schema json.RawMessage) (*shape, any, error) {
	if len(bytes.TrimSpace(schema)) == 0 {
		schema = json.RawMessage("true")
	}
	shapes, err := compile(adapterURL, schema, "")
	if err != nil {
		return nil, nil, err
	}
	account, key, _ := cutRef(connRef)
	text := cfg.Accounts[account].Connections[key].Settings.Reveal()
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
	return shapes[0], plain, err
}
