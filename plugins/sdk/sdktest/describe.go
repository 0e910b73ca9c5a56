package sdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func describeChecks() []check {
	return []check{
		{
			"describe", "complete sdk.Adapter: name in kebab-case, version, one sentence of description, and the kinds it reads",
			describeWhole,
		},
		{
			"describe/same", "make sdk.Adapter from constants: the same description each time, in valid UTF-8",
			describeSame,
		},
	}
}

func (p *probe) describe() (sdk.Info, error) {
	info, err := call(p.ctx, "describe", p.c.Patience, p.subject.Describe)
	if err != nil {
		return sdk.Info{}, fmt.Errorf("describe: %w", err)
	}
	return info, nil
}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func describeWhole(p *probe) error {
	info, err := p.describe()
	switch {
	case err != nil:
		return err
	case !kebab.MatchString(info.Name):
		return fmt.Errorf("the name %q is not in kebab-case", info.Name)
	case strings.TrimSpace(info.Version) == "":
		return errors.New("it has no version")
	case strings.TrimSpace(info.Description) == "":
		return errors.New("it has no description")
	case len(info.Abilities) == 0:
		return errors.New("it has no ability: the opened value has the methods of none")
	case has(info, sdk.AbilitySource) != (len(info.Kinds) > 0):
		return fmt.Errorf("source is among its abilities: %t, and the kinds that it reads are %d", has(info, sdk.AbilitySource), len(info.Kinds))
	}
	var seen []sdk.Kind
	for _, k := range info.Kinds {
		if err := describeKind(k); err != nil {
			return err
		}
		if slices.Contains(seen, k.Kind) {
			return fmt.Errorf("kind %s is declared twice", k.Kind)
		}
		seen = append(seen, k.Kind)
	}
	for _, k := range p.c.Kinds {
		if !slices.Contains(seen, k) {
			return fmt.Errorf("kind %q is to be checked, and the adapter declares only %q", k, seen)
		}
	}
	return nil
}

func describeKind(k sdk.KindInfo) error {
	switch k.Cursor {
	case sdk.CursorWalk, sdk.CursorInclusive, sdk.CursorExact:
	default:
		return fmt.Errorf("kind %s has the unknown cursor semantics %q", k.Kind, k.Cursor)
	}
	if !k.Kind.Valid() {
		return fmt.Errorf("unknown kind %q", k.Kind)
	}
	var seen []string
	for _, f := range k.Fields {
		if f == "" || slices.Contains(seen, f) {
			return fmt.Errorf("field %q of kind %s is empty or declared twice", f, k.Kind)
		}
		seen = append(seen, f)
	}
	return nil
}

func describeSame(p *probe) error {
	want, err := p.describe()
	if err != nil {
		return err
	}
	if p.way.inProcess {
		want = p.c.Adapter.Describe()
	}
	got, err := p.describe()
	if err != nil {
		return err
	}
	if !sameInfo(want, got) {
		return errors.New("two descriptions differ")
	}
	return nil
}

// sameInfo compares descriptions; an empty list and none are the same.
func sameInfo(a, b sdk.Info) bool {
	texts := make([]string, 0, 2)
	for _, i := range []sdk.Info{a, b} {
		raw, err := json.Marshal(i)
		if err != nil {
			return reflect.DeepEqual(a, b)
		}
		texts = append(texts, string(raw))
	}
	return texts[0] == texts[1]
}

// settingsOf returns the case's settings as an object that may be changed.
func (p *probe) settingsOf() (map[string]json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	if len(p.c.Connection.Settings) == 0 {
		return object, nil
	}
	if err := json.Unmarshal(p.c.Connection.Settings, &object); err != nil {
		return nil, fmt.Errorf("the case's own settings are not a JSON object: %w", err)
	}
	return object, nil
}

// refused opens a connection with settings that cannot work.
func (p *probe) refused(what string, raw json.RawMessage) error {
	c := p.c.Connection
	c.Settings = raw
	_, err := p.openWith(c)
	if err == nil {
		return fmt.Errorf("settings with %s are accepted", what)
	}
	if err := p.classified(err, sdk.ClassFail); err != nil {
		return fmt.Errorf("settings with %s: %w", what, err)
	}
	if e := sdk.AsError(err); e.Code != sdk.CodeConfig {
		return fmt.Errorf("settings with %s are refused with the code %q where %q is right", what, e.Code, sdk.CodeConfig)
	}
	return nil
}
