package mapping

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// RecordPage makes a page of one source record as a person has it: as in.json of a
// case, or as the quarantine shows it. The kind is that of a record which names none.
func RecordPage(kind sdk.Kind, raw []byte) (*sdk.Page, error) {
	var kept struct {
		ID     *string                    `json:"id"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if json.Unmarshal(raw, &kept) == nil && kept.ID != nil && kept.Fields != nil {
		page, unreadable, err := roster.PayloadPage(kind, [][]byte{raw})
		if err == nil && len(unreadable) > 0 {
			err = errors.New("it is no record")
		}
		return page, err
	}
	page, err := casePage(kind, raw)
	if err != nil {
		return nil, fmt.Errorf("it is written as in.json of a case, {\"@id\": \"1\", \"first\": \"Ann\"}, or as `rosterd quarantine show` prints it: %w", err)
	}
	return page, nil
}
