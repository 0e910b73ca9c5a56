package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
)

// Draft is an account that is to be written down for the first time.
type Draft struct {
	// ID is the account's key. The other values are written as they are: whether
	// they can be meant is found out when the file is read.
	ID, Name, Country, Timezone string
	Clubs                       []DraftClub
	Connections                 []DraftConnection
	// Answers are what is known of connections, by their keys.
	Answers map[string]*Answers
	// Like is the key of an account whose connections and jobs are taken over
	// beside Connections; empty for none.
	Like string
	// Schemas are the JSON Schemas of the settings of every adapter of a
	// connection, by the adapter's name.
	Schemas map[string]json.RawMessage
	// SecretsDir is the folder of the files of secrets, as the account's file names
	// it.
	SecretsDir string

	// jobs are those of a file of answers.
	jobs value
}

// DraftClub is a location of a [Draft]. Country and Timezone are empty where they
// are the account's.
type DraftClub struct{ Key, Name, Country, Timezone string }

// DraftConnection is a system of a [Draft].
type DraftConnection struct{ Key, Adapter string }

// Systems are all connections that the account will have: those of the account that
// it is like, and its own.
func (d *Draft) Systems(cfg *Config) []DraftConnection {
	var all []DraftConnection
	for key, v := range cfg.accounts[d.Like].get("connections").entries() {
		all = append(all, DraftConnection{Key: key, Adapter: v.get("adapter").textOr("")})
	}
	return append(all, d.Connections...)
}

// Drafted is a [Draft] as it is written down.
type Drafted struct {
	Text []byte
	// Open is what has to be filled in.
	Open []Open
	// Secrets are the files of secrets that the text names.
	Secrets []DraftSecret
}

// DraftSecret is the file of a secret.
type DraftSecret struct {
	// Place is the path of the setting below the account.
	Place string
	// Name is the file's name in [Draft].SecretsDir.
	Name  string
	Value roster.Secret
}

// Open is something that a person has to fill in: a line of the file that is a
// comment until then.
type Open struct {
	// Place is the path of the key below the account, such as
	// connections.gym.settings.path.
	Place string `json:"place"`
	Line  int    `json:"line"`
	// What says what belongs there.
	What string `json:"what,omitempty"`
}

// Write returns the account as a file of its own, with what is open in it. All that
// is open is a comment, and jobs that are taken over are manual: the file can be read
// as it is, and starts nothing. Of the account that it is like, the ids in the systems,
// the settings that their adapters require, and whatever holds a secret are open,
// unless there are answers.
func (d *Draft) Write(cfg *Config) (Drafted, error) {
	w := &draftWriter{Draft: *d}
	w.line(0, "# Lines with # in front of a key are to be filled in: take the # away. Then")
	w.line(0, "# rosterd validate  checks them, and  rosterd reload  has the daemon take them over.")
	w.line(0, "accounts:")
	w.line(1, d.ID+":")
	w.line(2, "name: "+scalar(d.Name))
	w.line(2, "country: "+scalar(d.Country)+"  # the region of phone numbers that are written without one")
	w.line(2, "timezone: "+scalar(d.Timezone)+"  # the zone of schedules and dates")
	if len(d.Clubs) > 0 {
		w.line(2, "clubs:")
	}
	for _, club := range d.Clubs {
		w.line(3, club.Key+": {"+club.keys()+"}")
	}
	like := cfg.accounts[d.Like]
	if err := w.connections(cfg, like.get("connections")); err != nil {
		return Drafted{}, err
	}
	if err := w.jobs(like.get("jobs")); err != nil {
		return Drafted{}, err
	}
	return Drafted{Text: w.text.Bytes(), Open: w.open, Secrets: w.secrets}, nil
}

func (c DraftClub) keys() string {
	keys := "name: " + scalar(c.Name)
	if c.Country != "" {
		keys += ", country: " + scalar(c.Country)
	}
	if c.Timezone != "" {
		keys += ", timezone: " + scalar(c.Timezone)
	}
	return keys
}

