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
)

// Draft is an account that is to be written down for the first time.
type Draft struct {
	// ID is the account's key. The other values are written as they are: whether
	// they can be meant is found out when the file is read.
	ID, Name, Country, Timezone string
	Clubs                       []DraftClub
	Connections                 []DraftConnection
	// Like is the key of an account whose connections and jobs are taken over
	// beside Connections; empty for none.
	Like string
	// Schemas are the JSON Schemas of the settings of every adapter of a
	// connection, by the adapter's name.
	Schemas map[string]json.RawMessage
}

// DraftClub is a location of a [Draft].
type DraftClub struct{ Key, Name string }

// DraftConnection is a system of a [Draft].
type DraftConnection struct{ Key, Adapter string }

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

// Write returns the account as a file of its own, and what is open in it. All that
// is open is a comment, and its jobs are manual: the file can be read as it is, and
// starts nothing. Of the account that it is like, the ids in the systems, the settings
// that their adapters require, and whatever holds a secret are open.
func (d Draft) Write(cfg *Config) ([]byte, []Open, error) {
	w := &draftWriter{Draft: d}
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
		w.line(3, club.Key+": {name: "+scalar(club.Name)+"}")
	}
	like := cfg.accounts[d.Like]
	if err := w.connections(like.get("connections")); err != nil {
		return nil, nil, err
	}
	if err := w.jobs(like.get("jobs")); err != nil {
		return nil, nil, err
	}
	return w.text.Bytes(), w.open, nil
}

// draftWriter writes a draft line by line.
type draftWriter struct {
	Draft
	text  bytes.Buffer
	lines int
	open  []Open
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

func (w *draftWriter) connections(like value) error {
	if len(w.Connections) == 0 && !like.is(yaml.MappingNode) {
		return nil
	}
	w.line(2, "connections:")
	for key, v := range like.entries() {
		if err := w.connection(key, v.get("adapter").textOr(""), v); err != nil {
			return err
		}
	}
	for _, c := range w.Connections {
		if err := w.connection(c.Key, c.Adapter, value{}); err != nil {
			return err
		}
	}
	return nil
}

// connection writes one system, with what can be taken over from like.
func (w *draftWriter) connection(key, adapter string, like value) error {
	place := "connections." + key
	w.line(3, key+":")
	w.line(4, "adapter: "+scalar(adapter))
	for name, v := range like.entries() {
		switch name {
		case "adapter", "clubs", "client_id", "settings":
			continue
		}
		if err := w.copied(4, name, v); err != nil {
			return err
		}
	}
	if like.get("client_id").node != nil {
		w.leave(4, place+".client_id", "client_id:", "the account's id in that system")
	}
	if len(w.Clubs) > 0 {
		ids := make([]string, len(w.Clubs))
		for i, club := range w.Clubs {
			ids[i] = club.Key + `: ""`
		}
		w.leave(4, place+".clubs", "clubs: {"+strings.Join(ids, ", ")+"}", "each club's id in that system")
	}
	return w.settings(key, adapter, like.get("settings"))
}

// draftSchema is the part of the schema of an adapter's settings that says what
// has to be filled in.
type draftSchema struct {
	Required   []string `json:"required"`
	Properties map[string]struct {
		Description string `json:"description"`
		WriteOnly   bool   `json:"writeOnly"`
	} `json:"properties"`
}

// split says which settings are left open: what the schema requires, what holds a
// secret, and ids. The others of like are kept.
func (s draftSchema) split(like value) (open map[string]bool, kept []string) {
	open = map[string]bool{}
	for _, name := range s.Required {
		open[name] = true
	}
	for name, v := range like.entries() {
		if s.Properties[name].WriteOnly || holdsReference(v) || idName.MatchString(name) {
			open[name] = true
		}
		if !open[name] {
			kept = append(kept, name)
		}
	}
	return open, kept
}

// settings writes what is taken over of the settings of like, and what is left open.
func (w *draftWriter) settings(key, adapter string, like value) error {
	var schema draftSchema
	if raw := w.Schemas[adapter]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &schema); err != nil {
			return fmt.Errorf("read the settings of adapter %s: %w", adapter, err)
		}
	}
	open, kept := schema.split(like)
	switch {
	case len(kept) > 0:
		w.line(4, "settings:")
	case len(open) > 0:
		w.line(4, "#settings:")
	}
	for _, name := range kept {
		if err := w.copied(5, name, like.get(name)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		text := scalar(name) + ":"
		if p := schema.Properties[name]; p.WriteOnly || holdsReference(like.get(name)) {
			text += " {credential: " + w.ID + "-" + key + "-" + credentialUnsafe.ReplaceAllString(name, "_") + "}"
		}
		w.leave(5, "connections."+key+".settings."+name, text, schema.Properties[name].Description)
	}
	return nil
}

// jobs takes over jobs, but for the schedules: nothing starts by itself before a
// person has looked at it.
func (w *draftWriter) jobs(like value) error {
	if !like.is(yaml.MappingNode) {
		return nil
	}
	w.line(2, "jobs:")
	for key, job := range like.entries() {
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

// copied writes a key with the value that another account has.
func (w *draftWriter) copied(depth int, name string, v value) error {
	if text, ok := v.text(); ok && v.node.ShortTag() == "!!str" {
		w.line(depth, scalar(name)+": "+scalar(text))
		return nil
	}
	var plain any
	if err := v.node.Decode(&plain); err != nil {
		return fmt.Errorf("read %s of account %s: %w", name, w.Like, err)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return fmt.Errorf("write %s of account %s: %w", name, w.Like, err)
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
