package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// settings takes what the flags say of single connections.
func (t *turnUp) settings(ctx context.Context) error {
	for _, text := range t.flags.clientIDs {
		name, id, _ := strings.Cut(text, "=")
		connection, err := t.connectionNamed("--client-id", "CONNECTION=ID", name)
		if err != nil {
			return err
		}
		if id == "" {
			return usagef("--client-id wants CONNECTION=ID, and not %q", text)
		}
		t.draft.Of(connection.Key).ClientID = id
	}
	for _, text := range t.flags.clubIDs {
		if err := t.clubID(text); err != nil {
			return err
		}
	}
	for _, text := range t.flags.settings {
		if err := t.setting(text); err != nil {
			return err
		}
	}
	for _, text := range t.flags.secrets {
		if err := t.secret(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// connectionNamed finds the connection that a flag names.
func (t *turnUp) connectionNamed(flag, form, name string) (config.DraftConnection, error) {
	all := t.draft.Systems(t.cfg)
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.Key
	}
	if i := slices.Index(names, name); i >= 0 {
		return all[i], nil
	}
	return config.DraftConnection{}, usagef("%s wants %s: %w", flag, form, config.CheckWord("connection", name, names))
}

func (t *turnUp) clubID(text string) error {
	const form = "CONNECTION.CLUB=ID"
	place, id, _ := strings.Cut(text, "=")
	name, club, ok := strings.Cut(place, ".")
	if !ok || id == "" {
		return usagef("--club-id wants %s, and not %q", form, text)
	}
	connection, err := t.connectionNamed("--club-id", form, name)
	if err != nil {
		return err
	}
	var clubs []string
	for _, one := range t.draft.Clubs {
		clubs = append(clubs, one.Key)
	}
	if err := config.CheckWord("club", club, clubs); err != nil {
		return usagef("--club-id wants %s: %w", form, err)
	}
	t.draft.Of(connection.Key).Clubs[club] = id
	return nil
}

// settingNamed finds the setting that a flag names, and what the flag says of it. No
// error shows that: it may be a secret.
func (t *turnUp) settingNamed(flag, form, text string) (key string, of config.Form, field config.Field, said string, err error) {
	place, said, _ := strings.Cut(text, "=")
	name, setting, ok := strings.Cut(place, ".")
	if !ok || setting == "" {
		return "", of, field, "", usagef("%s wants %s; there is no dot before the =", flag, form)
	}
	connection, err := t.connectionNamed(flag, form, name)
	if err != nil {
		return "", of, field, "", err
	}
	if of, err = config.ReadForm(t.draft.Schemas[connection.Adapter]); err != nil {
		return "", of, field, "", err
	}
	if field, err = of.Field(setting); err != nil {
		return "", of, field, "", usagef("%s %s: adapter %s: %w", flag, place, connection.Adapter, err)
	}
	return connection.Key, of, field, said, nil
}

func (t *turnUp) setting(text string) error {
	const form = "CONNECTION.SETTING=VALUE"
	key, of, field, said, err := t.settingNamed("--set", form, text)
	if err != nil {
		return err
	}
	place := key + "." + field.Name
	switch {
	case field.Secret:
		return usagef("--set %s: it is a secret, and others see what is on a command line: use --secret %s=@FILE", place, place)
	case said == "":
		return usagef("--set %s: there is no value; leave the flag out instead", place)
	}
	value, err := of.Parse(field, said)
	if err != nil {
		return usagef("--set %s: %w", place, err)
	}
	t.draft.Of(key).Settings[field.Name] = value
	return nil
}

func (t *turnUp) secret(ctx context.Context, text string) error {
	const form = "CONNECTION.SETTING=@FILE"
	key, of, field, said, err := t.settingNamed("--secret", form, text)
	if err != nil {
		return err
	}
	place := key + "." + field.Name
	if !field.Secret {
		return usagef("--secret %s: it is no secret: use --set %s=VALUE", place, place)
	}
	if reference, ok := config.ParseReference(said); ok {
		t.draft.Of(key).Settings[field.Name] = reference
		return nil
	}
	value, err := t.readSecret(ctx, place, said)
	if err != nil {
		return err
	}
	if value == "" {
		return usagef("--secret %s: it is empty", place)
	}
	if _, err := of.Parse(field, value); err != nil {
		return usagef("--secret %s: %w", place, err)
	}
	a := t.draft.Of(key)
	delete(a.Settings, field.Name)
	a.Secrets[field.Name] = roster.NewSecret(value)
	return nil
}

// readSecret takes a secret from where a flag says.
func (t *turnUp) readSecret(ctx context.Context, place, from string) (string, error) {
	var text []byte
	var err error
	path, isFile := strings.CutPrefix(from, "@")
	switch {
	case from == "":
		screen, ok := t.terminal()
		if !ok {
			return "", usagef("--secret %s: nobody can be asked, since there is no terminal: use --secret %s=@FILE", place, place)
		}
		return screen.Secret(ctx, place+", not shown: ")
	case from == "-":
		text, err = readBounded(t.stdin)
	case isFile:
		text, err = readFileBounded(path)
	default:
		return "", usagef("--secret %s takes no value, since others see what is on a command line: write it into a file, and use --secret %s=@FILE", place, place)
	}
	if err != nil {
		return "", usagef("--secret %s: %w", place, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

func readFileBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}
