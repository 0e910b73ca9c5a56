package roster

import (
	"encoding/json"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Change is one entry of the change set of a sync, for a person to look at. It
// holds personal data: it is shown and nowhere kept, and never logged.
type Change struct {
	// Entry is its place in the run's change set, from 0. Places may be left out.
	Entry int      `json:"entry"`
	Op    sdk.Op   `json:"op"`
	Kind  sdk.Kind `json:"kind"`
	// Source and Target are the record's ids at the two ends; Target is empty for a
	// create.
	Source string `json:"source"`
	Target string `json:"target,omitempty"`
	// Club is the account's key of the record's club; may be empty.
	Club string `json:"club,omitempty"`
	// Position is where the record stands in the source; may be empty.
	Position string `json:"position,omitempty"`
	// Fields are the fields that change: of an update those that differ from what
	// was sent last, of a create all that it carries. "owner" and "lead_source"
	// stand for the references.
	Fields []string `json:"fields,omitempty"`
	// Owner and LeadSource are the source's ids of the record's staff member and
	// lead source; empty for none.
	Owner      string `json:"owner,omitempty"`
	LeadSource string `json:"lead_source,omitempty"`
	// Data is the mapped record, a JSON object; nil where nothing is sent of it.
	Data json.RawMessage `json:"data,omitempty"`
}
