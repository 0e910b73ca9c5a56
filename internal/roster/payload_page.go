package roster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// PayloadPage packs source records as [Payload] returns them into a page, in
// their order: the columns are all their fields, in the order in which they are
// met, and the cells are of the kinds that they had. A record's position is not
// kept in a payload and is empty.
//
// Unreadable are the indexes of the payloads that are no such record; they are
// not on the page. The error wraps [sdk.ErrPage] where the others do not fit
// onto one page, by [sdk.MaxPageBytes] or [sdk.MaxColumns]; fewer of them may.
func PayloadPage(kind sdk.Kind, payloads [][]byte) (page *sdk.Page, unreadable []int, err error) {
	columns, index := []string{}, map[string]int{}
	records := make([]payloadRecord, 0, len(payloads))
	for i, payload := range payloads {
		record, err := parsePayload(payload)
		if err != nil {
			unreadable = append(unreadable, i)
			continue
		}
		for _, f := range record.fields {
			if _, ok := index[f.name]; !ok {
				index[f.name] = len(columns)
				columns = append(columns, f.name)
			}
		}
		records = append(records, record)
	}
	b := sdk.NewPageBuilder(kind, columns)
	cells := make([]json.RawMessage, len(columns))
	for _, record := range records {
		b.Add(record.id, record.club, "")
		clear(cells)
		for _, f := range record.fields {
			cells[index[f.name]] = f.value
		}
		for _, cell := range cells {
			if err := addCell(b, cell); err != nil {
				return nil, unreadable, err
			}
		}
		if b.Size() > sdk.MaxPageBytes {
			return nil, unreadable, fmt.Errorf("%w: the records have more than %d bytes", sdk.ErrPage, sdk.MaxPageBytes)
		}
	}
	page, err = b.Page(nil, true)
	return page, unreadable, err
}

// payloadRecord is a payload that was read.
type payloadRecord struct {
	id, club string
	fields   []payloadField
}

type payloadField struct {
	name  string
	value json.RawMessage
}

// maxPayload bounds one payload: a page's cells, each byte of them escaped, and
// the names of its columns.
const maxPayload = 8 * sdk.MaxPageBytes

// errPayload says that a payload is no record. It holds nothing of it.
var errPayload = errors.New("the payload is no record")

func parsePayload(payload []byte) (payloadRecord, error) {
	if len(payload) > maxPayload || !utf8.Valid(payload) || !json.Valid(payload) {
		return payloadRecord{}, errPayload
	}
	var whole struct {
		ID     *string         `json:"id"`
		Club   string          `json:"club"`
		Fields json.RawMessage `json:"fields"`
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&whole); err != nil || whole.ID == nil || *whole.ID == "" {
		return payloadRecord{}, errPayload
	}
	fields, err := parseFields(whole.Fields)
	return payloadRecord{id: *whole.ID, club: whole.Club, fields: fields}, err
}

// parseFields reads an object in the order in which it is written.
func parseFields(raw json.RawMessage) ([]payloadField, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, errPayload
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return nil, errPayload
	}
	var fields []payloadField
	seen := map[string]struct{}{}
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		_, twice := seen[name]
		if err != nil || !ok || name == "" || twice || len(fields) == sdk.MaxColumns {
			return nil, errPayload
		}
		seen[name] = struct{}{}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errPayload
		}
		fields = append(fields, payloadField{name: name, value: value})
	}
	return fields, nil
}

// addCell adds a value of JSON as the cell of its kind; nothing is an absent
// one.
func addCell(b *sdk.PageBuilder, value json.RawMessage) error {
	if len(value) == 0 {
		b.Absent()
		return nil
	}
	switch value[0] {
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return fmt.Errorf("%w: %w", sdk.ErrPage, err)
		}
		b.String(text)
	case 't', 'f':
		b.Bool(value[0] == 't')
	case 'n':
		b.Null()
	case '{', '[':
		b.JSON(value)
	default:
		b.Number(string(value))
	}
	return nil
}
