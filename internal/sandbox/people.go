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
	// Matters are what an import of type multi brought.
	Matters []Matter `json:"matters,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Source  string   `json:"source,omitempty"`
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
		copied.Matters = cloneMatters(c.Matters)
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
	matters    []Matter
	// reason says why the client cannot be imported; empty if it can.
	reason string
}

// takeApart reads one client of an import, keeping only the fields that the
// import fills. first_name is mandatory. Matters are looked at in an import of
// type multi only.
func (p *puller) takeApart(raw json.RawMessage) received {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return received{reason: "not an object"}
	}
	r := received{values: make(map[string]string, len(object))}
	for key, value := range object {
		text, ok := plain(value)
		switch {
		case !ok:
		case key == "external_id":
			r.externalID = text
		case p.keep[key]:
			r.values[key] = text
		}
	}
	if p.im.Params.UploadType == "multi" {
		r.matters, r.reason = p.s.takeMatters(object[p.s.opts.Matters.Key])
	}
	if blank(r.values["first_name"]) {
		r.reason = "First name can't be blank"
	}
	return r
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
