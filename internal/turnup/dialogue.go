package turnup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// ErrStopped says that the person has ended the dialogue.
var ErrStopped = errors.New("stopped, and nothing was written")

// Terminal is what a person sits at. An error of a question ends the dialogue.
type Terminal interface {
	// Say shows a line.
	Say(line string)
	// Line asks for a line, and returns it without spaces around it.
	Line(ctx context.Context, prompt string) (string, error)
	// Secret asks for a line that is not shown.
	Secret(ctx context.Context, prompt string) (string, error)
}

// Dialogue asks a person for what a draft lacks.
type Dialogue struct {
	Terminal Terminal
	// Config is the configuration to which the account is added.
	Config *config.Config
	// Adapters are the names of those that are there.
	Adapters []string
	// Learn puts the schema of an adapter's settings into the draft.
	Learn func(ctx context.Context, draft *config.Draft, adapter string) error
	// Check tries a connection, shows what is found there, and returns the clubs that
	// the system does not have.
	Check func(ctx context.Context, draft *config.Draft, connection string) (missing []string, err error)

	// typed are the settings that were answered at the terminal, by connection.
	typed map[string][]config.Field
}

// Ask fills in a draft. It returns the connections that the person wants to be left
// unchecked.
func (d *Dialogue) Ask(ctx context.Context, draft *config.Draft) (unchecked map[string]bool, err error) {
	d.typed, unchecked = map[string][]config.Field{}, map[string]bool{}
	if err := d.account(ctx, draft); err != nil {
		return nil, err
	}
	if len(draft.Clubs) == 0 {
		if err := d.clubs(ctx, draft); err != nil {
			return nil, err
		}
	}
	if len(draft.Systems(d.Config)) == 0 {
		if err := d.connections(ctx, draft); err != nil {
			return nil, err
		}
	}
	for _, c := range draft.Systems(d.Config) {
		if unchecked[c.Key], err = d.connection(ctx, draft, c); err != nil {
			return nil, err
		}
	}
	return unchecked, nil
}

// Yes asks a question that is answered with yes or no.
func (d *Dialogue) Yes(ctx context.Context, question string) (bool, error) {
	answer, err := d.choose(ctx, question+" (y or n)", "y", "y", "n")
	return answer == "y", err
}

// ask asks until check takes the answer. An empty answer means otherwise.
func (d *Dialogue) ask(ctx context.Context, question, otherwise string, check func(string) error) (string, error) {
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	for {
		text, err := d.Terminal.Line(ctx, question+": ")
		if err != nil {
			return "", err
		}
		text = cmp.Or(text, otherwise)
		if err = check(text); err == nil {
			return text, nil
		}
		d.Terminal.Say("  " + err.Error())
	}
}

// choose asks for one of some words.
func (d *Dialogue) choose(ctx context.Context, question, otherwise string, words ...string) (string, error) {
	return d.ask(ctx, question, otherwise, func(text string) error {
		if slices.Contains(words, text) {
			return nil
		}
		return errors.New("answer " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1])
	})
}

// checked makes an error of what is wrong with an answer and what to do.
func checked(check func(string) (problem, hint string)) func(string) error {
	return func(text string) error {
		if problem, hint := check(text); problem != "" {
			return errors.New(problem + ": " + hint)
		}
		return nil
	}
}

func anything(string) error { return nil }

func (d *Dialogue) account(ctx context.Context, draft *config.Draft) (err error) {
	if draft.Name == "" {
		if draft.Name, err = d.ask(ctx, "the customer's name for people", draft.ID, anything); err != nil {
			return err
		}
	}
	if draft.Country == "" {
		code := func(text string) error { return checked(config.CheckCountry)(strings.ToUpper(text)) }
		if draft.Country, err = d.ask(ctx, "country, two letters such as CA", "", code); err != nil {
			return err
		}
		draft.Country = strings.ToUpper(draft.Country)
	}
	if draft.Timezone == "" {
		draft.Timezone, err = d.ask(ctx, "time zone, such as America/Toronto", "", checked(config.CheckTimezone))
	}
	return err
}

