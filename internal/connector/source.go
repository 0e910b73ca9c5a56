package connector

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// SourceStore reads what waits.
type SourceStore interface {
	InboundAfter(ctx context.Context, conn string, kind sdk.Kind, after uint64, limit int) ([]roster.Inbound, error)
}

// Source reads what was pushed to one endpoint, in the order of arrival. Its
// cursor is the place of the last record read. It serves concurrent calls.
type Source struct {
	Store    SourceStore
	Endpoint *Endpoint
}

var _ sdk.Source = (*Source)(nil)

// readBytes is after how many bytes a page ends.
const readBytes = sdk.MaxPageBytes / 2

// Read returns the page behind a cursor.
func (s *Source) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	after, err := ParseCursor(req.After)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeData, err)
	}
	found, err := s.Store.InboundAfter(ctx, s.Endpoint.Ref, req.Kind, after, req.Limit)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeInternal, err)
	}
	columns := s.Endpoint.Columns(req.Kind)
	b, done := sdk.NewPageBuilder(req.Kind, columns), len(found) < req.Limit
	for _, record := range found {
		if b.Size() > readBytes {
			done = false
			break
		}
		b.Add(record.ID, record.Club, "arrival "+strconv.FormatUint(record.Seq, 10))
		for _, name := range columns {
			addCell(b, record, name)
		}
		after = record.Seq
	}
	return b.Page(cursorOf(after), done)
}

func addCell(b *sdk.PageBuilder, record roster.Inbound, name string) {
	text, ok := record.Fields[name]
	switch {
	case name == FieldReceived:
		b.String(record.At.UTC().Format(time.RFC3339))
	case !ok:
		b.Absent()
	case text == nil:
		b.Null()
	case name == fieldActive:
		b.Bool(*text == "true")
	default:
		b.String(*text)
	}
}

func cursorOf(place uint64) sdk.Cursor { return strconv.AppendUint(nil, place, 10) }

// ParseCursor returns the place that a cursor of a [Source] stands behind, 0 for
// the beginning.
func ParseCursor(c sdk.Cursor) (uint64, error) {
	if len(c) == 0 {
		return 0, nil
	}
	place, err := strconv.ParseUint(string(c), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the cursor is not one of an inbound connection")
	}
	return place, nil
}
