package sdk

import (
	"context"
	"encoding/json"
)

// Finder finds records in an outside system, which settles what became of a
// create whose answer was lost.
type Finder interface {
	// Find answers each query, in their order. It reads what the system has at
	// the time of the call and keeps no answer for later calls.
	Find(ctx context.Context, req FindRequest) (FindResponse, error)
}

// FindRequest asks for records of one kind.
type FindRequest struct {
	Kind    Kind
	Queries []Query
}

// Query describes one record that is looked for: by its marker, or by values of
// fields. A connection answers those that its class names, and those by one field of
// [TargetKind].Finds.
type Query struct {
	// Marker is an [Operation].Marker; empty for a query by fields.
	Marker string
	// Fields are names and values of fields that all have to be equal, as the
	// outside system compares them.
	Fields map[string]string
	// Club bounds the search to one club of the outside system; empty is all.
	Club string
	// Limit is how many matches are wanted where there are more; 0 is two, which is
	// enough to know that it is not one.
	Limit int
}

// FindResponse answers a [FindRequest].
type FindResponse struct {
	// Matches are the records found for each query, in their order.
	Matches [][]Match
}

// Match is a record that was found.
type Match struct {
	// ID is the record's id in the outside system.
	ID string
	// Marker is the marker that the record carries; empty for none.
	Marker string
	// Club is the id of the record's club; may be empty.
	Club string
	// Data are the record's fields by the names that mapped records use, a JSON
	// object; nil where the system tells none.
	Data json.RawMessage
}

// Getter reads the present values of records.
type Getter interface {
	// Get returns the records that are there, as [Source] would read them, with
	// the fields' names as mapped records use them. A record that is gone is
	// missing in the page, which has no cursor.
	Get(ctx context.Context, req GetRequest) (*Page, error)
}

// GetRequest asks for records by their ids in the outside system.
type GetRequest struct {
	Kind Kind
	// IDs are at most [DefaultBatch].
	IDs []string
}
