package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// classified says what is wrong with an error that an adapter returned. Only
// the classes given may be used.
func (p *probe) classified(err error, classes ...sdk.Class) error {
	if errors.Is(err, errStuck) {
		return err
	}
	if secret := p.secretIn(err.Error()); secret != "" {
		return fmt.Errorf("the error quotes the secret setting %s", secret)
	}
	e, ok := errors.AsType[*sdk.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("the error is not classified: %w", err)
	case !slices.Contains(classes, e.Class):
		return fmt.Errorf("the error has the class %q where one of %q is right: %w", e.Class, classes, err)
	case e.Code == sdk.CodeInternal:
		return fmt.Errorf("the error is not classified, or as a fault of the adapter itself (code internal): %w", err)
	case !slices.Contains(codes(), e.Code):
		return fmt.Errorf("the error has the unknown code %q: %w", e.Code, err)
	case strings.TrimSpace(err.Error()) == "":
		return errors.New("the error has no text")
	}
	return nil
}

func codes() []sdk.Code {
	return []sdk.Code{sdk.CodeConfig, sdk.CodeAuth, sdk.CodeUnavailable, sdk.CodeQuota, sdk.CodeChanged, sdk.CodeData}
}

// interrupted says what is wrong with the error of a call that was cancelled.
// Its class does not count: the caller knows why the call ended.
func (p *probe) interrupted(err error) error {
	switch {
	case err == nil:
		return errors.New("the call was cancelled before it began and returned no error")
	case errors.Is(err, errStuck):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	if _, ok := errors.AsType[*sdk.Error](err); ok {
		return nil
	}
	return fmt.Errorf("the error is neither the context's nor classified: %w", err)
}

// minSecret is the shortest value that is looked for in an error: a shorter
// one stands in many texts by chance.
const minSecret = 4

// secretIn returns the name of a secret setting whose value stands in a text.
func (p *probe) secretIn(text string) string {
	for name, value := range p.secrets() {
		if strings.Contains(text, value) {
			return name
		}
	}
	return ""
}

func (p *probe) withoutSecrets(text string) string {
	for _, value := range p.secrets() {
		text = strings.ReplaceAll(text, value, "***")
	}
	return text
}

// secrets returns the values of the settings that the schema marks as secret.
func (p *probe) secrets() map[string]string {
	info, err := p.subject.Describe(p.ctx)
	if err != nil {
		return nil
	}
	s, err := parseSchema(info.Settings)
	if err != nil {
		return nil
	}
	var values map[string]any
	if json.Unmarshal(p.c.Connection.Settings, &values) != nil {
		return nil
	}
	found := map[string]string{}
	for name, prop := range s.Properties {
		if v, ok := values[name].(string); ok && prop.WriteOnly && len(v) >= minSecret {
			found[name] = v
		}
	}
	return found
}
