package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/turnup"
)

// ask asks a person for what is missing, where one sits at a terminal. It reports
// whether anything was asked.
func (t *turnUp) ask(ctx context.Context) (bool, error) {
	screen, ok := t.terminal()
	if !ok || t.flags.silent {
		return false, nil
	}
	missing, err := t.missing()
	if err != nil || !missing {
		return false, err
	}
	names, err := t.adapterNames(ctx)
	if err != nil {
		return false, err
	}
	t.dialogue = &turnup.Dialogue{Terminal: screen, Config: t.cfg, Adapters: names, Learn: t.learn, Check: t.try}
	t.unchecked, err = t.dialogue.Ask(ctx, &t.draft)
	return true, err
}

// missing reports whether anything is missing that is needed.
func (t *turnUp) missing() (bool, error) {
	systems := t.draft.Systems(t.cfg)
	if t.draft.Country == "" || t.draft.Timezone == "" || len(systems) == 0 {
		return true, nil
	}
	for _, one := range systems {
		incomplete, err := t.draft.Incomplete(t.cfg, one.Key)
		if err != nil || incomplete {
			return incomplete, err
		}
		for _, club := range t.draft.Clubs {
			if t.draft.Of(one.Key).Clubs[club.Key] == "" {
				return true, nil
			}
		}
	}
	return false, nil
}

// try tries one connection for the dialogue, and shows what is there.
func (t *turnUp) try(ctx context.Context, draft *config.Draft, connection string) (missing []string, err error) {
	written, err := draft.Write(t.cfg)
	if err != nil {
		return nil, err
	}
	t.pretend = t.files.pretend(written)
	defer func() { t.pretend = nil }()
	cfg, err := t.load(true)
	if err != nil {
		return nil, err
	}
	for _, one := range draft.Systems(t.cfg) {
		if one.Key != connection {
			continue
		}
		found, _, err := t.inspect(ctx, cfg, []config.DraftConnection{one})
		if err != nil {
			return nil, errors.New(asFault(err).Message)
		}
		for _, f := range found {
			missing = append(missing, f.Missing...)
			for _, line := range f.lines() {
				t.dialogue.Terminal.Say("  " + line)
			}
			for _, warning := range t.warnings(cfg, f) {
				if warning.Code == codeClub {
					t.dialogue.Terminal.Say("  " + warning.Message)
				}
			}
		}
	}
	return missing, nil
}

// confirm shows what would be written, and goes on only when the person says so.
func (t *turnUp) confirm(ctx context.Context, added accountAdded) error {
	t.dialogue.Terminal.Say("")
	added.DryRun = true
	t.showAdded(added)
	yes, err := t.dialogue.Yes(ctx, fmt.Sprintf("write %s", added.File))
	if err == nil && !yes {
		err = turnup.ErrStopped
	}
	return err
}
