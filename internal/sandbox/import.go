package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Import is what the simulated inTandem knows about one import session.
type Import struct {
	// SessionID is the session's id, also where the answer did not tell it.
	SessionID string `json:"session_id"`
	// Fields is fields_mapping: the display name by field key.
	Fields map[string]string `json:"fields_mapping"`
	Params Params            `json:"import_params"`
	// Ignored are the keys of Fields that the business does not have.
	Ignored []string `json:"ignored_fields,omitempty"`
	// Pages are the pages in the order in which they were asked for, the last
	// one (-1) included.
	Pages []Page `json:"pages"`
	// Clients are the clients as they were received, in order.
	Clients []json.RawMessage `json:"-"`
	// Received counts Clients. It is the sum of the four counts below it.
	Received int `json:"received"`
	Created  int `json:"created"`
	Updated  int `json:"updated"`
	Skipped  int `json:"skipped"`
	Failed   int `json:"failed"`
	// Failures say why clients were refused.
	Failures []Failure `json:"failures,omitempty"`
	// Completed says that page -1 was answered with 200.
	Completed bool `json:"completed"`
	// Ended says that nothing more will be asked for; without Completed, Error
	// says why.
	Ended bool   `json:"ended"`
	Error string `json:"error,omitempty"`
	// Undelivered counts events that no subscriber took.
	Undelivered int       `json:"undelivered_events,omitempty"`
	Begun       time.Time `json:"begun"`
	EndedAt     time.Time `json:"ended_at,omitzero"`

	tag    string
	number int
}

// Params are the import_params of an announcement.
type Params struct {
	ShouldOverride bool   `json:"should_override"`
	UploadType     string `json:"upload_type"`
	// SendNotifications is true unless the announcement says otherwise.
	SendNotifications bool `json:"send_notifications_when_done"`
}

// Page is one page as it was asked for.
type Page struct {
	// Number is the page's number, -1 for the end of the session.
	Number int `json:"page"`
	// Requests counts how often it was asked for, Broken how often the
	// connection was dropped on purpose, Retries how often the app was down.
	Requests int `json:"requests"`
	Broken   int `json:"broken,omitempty"`
	Retries  int `json:"retries,omitempty"`
	// Differs says that a repeated request got other bytes.
	Differs bool `json:"differs,omitempty"`
	// Clients and Bytes measure the answer; SHA256 is of its bytes, in hex.
	Clients int    `json:"clients"`
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
	// The external ids by what came of them; a client without one is counted
	// only.
	Created Tally `json:"created"`
	Updated Tally `json:"updated"`
	Skipped Tally `json:"skipped"`
	Failed  Tally `json:"failed"`
}

// Tally counts clients and names those that have an external id.
type Tally struct {
	Count       int      `json:"count"`
	ExternalIDs []string `json:"external_ids"`
}

func (t *Tally) add(externalID string) {
	t.Count++
	if externalID != "" {
		t.ExternalIDs = append(t.ExternalIDs, externalID)
	}
}

// Failure is a client that was refused.
type Failure struct {
	Page       int    `json:"page"`
	Index      int    `json:"index"`
	ExternalID string `json:"external_id,omitempty"`
	Reason     string `json:"reason"`
}

// clone copies what a later step of the import may change. Pages that are over
// are not changed.
func (im *Import) clone() Import {
	c := *im
	c.Fields = maps.Clone(im.Fields)
	c.Ignored = slices.Clone(im.Ignored)
	c.Pages = slices.Clone(im.Pages)
	c.Clients = slices.Clone(im.Clients)
	c.Failures = slices.Clone(im.Failures)
	return c
}
