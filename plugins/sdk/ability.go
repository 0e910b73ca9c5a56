package sdk

import (
	"context"
	"time"
)

// Cursor is how far a source has been read. It is understood only by the
// adapter that made it; nil is the beginning. At most [MaxCursorBytes] long,
// and free of personal data: it is stored in clear.
type Cursor []byte

// MaxCursorBytes bounds a [Cursor].
const MaxCursorBytes = 4 << 10

// Source reads records.
type Source interface {
	// Read returns the page behind req.After. The same request may be made
	// again, also by a later process, and then returns the same records or
	// fresher ones. It returns at most req.Limit records; a page without
	// records still has a cursor.
	//
	// A record that cannot be read goes into the page's Rejected and does not
	// end the call. [Retry] asks for the call to be made again later; any other
	// error ends the run.
	Read(ctx context.Context, req ReadRequest) (*Page, error)
}

// ReadRequest asks for one page.
type ReadRequest struct {
	Kind Kind
	// After is the cursor behind which to read, nil for the beginning.
	After Cursor
	// Limit is the largest number of records wanted, at least 1.
	Limit int
}

// ImportStarter announces client imports to a system that then pulls the
// clients from rosterd (the vendor's "Client Import" app type).
type ImportStarter interface {
	// ImportIdentity says on whose behalf imports run, from the settings.
	ImportIdentity(ctx context.Context) (ImportIdentity, error)
	// StartImport announces one import, sending exactly once: it is never
	// repeated by a transport. What came of it is in the response's Outcome;
	// an error means the same as [OutcomeUnknown].
	StartImport(ctx context.Context, req StartImportRequest) (StartImportResponse, error)
}

// ImportIdentity is how the pulling system will identify itself.
type ImportIdentity struct {
	// BusinessUID is the business whose clients are imported.
	BusinessUID string
	// StaffUID is the staff member on whose behalf the import runs. Empty when
	// it is not configured: the first one seen is then taken.
	StaffUID string
	// Matters says how the clients of an import of type multi hold theirs.
	Matters MatterForm
}

// MatterForm is the JSON form of clients with several matters. The vendor
// documents the import type but not its form, so a connection's settings may
// change it.
type MatterForm struct {
	// Key is the member of a client that holds the list of its matters; empty
	// is "matters".
	Key string
	// Name is the member of a matter that holds its name; empty is "name".
	Name string
	// Declared says that the fields of matters are announced like those of
	// clients.
	Declared bool
}

// StartImportRequest announces an import.
type StartImportRequest struct {
	// Fields are the fields that the clients will carry, in order.
	Fields []ImportField
	// Override says whether clients that exist there are overwritten.
	Override bool
	// Upload is the structure of the clients: "single" or "multi".
	Upload string
	// Notify says whether the system tells the staff member when it is done.
	Notify bool
}

// ImportField is one field of an import, by its key and the label that the
// business gave it.
type ImportField struct {
	Key   string
	Label string
}

// Outcome is what became of a call that creates something.
type Outcome string

// The outcomes.
const (
	// OutcomeOK: done, and the answer was read whole.
	OutcomeOK Outcome = "ok"
	// OutcomeRefused: proven not done.
	OutcomeRefused Outcome = "refused"
	// OutcomeUnknown: neither is proven.
	OutcomeUnknown Outcome = "unknown"
)

// StartImportResponse is the answer to a [StartImportRequest].
type StartImportResponse struct {
	Outcome Outcome
	// SessionID is the system's own id of the import, if it gave one.
	SessionID string
	// Code says why an import was refused ([CodeConfig], [CodeAuth], ...).
	Code Code
	// Detail is the system's answer in words a person can act on, without
	// personal data.
	Detail string
}

// OutcomeSubscriber asks a system that pulls imports to tell rosterd what became
// of each client (the vendor's "bulk_import/done" webhook).
type OutcomeSubscriber interface {
	// SubscribeOutcomes asks for events to req.TargetURL. A subscription that is
	// there already is no error. The events go to rosterd itself: the adapter
	// sees none of them.
	SubscribeOutcomes(ctx context.Context, req SubscribeOutcomesRequest) error
}

// SubscribeOutcomesRequest asks for events.
type SubscribeOutcomesRequest struct {
	// TargetURL is where the system sends the events. It holds a secret and must
	// not be logged or stand in an error.
	TargetURL string
}

// FieldLister lists the fields that a system's records can carry.
type FieldLister interface {
	// ListFields returns the fields of the connection's business.
	ListFields(ctx context.Context) ([]Field, error)
}

// Field is one field of an outside system.
type Field struct {
	// Key is the name that a mapped record uses for the field.
	Key string
	// Label is what the business calls it.
	Label string
	// Type is the system's own word for the field's type.
	Type string
	// Custom says that the business added the field.
	Custom bool
	// Kind is the kind of record that has the field; empty for all that the
	// connection has.
	Kind Kind
	// Required says that a record without it is refused.
	Required bool
	// MaxLength is the largest number of characters; 0 is no bound, or not known.
	MaxLength int
}

// QuotaTeller tells how much is left of the limits of requests that a connection
// keeps.
type QuotaTeller interface {
	// Quotas returns each limit with what is left of it at this moment. It calls
	// nobody and waits for nothing.
	Quotas(ctx context.Context) ([]Quota, error)
}

// Quota is how many requests may be made within a time.
type Quota struct {
	// Span is that time, such as a day.
	Span time.Duration
	// Limit is how many requests may be made within Span, and Left how many of them
	// were not.
	Limit, Left int
}

// Checker tests a connection without changing anything.
type Checker interface {
	// Check calls the outside system and returns nil when the connection's
	// settings work.
	Check(ctx context.Context) error
}
