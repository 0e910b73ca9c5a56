package config

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/rosterd/rosterd/internal/roster"
)

// Answers are what is known of one connection of a [Draft].
type Answers struct {
	// ClientID is the account's id in that system; empty where it is not known.
	ClientID string
	// Clubs are the ids of clubs in that system.
	Clubs map[string]string
	// Settings are those that are known, references to secrets among them.
	Settings map[string]Setting
	// Secrets are settings that are kept in files of their own.
	Secrets map[string]roster.Secret

	// more are further keys of the connection, and from the place of its settings,
	// where they come from a file.
	more map[string]value
	from value
}

// known reports whether a setting has an answer.
func (a *Answers) known(setting string) bool {
	if a == nil {
		return false
	}
	_, plain := a.Settings[setting]
	_, secret := a.Secrets[setting]
	return plain || secret
}

// Of returns the answers of a connection, which may be filled in.
func (d *Draft) Of(connection string) *Answers {
	if d.Answers == nil {
		d.Answers = map[string]*Answers{}
	}
	a := d.Answers[connection]
	if a == nil {
		a = &Answers{Clubs: map[string]string{}, Settings: map[string]Setting{}, Secrets: map[string]roster.Secret{}}
		d.Answers[connection] = a
	}
	return a
}

// ReadAnswers reads a file of answers: an account as it would stand in the
// configuration, in which anything may be missing. Settings that hold secrets may
// stand in it themselves. The error is a [*Faults].
func ReadAnswers(name string, text []byte) (Draft, error) {
	shapes, err := compile(ownURL, schemaText, "#/$defs/account")
	if err != nil {
		return Draft{}, err
	}
	src, err := newSource(name)
	if err != nil {
		return Draft{}, err
	}
	l := &loader{cfg: &Config{}, files: []*source{src}}
	if fault := src.parse(text); fault != nil {
		return Draft{}, &Faults{List: []Fault{*fault}}
	}
	root := value{src: src, node: src.root}
	l.shaping = true
	l.checkTree(root, 0)
	l.compare(root, shapes[0])
	l.shaping = false
	d := l.answers(root)
	if len(l.list) > 0 {
		return Draft{}, &Faults{List: l.findings()}
	}
	return d, nil
}

// compare reports what is wrong with the shape of answers, in which anything may be
// missing, and in which a reference may stand for a text.
func (l *loader) compare(root value, s *shape) {
	for _, m := range s.check(plain(root)) {
		v := root.find(m.path)
		switch cause := m.cause.(type) {
		case *kind.Required:
		case *kind.AdditionalProperties:
			l.unknownKeys(v, cause.Properties, s.keys(m.rule))
		default:
			if !isReference(v) {
				l.mismatched(v, m)
			}
		}
	}
}

func (l *loader) answers(root value) Draft {
	d := Draft{
		Name:    root.get("name").textOr(""),
		Country: l.country(root.get("country"), ""), Timezone: l.timezone(root.get("timezone"), ""),
		jobs: root.get("jobs"),
	}
	for key, club := range l.named(root.get("clubs")) {
		d.Clubs = append(d.Clubs, DraftClub{
			Key: key, Name: club.get("name").textOr(key),
			Country: l.country(club.get("country"), ""), Timezone: l.timezone(club.get("timezone"), ""),
		})
	}
	for key, connection := range l.named(root.get("connections")) {
		d.Connections = append(d.Connections, DraftConnection{Key: key, Adapter: connection.get("adapter").textOr("")})
		d.Of(key).read(connection)
	}
	return d
}

func (a *Answers) read(connection value) {
	a.from, a.more = connection.get("settings"), map[string]value{}
	for name, v := range connection.entries() {
		switch name {
		case "adapter", "settings":
		case "client_id":
			a.ClientID = v.textOr("")
		case "clubs":
			for club, id := range v.entries() {
				if text, ok := id.text(); ok {
					a.Clubs[club] = text
				}
			}
		default:
			a.more[name] = v
		}
	}
	for name, v := range a.from.entries() {
		if !isNull(v.node) {
			a.Settings[name] = Setting{v.node}
		}
	}
}

// CheckSettings compares the settings of a file of answers with the schemas of their
// adapters, as far as they are there, and hides those that are secrets.
func (d *Draft) CheckSettings(cfg *Config) error {
	l := &loader{cfg: &Config{}, shaping: true}
	for _, c := range d.Systems(cfg) {
		a := d.Answers[c.Key]
		if a == nil || a.from.node == nil || len(d.Schemas[c.Adapter]) == 0 {
			continue
		}
		shapes, err := compile(adapterURL, d.Schemas[c.Adapter], "")
		if err != nil {
			return err
		}
		form, err := ReadForm(d.Schemas[c.Adapter])
		if err != nil {
			return err
		}
		for _, f := range form.Fields {
			if f.Secret {
				a.from.src.hide(a.from.get(f.Name).node)
			}
		}
		if !slices.Contains(l.files, a.from.src) {
			l.files = append(l.files, a.from.src)
		}
		l.compare(a.from, shapes[0])
	}
	if len(l.list) == 0 {
		return nil
	}
	return &Faults{List: l.findings()}
}

// PartSecrets moves the settings that are secrets themselves, and no references, to
// [Answers].Secrets, and reports whether there are any.
func (d *Draft) PartSecrets(cfg *Config) (found bool, err error) {
	for _, c := range d.Systems(cfg) {
		a := d.Answers[c.Key]
		if a == nil {
			continue
		}
		form, err := ReadForm(d.Schemas[c.Adapter])
		if err != nil {
			return false, err
		}
		for _, f := range form.Fields {
			text, ok := a.Settings[f.Name].text()
			if f.Secret && ok {
				a.Secrets[f.Name] = roster.NewSecret(text)
				delete(a.Settings, f.Name)
				found = true
			}
		}
	}
	return found, nil
}

// Unanswered are the settings of a connection for which there is no answer yet: of a
// connection of another account those that are not taken over, of one of its own all.
func (d *Draft) Unanswered(cfg *Config, connection string) ([]Field, error) {
	adapter := ""
	for _, c := range d.Systems(cfg) {
		if c.Key == connection {
			adapter = c.Adapter
		}
	}
	form, err := ReadForm(d.Schemas[adapter])
	if err != nil {
		return nil, err
	}
	like, a := cfg.accounts[d.Like].get("connections").get(connection), d.Of(connection)
	if like.node == nil {
		return slices.DeleteFunc(form.Fields, func(f Field) bool { return a.known(f.Name) }), nil
	}
	open, _ := form.partition(like.get("settings"), a)
	fields := slices.DeleteFunc(form.Fields, func(f Field) bool { return !open[f.Name] })
	for _, f := range fields {
		delete(open, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(open)) { // ids that the schema does not name
		fields = append(fields, Field{Name: name})
	}
	return fields, nil
}

// Incomplete reports whether settings of a connection that its adapter needs are
// open.
func (d *Draft) Incomplete(cfg *Config, connection string) (bool, error) {
	fields, err := d.Unanswered(cfg, connection)
	own := cfg.accounts[d.Like].get("connections").get(connection).node == nil
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Required || !own }), err
}
