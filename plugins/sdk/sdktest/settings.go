package sdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func settingsChecks() []check {
	return []check{
		{
			"settings/schema",
			"describe every setting in the JSON Schema of sdk.Adapter.Settings: type object, additionalProperties false, a description each",
			schemaWhole,
		},
		{
			"settings/accepted", "open a connection without calling the outside system, and leave that to sdk.Checker",
			func(p *probe) error { _, err := p.connect(); return err },
		},
		{
			"settings/offline", "open a connection without calling the outside system, and leave that to sdk.Checker",
			openOffline,
		},
		{
			"settings/unknown", "decode the settings with json.Decoder.DisallowUnknownFields and return sdk.Fail(sdk.CodeConfig, err)",
			unknownRefused,
		},
		{
			"settings/refused", "check in the constructor what the schema says, and return sdk.Fail(sdk.CodeConfig, err) with an error that quotes no value",
			badRefused,
		},
	}
}

// schema is as much of a JSON Schema as the suite understands.
type schema struct {
	Type                  json.RawMessage     `json:"type"`
	Description           string              `json:"description"`
	Properties            map[string]property `json:"properties"`
	Required              []string            `json:"required"`
	AdditionalProperties  json.RawMessage     `json:"additionalProperties"`
	UnevaluatedProperties json.RawMessage     `json:"unevaluatedProperties"`
}

// property is the rule of one setting.
type property struct {
	Type        json.RawMessage   `json:"type"`
	Description string            `json:"description"`
	Enum        []json.RawMessage `json:"enum"`
	Pattern     string            `json:"pattern"`
	MinLength   int               `json:"minLength"`
	WriteOnly   bool              `json:"writeOnly"`
}

func parseSchema(raw json.RawMessage) (schema, error) {
	var s schema
	if len(raw) == 0 {
		return s, errors.New(`there is no schema; without any setting it is {"type":"object","additionalProperties":false}`)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("the schema is not a JSON object of the known form: %w", err)
	}
	return s, nil
}

func schemaWhole(p *probe) error {
	info, err := p.describe()
	if err != nil {
		return err
	}
	s, err := parseSchema(info.Settings)
	switch {
	case err != nil:
		return err
	case string(s.Type) != `"object"`:
		return errors.New(`the schema's type is not "object"`)
	case string(s.AdditionalProperties) != "false" && string(s.UnevaluatedProperties) != "false":
		return errors.New("the schema lets unknown settings pass, so that nobody is told about a misspelt one")
	}
	for _, name := range s.Required {
		if _, ok := s.Properties[name]; !ok {
			return fmt.Errorf("setting %s is required and not among the properties", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if err := s.Properties[name].whole(); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}

// whole checks the rule of one setting.
func (r property) whole() error {
	if r.Description == "" {
		return errors.New("it has no description for the person who sets it")
	}
	if r.Enum != nil && len(r.Enum) == 0 {
		return errors.New("its enum allows nothing")
	}
	if _, err := regexp.Compile(r.Pattern); err != nil {
		return fmt.Errorf("its pattern is not a regular expression that rosterd can use: %w", err)
	}
	known := []string{"object", "array", "string", "number", "integer", "boolean", "null"}
	for _, t := range r.types() {
		if !slices.Contains(known, t) {
			return fmt.Errorf("its type %q is none of JSON Schema", t)
		}
	}
	return nil
}

// types returns the types that the rule allows; none for all.
func (r property) types() []string {
	var one string
	if json.Unmarshal(r.Type, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(r.Type, &many) != nil {
		return nil
	}
	return many
}

// wrong returns values that the rule refuses, by what is wrong with them.
func (r property) wrong() map[string]string {
	values := map[string]string{}
	types := r.types()
	for kind, value := range map[string]string{"array": `[[]]`, "object": `{"sdktest":{}}`, "boolean": "true"} {
		if len(types) > 0 && !slices.Contains(types, kind) && len(r.Enum) == 0 {
			values["a value of the type "+kind] = value
		}
	}
	if len(r.Enum) > 0 {
		values["a value that is not in its enum"] = `"sdktest-no-such-value"`
	}
	if r.MinLength > 0 {
		values["an empty text"] = `""`
	}
	return values
}

func openOffline(p *probe) error {
	if p.c.Fault == nil {
		return leftOutError("it takes a fake of the outside system that fails on command: give Case.Fault in a test of the adapter")
	}
	defer p.c.Fault()()
	_, err := p.connect()
	return err
}

func unknownRefused(p *probe) error {
	object, err := p.settingsOf()
	if err != nil {
		return err
	}
	return p.refusedWith("an unknown key", object, "sdktest_unknown", `"x"`)
}

// refusedWith opens a connection with one setting changed, or removed where
// value is empty.
func (p *probe) refusedWith(what string, object map[string]json.RawMessage, name, value string) error {
	changed := maps.Clone(object)
	delete(changed, name)
	if value != "" {
		changed[name] = json.RawMessage(value)
	}
	raw, err := json.Marshal(changed)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	return p.refused(what, raw)
}

// badRefused tries what the schema refuses and what the case names.
func badRefused(p *probe) error {
	object, err := p.settingsOf()
	if err != nil {
		return err
	}
	info, err := p.describe()
	if err != nil {
		return err
	}
	s, err := parseSchema(info.Settings)
	if err != nil {
		return leftOutError("the schema cannot be read")
	}
	for _, name := range s.Required {
		if err := p.refusedWith("no "+name, object, name, ""); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		for what, value := range s.Properties[name].wrong() {
			if err := p.refusedWith(what+" in "+name, object, name, value); err != nil {
				return err
			}
		}
	}
	if err := p.refused("an array in place of an object", json.RawMessage(`[]`)); err != nil {
		return err
	}
	for i, raw := range p.c.BadSettings {
		if err := p.refused(fmt.Sprintf("BadSettings[%d]", i), raw); err != nil {
			return err
		}
	}
	return nil
}

// failing makes the outside system fail, as f sees it.
func (p *probe) failing(f func() error) error {
	if p.c.Fault == nil {
		return leftOutError("it takes a fake of the outside system that fails on command: give Case.Fault in a test of the adapter")
	}
	restore := p.c.Fault()
	err := f()
	restore()
	if err == nil {
		return errors.New("the outside system fails and the call returns no error")
	}
	return p.classified(err, sdk.ClassRetry, sdk.ClassFail)
}
