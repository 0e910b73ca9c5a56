package config

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v4"
)

const (
	hintSecret   = "write {env: NAME}, {file: PATH} or {credential: NAME}; systemd hands a credential over with LoadCredential=NAME:PATH"
	hintDuration = "write a number with a unit, such as 30s, 5m or 1h30m"
	hintName     = "use lower-case letters and digits, with single - or _ between them, at most 64"
)

// mismatched reports a value that a rule of the schema refuses. No message
// shows the value: which of an adapter's settings is a secret is its affair.
func (l *loader) mismatched(v value, m mismatch) {
	what := label(m.path)
	if rule := definition(m.rule); rule == "secret" {
		v.src.hide(v.node)
		l.fault(v, CodeSecret, what+" "+secretWords(v, m.cause), hintSecret)
		return
	} else if rule == "duration" {
		l.fault(v, CodeDuration, what+" is no duration", hintDuration)
		return
	}
	switch cause := m.cause.(type) {
	case *kind.Type:
		l.fault(v, CodeType, fmt.Sprintf("%s must be %s, not %s", what, typeNames(cause.Want), typeName(cause.Got)), hintType(v, cause))
	case *kind.Enum:
		l.enum(v, what, cause)
	default:
		message, hint := limitWords(m.cause)
		if own, ok := ownForms()[definition(m.rule)]; ok {
			hint = own
		}
		l.fault(v, CodeValue, what+" "+message, hint)
	}
}

func (l *loader) enum(v value, what string, cause *kind.Enum) {
	var allowed []string
	for _, want := range cause.Want {
		allowed = append(allowed, fmt.Sprint(want))
	}
	hint := "write one of " + strings.Join(allowed, ", ")
	if text, ok := v.text(); ok {
		if meant, ok := closest(text, allowed); ok {
			hint = "did you mean " + quote(meant) + "? " + hint
		}
	}
	l.fault(v, CodeValue, what+" has a value that is not allowed", hint)
}

// ownForms are hints for the definitions of the configuration's schema that
// ask for a form.
func ownForms() map[string]string {
	return map[string]string{
		"limit":      "write a number of records such as 500, or a share such as 20%",
		"connection": "name the adapter in lower-case letters and digits, with single - between them",
	}
}

// limitWords says what is wrong with a value of the right type.
func limitWords(cause any) (message, hint string) {
	switch cause := cause.(type) {
	case *kind.Const:
		return "has a value that is not allowed", fmt.Sprintf("write %v", cause.Want)
	case *kind.Minimum:
		return "is too small", "the least is " + number(cause.Want)
	case *kind.Maximum:
		return "is too large", "the most is " + number(cause.Want)
	case *kind.UniqueItems:
		return "names the same value twice", "remove one of the two"
	case *kind.Pattern:
		return "does not have the form that is expected", "the form is " + cause.Want
	case *kind.Format:
		if cause.Want == "uri" {
			return "is no web address", "write it with its scheme, such as https://crm.example.com"
		}
		return "is not a valid " + cause.Want, "correct the value"
	case *kind.FalseSchema:
		return "is not allowed here", "remove it"
	case *kind.DependentRequired:
		return fmt.Sprintf("has %q but lacks %s", cause.Prop, strings.Join(cause.Missing, ", ")), "add the missing keys"
	case *kind.AnyOf, *kind.OneOf:
		return "has none of the forms that are allowed", "rosterd adapter describe NAME lists an adapter's settings"
	}
	return sizeWords(cause)
}

// sizeWords says what is wrong with the size of a value of the right type.
func sizeWords(cause any) (message, hint string) {
	switch cause := cause.(type) {
	case *kind.MinLength:
		if cause.Want > 1 {
			return "is empty or too short", fmt.Sprintf("the least is %d characters", cause.Want)
		}
		return "is empty or too short", "write a value, or remove the key"
	case *kind.MinItems:
		return "is empty or too short", "write a value, or remove the key"
	case *kind.MaxLength:
		return "is too long", fmt.Sprintf("the most is %d characters", cause.Want)
	case *kind.MaxItems:
		return "has too many entries", fmt.Sprintf("the most is %d", cause.Want)
	case *kind.MinProperties:
		return "is empty", "write its keys, or remove it"
	case *kind.MaxProperties:
		return "has too many keys", fmt.Sprintf("the most is %d", cause.Want)
	}
	return "is not as its schema wants it", "rosterd adapter describe NAME lists an adapter's settings"
}

func secretWords(v value, cause any) string {
	if v.is(yaml.MappingNode) {
		if _, ok := cause.(*kind.Type); ok {
			return "names its secret by something that is no text"
		}
		return "must have exactly one of the keys env, file and credential"
	}
	return "holds a value where only a reference to a secret may stand"
}

// definition is the name of the definition in which a rule of the
// configuration's schema is; empty for a rule of an adapter.
func definition(rule string) string {
	rest, found := strings.CutPrefix(rule, ownURL+"#/$defs/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// label names a value by the last key on the way to it.
func label(path []string) string {
	for i, step := range slices.Backward(path) {
		if strings.Trim(step, "0123456789") == "" && i > 0 {
			continue
		}
		if i == len(path)-1 {
			return quote(step)
		}
		return "an entry of " + quote(step)
	}
	return "the file"
}

func typeName(name string) string {
	names := map[string]string{
		"string": "a text", "number": "a number", "integer": "a whole number", "boolean": "true or false",
		"null": "empty", "object": "a mapping of keys", "array": "a list",
	}
	if words, ok := names[name]; ok {
		return words
	}
	return name
}

func typeNames(names []string) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = typeName(name)
	}
	return strings.Join(words, " or ")
}

func hintType(v value, cause *kind.Type) string {
	want := ""
	if len(cause.Want) > 0 {
		want = cause.Want[0]
	}
	switch {
	case want == "string" && v.is(yaml.ScalarNode) && !isNull(v.node):
		return "put the value in quotes"
	case cause.Got == "null":
		return "write a value, or remove the key"
	case want == "array":
		return "write [first, second], or one line with a dash for each"
	case want == "object":
		return "write its keys below it, each indented by two spaces"
	case want == "boolean":
		return "write true or false, without quotes"
	}
	if v.is(yaml.ScalarNode) {
		return "write " + typeNames(cause.Want) + " without quotes"
	}
	return "write one value"
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	text, _ := r.Float64()
	return fmt.Sprint(text)
}