// draftWriter writes a draft line by line.
type draftWriter struct {
	Draft
	text    bytes.Buffer
	lines   int
	open    []Open
	secrets []DraftSecret
}

func (w *draftWriter) line(depth int, text string) {
	fmt.Fprintf(&w.text, "%s%s\n", strings.Repeat("  ", depth), text)
	w.lines++
}

// leave writes a line that is to be filled in.
func (w *draftWriter) leave(depth int, place, text, what string) {
	line := "#" + text
	if what = oneLine(what); what != "" {
		line += "  # " + what
	}
	w.line(depth, line)
	w.open = append(w.open, Open{Place: place, Line: w.lines, What: what})
}

func (w *draftWriter) connections(cfg *Config, like value) error {
	systems := w.Systems(cfg)
	if len(systems) == 0 {
		return nil
	}
	w.line(2, "connections:")
	for _, c := range systems {
		if err := w.connection(c.Key, c.Adapter, like.get(c.Key)); err != nil {
			return err
		}
	}
	return nil
}

// connection writes one system, with what is known of it and what can be taken over
// from like.
func (w *draftWriter) connection(key, adapter string, like value) error {
	place, a := "connections."+key, w.Of(key)
	w.line(3, key+":")
	w.line(4, "adapter: "+scalar(adapter))
	for name, v := range like.entries() {
		switch name {
		case "adapter", "clubs", "client_id", "settings":
			continue
		}
		if _, own := a.more[name]; own {
			continue
		}
		if err := w.copied(4, name, v); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.more)) {
		if err := w.copied(4, name, a.more[name]); err != nil {
			return err
		}
	}
	switch {
	case a.ClientID != "":
		w.line(4, "client_id: "+scalar(a.ClientID))
	case like.get("client_id").node != nil:
		w.leave(4, place+".client_id", "client_id:", "the account's id in that system")
	}
	w.clubs(place, a)
	return w.settings(key, adapter, like.get("settings"))
}

// clubs writes the ids of the clubs in a system.
func (w *draftWriter) clubs(place string, a *Answers) {
	if len(w.Clubs) == 0 && len(a.Clubs) == 0 {
		return
	}
	if len(a.Clubs) == 0 {
		ids := make([]string, len(w.Clubs))
		for i, club := range w.Clubs {
			ids[i] = club.Key + `: ""`
		}
		w.leave(4, place+".clubs", "clubs: {"+strings.Join(ids, ", ")+"}", "each club's id in that system")
		return
	}
	w.line(4, "clubs:")
	listed := map[string]bool{}
	for _, club := range w.Clubs {
		listed[club.Key] = true
		if id := a.Clubs[club.Key]; id != "" {
			w.line(5, club.Key+": "+scalar(id))
			continue
		}
		w.leave(5, place+".clubs."+club.Key, club.Key+":", "the club's id in that system")
	}
	for _, key := range slices.Sorted(maps.Keys(a.Clubs)) { // told to be no club when the file is read
		if !listed[key] {
			w.line(5, scalar(key)+": "+scalar(a.Clubs[key]))
		}
	}
}

// partition says which settings are left open: what the schema requires, what holds
// a secret, and ids. The others of like are kept. What is answered is neither.
func (f Form) partition(like value, a *Answers) (open map[string]bool, kept []string) {
	open = map[string]bool{}
	secret := map[string]bool{}
	for _, field := range f.Fields {
		secret[field.Name] = field.Secret
		if field.Required && !a.known(field.Name) {
			open[field.Name] = true
		}
	}
	for name, v := range like.entries() {
		if a.known(name) {
			continue
		}
		if secret[name] || holdsReference(v) || idName.MatchString(name) {
			open[name] = true
		}
		if !open[name] {
			kept = append(kept, name)
		}
	}
	return open, kept
}

