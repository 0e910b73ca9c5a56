package export

import (
	"bytes"
	"encoding/json"

	"github.com/rosterd/rosterd/internal/roster"
)

// event is what the target tells of one page of an import: the webhook
// bulk_import/done. The vendor's reference shows ids as numbers and a session's
// id as text; both are taken as either, because its documents do not agree.
//
// An event is known by what it holds and not by its name: the vendor's stored
// and sent names differ, and the address it was sent to says what it is.
type event struct {
	// session is the target's id of the import, empty where it told none.
	session string
	// told are the clients by their external ids.
	told []told
	// known says that the event tells what became of clients.
	known bool
}

// told is what became of one client.
type told struct {
	id      string
	outcome roster.Outcome
}

// looseText is a JSON text or number, as it is written. Any other value is
// empty.
type looseText string

// UnmarshalJSON implements [json.Unmarshaler]. A number keeps its digits: ids
// are too long for a float.
func (t *looseText) UnmarshalJSON(raw []byte) error {
	*t = ""
	switch {
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(t))
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		*t = looseText(raw)
	}
	return nil
}

// eventTally counts and names clients; the counts say nothing that the names do
// not say better.
type eventTally struct {
	IDs []looseText `json:"external_ids"`
}

// UnmarshalJSON implements [json.Unmarshaler]: null and other forms are none.
func (e *event) UnmarshalJSON(raw []byte) error {
	var body struct {
		Data struct {
			Session looseText `json:"session_id"`
			Status  *struct {
				Created eventTally `json:"created"`
				Updated eventTally `json:"updated"`
				Skipped eventTally `json:"skipped"`
				Failed  eventTally `json:"failed"`
			} `json:"clients_import_status"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return err
	}
	status := body.Data.Status
	*e = event{session: string(body.Data.Session), known: status != nil}
	if status == nil {
		return nil
	}
	e.add(status.Created, roster.OutcomeCreated)
	e.add(status.Updated, roster.OutcomeUpdated)
	e.add(status.Skipped, roster.OutcomeKept)
	e.add(status.Failed, roster.OutcomeFailed)
	return nil
}

func (e *event) add(tally eventTally, outcome roster.Outcome) {
	for _, id := range tally.IDs {
		if id != "" {
			e.told = append(e.told, told{id: string(id), outcome: outcome})
		}
	}
}

// parseEvents reads the body of a webhook: one event or a list of them.
func parseEvents(body []byte) ([]event, bool) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, false
	}
	if body[0] == '[' {
		var events []event
		err := json.Unmarshal(body, &events)
		return events, err == nil
	}
	one := make([]event, 1)
	if body[0] != '{' || json.Unmarshal(body, &one[0]) != nil {
		return nil, false
	}
	return one, true
}
