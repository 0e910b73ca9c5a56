package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Client is one client of the business.
type Client struct {
	UID string `json:"uid"`
	// ExternalID is the id that the import gave, as text.
	ExternalID string `json:"external_id,omitempty"`
	// Fields are the values by field key; a value that is no string is kept as
	// JSON text.
	Fields map[string]string `json:"fields"`
	Tags   []string          `json:"tags,omitempty"`
	Source string            `json:"source,omitempty"`
	// Imports counts how many imports created or updated the client.
	Imports   int       `json:"imports,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// people is the business's client list.
type people struct {
	all     []*Client
	byEmail map[string]*Client
}

func newPeople(existing []Client, newID func() string) people {
	p := people{byEmail: make(map[string]*Client)}
	for _, c := range existing {
		c.Fields = maps.Clone(c.Fields)
		c.Tags = slices.Clone(c.Tags)
		if c.UID == "" {
			c.UID = newID()
		}
		p.add(&c)
	}
	return p
}

func (p *people) add(c *Client) {
	p.all = append(p.all, c)
	if key := emailKey(c.Fields["email"]); key != "" && p.byEmail[key] == nil {
		p.byEmail[key] = c
	}
}

// find matches by e-mail address, as the vendor's help centre says of existing
// contacts; a client without one matches nobody.
func (p *people) find(email string) *Client {
	key := emailKey(email)
	if key == "" {
		return nil
	}
	return p.byEmail[key]
}

func (p *people) list() []Client {
	out := make([]Client, 0, len(p.all))
	for _, c := range p.all {
		copied := *c
		copied.Fields = maps.Clone(c.Fields)
		copied.Tags = slices.Clone(c.Tags)
		out = append(out, copied)
	}
	sortClients(out)
	return out
}

func emailKey(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// received is a client as the app sent it, taken apart.
type received struct {
	externalID string
	values     map[string]string
}

// takeApart reads one client, keeping only the given fields. It returns false
// for anything that is not an object.
func takeApart(raw json.RawMessage, keep map[string]bool) (received, bool) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return received{}, false
	}
	r := received{values: make(map[string]string, len(object))}
	for key, value := range object {
		text, ok := plain(value)
		switch {
		case !ok:
		case key == "external_id":
			r.externalID = text
		case keep[key]:
			r.values[key] = text
		}
	}
	return r, true
}

// plain returns a JSON value as text; null has none.
func plain(value json.RawMessage) (string, bool) {
	if string(value) == "null" {
		return "", false
	}
	var text string
	if err := json.Unmarshal(value, &text); err == nil {
		return text, true
	}
	return string(value), true
}