// answered are the settings with answers, in the order of the form.
func (f Form) answered(a *Answers) []string {
	var names []string
	for _, field := range f.Fields {
		if a.known(field.Name) {
			names = append(names, field.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Settings)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// settings writes what is known, what is taken over of the settings of like, and
// what is left open.
func (w *draftWriter) settings(key, adapter string, like value) error {
	form, err := ReadForm(w.Schemas[adapter])
	if err != nil {
		return fmt.Errorf("adapter %s: %w", adapter, err)
	}
	a := w.Of(key)
	open, kept := form.partition(like, a)
	answered := form.answered(a)
	switch {
	case len(kept)+len(answered) > 0:
		w.line(4, "settings:")
	case len(open) > 0:
		w.line(4, "#settings:")
	}
	for _, name := range kept {
		if err := w.copied(5, name, like.get(name)); err != nil {
			return err
		}
	}
	for _, name := range answered {
		if err := w.answer(key, name, a); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		text := scalar(name) + ":"
		field, _ := form.Field(name) // one that the schema does not have is described by nothing
		if field.Secret || holdsReference(like.get(name)) {
			text += " {credential: " + w.secretName(key, name) + "}"
		}
		w.leave(5, "connections."+key+".settings."+name, text, field.Description)
	}
	return nil
}

// answer writes a setting that is known; a secret as a reference to its file.
func (w *draftWriter) answer(key, name string, a *Answers) error {
	secret, ok := a.Secrets[name]
	if !ok {
		return w.copied(5, name, value{node: a.Settings[name].node})
	}
	file := w.secretName(key, name)
	w.line(5, scalar(name)+": {file: "+scalar(w.SecretsDir+"/"+file)+"}")
	w.secrets = append(w.secrets, DraftSecret{Place: "connections." + key + ".settings." + name, Name: file, Value: secret})
	return nil
}

// secretName is what a secret is called where it is kept.
func (w *draftWriter) secretName(key, name string) string {
	return w.ID + "-" + key + "-" + credentialUnsafe.ReplaceAllString(name, "_")
}

// jobs writes those of the answers, and takes over others, but for the schedules:
// nothing starts by itself before a person has looked at it.
func (w *draftWriter) jobs(like value) error {
	if !like.is(yaml.MappingNode) && !w.Draft.jobs.is(yaml.MappingNode) {
		return nil
	}
	w.line(2, "jobs:")
	for key, job := range w.Draft.jobs.entries() {
		w.line(3, key+":")
		for name, v := range job.entries() {
			if err := w.copied(4, name, v); err != nil {
				return err
			}
		}
	}
	for key, job := range like.entries() {
		if w.Draft.jobs.get(key).node != nil {
			continue
		}
		w.line(3, key+":")
		for name, v := range job.entries() {
			if name == "schedule" || name == "sweep" {
				text, _ := v.text()
				w.leave(4, "jobs."+key+"."+name, name+": "+scalar(text), "as "+w.Like+" has it; manual until then")
				continue
			}
			if err := w.copied(4, name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// copied writes a key with the value that stands elsewhere.
func (w *draftWriter) copied(depth int, name string, v value) error {
	if text, ok := v.text(); ok && v.node.ShortTag() == "!!str" {
		w.line(depth, scalar(name)+": "+scalar(text))
		return nil
	}
	text, err := json.Marshal(plain(v))
	if err != nil {
		return fmt.Errorf("write %s of account %s: %w", name, w.ID, err)
	}
	w.line(depth, scalar(name)+": "+string(text))
	return nil
}

var (
	// idName is the form of the names of settings that hold an id of the account.
	idName = regexp.MustCompile(`(^|_)u?id$`)
	// plainText is the form of texts that YAML reads as texts without quotes, but
	// for its words.
	plainText        = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/-]*(\.[a-z]+)?$`)
	yamlWord         = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
	credentialUnsafe = regexp.MustCompile(`[^A-Za-z0-9_.-]`)
)

// scalar writes a text so that YAML reads it as that: a string of JSON is one of
// YAML.
func scalar(text string) string {
	if plainText.MatchString(text) && !yamlWord.MatchString(text) {
		return text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// oneLine makes a comment of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// holdsReference reports whether a reference to a secret stands in a value.
func holdsReference(v value) bool {
	if isReference(v) {
		return true
	}
	for _, entry := range v.entries() {
		if holdsReference(entry) {
			return true
		}
	}
	return slices.ContainsFunc(v.items(), holdsReference)
}