// list asks for keys until none comes.
func (d *Dialogue) list(ctx context.Context, question string, taken func(key string) bool, each func(key string) error) error {
	for {
		key, err := d.ask(ctx, question, "", func(text string) error {
			switch {
			case text == "":
				return nil
			case taken(text):
				return fmt.Errorf("%q is there already", text)
			}
			return checked(config.CheckKey)(text)
		})
		if err != nil || key == "" {
			return err
		}
		if err := each(key); err != nil {
			return err
		}
	}
}

func (d *Dialogue) clubs(ctx context.Context, draft *config.Draft) error {
	d.Terminal.Say("\nThe clubs, which are the customer's locations. Without any there is one location.")
	taken := func(key string) bool {
		return slices.ContainsFunc(draft.Clubs, func(c config.DraftClub) bool { return c.Key == key })
	}
	return d.list(ctx, "club, a word such as downtown (Enter ends the list)", taken, func(key string) error {
		name, err := d.ask(ctx, "  name of "+key+" for people", key, anything)
		draft.Clubs = append(draft.Clubs, config.DraftClub{Key: key, Name: name})
		return err
	})
}

func (d *Dialogue) connections(ctx context.Context, draft *config.Draft) error {
	d.Terminal.Say("\nThe customer's systems. Their adapters: " + strings.Join(d.Adapters, ", ") + ".")
	taken := func(key string) bool {
		return slices.ContainsFunc(draft.Connections, func(c config.DraftConnection) bool { return c.Key == key })
	}
	return d.list(ctx, "connection, a word such as crm (Enter ends the list)", taken, func(key string) error {
		adapter, err := d.ask(ctx, "  adapter of "+key, "", func(text string) error {
			return config.CheckWord("adapter", text, d.Adapters)
		})
		if err != nil {
			return err
		}
		draft.Connections = append(draft.Connections, config.DraftConnection{Key: key, Adapter: adapter})
		return d.Learn(ctx, draft, adapter)
	})
}

// connection asks for what is not known of a system, and tries it.
func (d *Dialogue) connection(ctx context.Context, draft *config.Draft, c config.DraftConnection) (unchecked bool, err error) {
	d.Terminal.Say("\nConnection " + c.Key + ", adapter " + c.Adapter + ". Enter passes over what is not needed.")
	a := draft.Of(c.Key)
	if a.ClientID == "" {
		if a.ClientID, err = d.ask(ctx, "  client id: the account's id in that system", "", anything); err != nil {
			return false, err
		}
	}
	for _, club := range draft.Clubs {
		if a.Clubs[club.Key] == "" {
			if err := d.clubID(ctx, a, club.Key, ""); err != nil {
				return false, err
			}
		}
	}
	fields, err := draft.Unanswered(d.Config, c.Key)
	if err != nil {
		return false, err
	}
	d.typed[c.Key] = fields
	if err := d.settings(ctx, draft, c); err != nil {
		return false, err
	}
	return d.try(ctx, draft, c)
}

// clubID asks for the id of a club. Two clubs of one id cannot be meant.
func (d *Dialogue) clubID(ctx context.Context, a *config.Answers, club, otherwise string) error {
	id, err := d.ask(ctx, "  id of club "+club+" in that system", otherwise, func(text string) error {
		for _, other := range slices.Sorted(maps.Keys(a.Clubs)) {
			if text != "" && other != club && a.Clubs[other] == text {
				return fmt.Errorf("club %s has the id %q already: give each club its own", other, text)
			}
		}
		return nil
	})
	if err == nil && id != "" {
		a.Clubs[club] = id
	}
	return err
}

// try checks a connection until it is well, or the person leaves it as it is.
func (d *Dialogue) try(ctx context.Context, draft *config.Draft, c config.DraftConnection) (unchecked bool, err error) {
	for {
		missing, err := d.Check(ctx, draft, c.Key)
		var settled bool
		switch {
		case ctx.Err() != nil:
			return false, ErrStopped
		case err != nil:
			d.Terminal.Say("  " + err.Error())
			unchecked, err = d.mend(ctx, draft, c)
			settled = unchecked
		case len(missing) > 0:
			settled, err = d.otherIDs(ctx, draft.Of(c.Key), missing)
		default:
			settled = true
		}
		if err != nil || settled {
			return unchecked, err
		}
	}
}

// mend lets a person answer again for a system that does not work, or keep it as it
// is.
func (d *Dialogue) mend(ctx context.Context, draft *config.Draft, c config.DraftConnection) (unchecked bool, err error) {
	what, err := d.choose(ctx, "  answer (again), keep it (unchecked), or (stop)", "again", "again", "unchecked", "stop")
	switch {
	case err != nil:
		return false, err
	case what == "stop":
		return false, ErrStopped
	case what == "unchecked":
		return true, nil
	}
	return false, d.settings(ctx, draft, c)
}

// otherIDs lets a person give other ids for clubs that the system does not have; kept
// says that they stay.
func (d *Dialogue) otherIDs(ctx context.Context, a *config.Answers, missing []string) (kept bool, err error) {
	again, err := d.Yes(ctx, "  give other ids")
	if err != nil || !again {
		return true, err
	}
	for _, club := range missing {
		if err := d.clubID(ctx, a, club, a.Clubs[club]); err != nil {
			return false, err
		}
	}
	return false, nil
}

// settings asks for the settings that the terminal is to give. Answers that are there
// stay with Enter, and go with a dash.
func (d *Dialogue) settings(ctx context.Context, draft *config.Draft, c config.DraftConnection) error {
	form, err := config.ReadForm(draft.Schemas[c.Adapter])
	if err != nil {
		return err
	}
	for _, field := range d.typed[c.Key] {
		if err := d.setting(ctx, draft.Of(c.Key), form, field); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dialogue) setting(ctx context.Context, a *config.Answers, form config.Form, field config.Field) error {
	if field.Description != "" {
		d.Terminal.Say("  " + field.Name + ": " + field.Description)
	}
	for warned := false; ; {
		text, err := d.answer(ctx, a, field)
		if err != nil {
			return err
		}
		_, had := a.Settings[field.Name]
		_, hidden := a.Secrets[field.Name]
		switch {
		case text == "" && (had || hidden || warned || !field.Required):
			return nil
		case text == "":
			warned = true
			d.Terminal.Say("  it is needed; Enter once more leaves it to be filled in later")
			continue
		case text == "-" && (had || hidden):
			delete(a.Settings, field.Name)
			delete(a.Secrets, field.Name)
			return nil
		}
		setting, err := form.Parse(field, text)
		if err != nil {
			d.Terminal.Say("  " + err.Error())
			continue
		}
		if field.Secret {
			a.Secrets[field.Name] = roster.NewSecret(text)
			return nil
		}
		a.Settings[field.Name] = setting
		return nil
	}
}

// answer asks for one setting in the way of its kind.
func (d *Dialogue) answer(ctx context.Context, a *config.Answers, field config.Field) (string, error) {
	prompt := "  " + field.Name
	if len(field.Choices) > 0 {
		prompt += " (" + strings.Join(shown(field.Choices), ", ") + ")"
	}
	_, had := a.Settings[field.Name]
	_, hidden := a.Secrets[field.Name]
	switch {
	case had || hidden:
		prompt += " [as before; - removes it]"
	case field.Default != "":
		prompt += " [" + field.Default + "]"
	}
	if field.Secret {
		return d.Terminal.Secret(ctx, prompt+", not shown: ")
	}
	text, err := d.Terminal.Line(ctx, prompt+": ")
	if err != nil || !field.URL || text == "" || text == "-" || strings.Contains(text, "://") {
		return text, err
	}
	scheme, err := d.choose(ctx, "  scheme (http or https)", "https", "http", "https")
	return scheme + "://" + text, err
}

// shown are choices as a person can tell them apart: signs in quotes.
func shown(choices []string) []string {
	all := slices.Clone(choices)
	for i, text := range all {
		if !strings.ContainsFunc(text, unicode.IsLetter) {
			all[i] = strconv.Quote(text)
		}
	}
	return all
}
