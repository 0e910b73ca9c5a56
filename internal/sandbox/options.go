package sandbox

import (
	"log/slog"
	"net/http"
	"time"
)

// Options configure an [InTandem]. The zero value of each field is usable.
type Options struct {
	// Token is the bearer token that calls must carry; empty accepts any.
	Token string
	// AppCodeName is the app that is installed for the business; empty accepts
	// any.
	AppCodeName string
	// AppName becomes the source of imported clients; the code name if empty.
	AppName string
	// BusinessUID and StaffUID go with every request for a page.
	BusinessUID string
	StaffUID    string
	// APIURI is the app's address; "/app/clients/export" is appended to it. It
	// can be set later with [InTandem.SetAPIURI].
	APIURI string
	// PerPage is how many clients a page has; 100 if 0.
	PerPage int
	// MaxClients is how many clients a session may have; 50,000 if 0 (seed
	// document, "Notes and limitations").
	MaxClients int
	// Pull is how pages are asked for.
	Pull PullOptions
	// Answer is how the announcement of an import is answered;
	// [AnswerSessionID] if empty.
	Answer ImportAnswer
	// Fields is the shape in which the business's fields are listed.
	Fields FieldsShape
	// CustomFields are the fields that the business added.
	CustomFields []Field
	// CustomKey is how an import names a custom field; [CustomAny] if empty.
	CustomKey CustomKey
	// Matters is how a client of an import of type multi holds its matters.
	Matters MatterKeys
	// Existing are clients that the business has from the start.
	Existing []Client
	// Events is how the outcome of an import is told.
	Events EventOptions
	// Seed makes ids and chances the same in each run.
	Seed uint64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// NewID makes the ids of sessions and clients; nil derives them from Seed.
	NewID func() string
	// Transport carries the requests for pages and the events; nil is one that
	// makes a connection for each.
	Transport http.RoundTripper
	// Logger tells what happens, without personal data; nil is silence.
	Logger *slog.Logger
}

// PullOptions say how pages are asked for.
type PullOptions struct {
	// First asks for page 1 before the announcement is answered, as a fast
	// queue may.
	First bool
	// Pause is waited between two pages.
	Pause time.Duration
	// RepeatEvery asks for each n-th page twice and compares the bytes; 0 is
	// never.
	RepeatEvery int
	// RepeatChance, from 0 to 1, asks for a page twice by chance.
	RepeatChance float64
	// BreakEvery drops the connection in the middle of each n-th page and
	// asks again; 0 is never.
	BreakEvery int
	// RetryFor is how long is waited in all between the tries of one page while
	// the app is down or answers 5xx or 429; 30 seconds if 0.
	RetryFor time.Duration
	// RetryDelay is the first wait between two tries, doubled up to one
	// second; 50 milliseconds if 0.
	RetryDelay time.Duration
	// Timeout bounds one request; 30 seconds if 0.
	Timeout time.Duration
}

// ImportAnswer is how the announcement of an import is answered.
type ImportAnswer string

// The ways to answer an announcement. "Executed" means that the pages are
// pulled although the answer does not say so.
const (
	// AnswerSessionID: 201 with a session_id that is a string.
	AnswerSessionID ImportAnswer = "session_id"
	// AnswerSessionNumber: 201 with a session_id that is a number.
	AnswerSessionNumber ImportAnswer = "session_number"
	// AnswerNull: 200 with data null, as older versions of the guide have it.
	AnswerNull ImportAnswer = "null"
	// AnswerNotInstalled: 422, the app is not installed for the business.
	AnswerNotInstalled ImportAnswer = "not_installed"
	// AnswerWrongType: 422, the app is not of the type import_clients.
	AnswerWrongType ImportAnswer = "wrong_type"
	// AnswerTooMany: 429, too many requests.
	AnswerTooMany ImportAnswer = "too_many"
	// AnswerErrorBefore: 500, not executed.
	AnswerErrorBefore ImportAnswer = "error_before"
	// AnswerErrorAfter: 500, executed.
	AnswerErrorAfter ImportAnswer = "error_after"
	// AnswerBadToken: 401 as for a token that is not valid.
	AnswerBadToken ImportAnswer = "bad_token"
	// AnswerWrongToken: 401 as for a valid token of the wrong type or business.
	AnswerWrongToken ImportAnswer = "wrong_token"
	// AnswerWrongDirectory: 401 as for a token of another directory.
	AnswerWrongDirectory ImportAnswer = "wrong_directory"
	// AnswerHang: no answer until the caller gives up, not executed.
	AnswerHang ImportAnswer = "hang"
	// AnswerDropBefore: the connection breaks, not executed.
	AnswerDropBefore ImportAnswer = "drop_before"
	// AnswerDropAfter: the connection breaks, executed.
	AnswerDropAfter ImportAnswer = "drop_after"
)

// ImportAnswers lists every [ImportAnswer].
func ImportAnswers() []ImportAnswer {
	return []ImportAnswer{
		AnswerSessionID, AnswerSessionNumber, AnswerNull, AnswerNotInstalled, AnswerWrongType, AnswerTooMany,
		AnswerErrorBefore, AnswerErrorAfter, AnswerBadToken, AnswerWrongToken, AnswerWrongDirectory,
		AnswerHang, AnswerDropBefore, AnswerDropAfter,
	}
}

// FieldsShape is the shape in which fields are listed: the vendor's
// specification changed it.
type FieldsShape string

// The shapes.
const (
	// FieldsNew: {"status":"OK","data":{"fields":[...]}}. It is the default.
	FieldsNew FieldsShape = "new"
	// FieldsOld: {"status":"OK","data":[...]}.
	FieldsOld FieldsShape = "old"
)

// CustomKey is how an import names a custom field, which the documents do not
// say.
type CustomKey string

// The ways to name a custom field.
const (
	CustomAny   CustomKey = "any"
	CustomLabel CustomKey = "label"
	CustomID    CustomKey = "id"
)

// MatterKeys are the JSON keys of matters, which the documents do not name.
type MatterKeys struct {
	// Key holds the list of a client's matters; "matters" if empty.
	Key string
	// Name holds a matter's name; "name" if empty.
	Name string
}

// EventOptions say how bulk_import/done is told to the subscribers.
type EventOptions struct {
	// Array wraps each event in an array of one.
	Array bool
	// NumberIDs writes external ids that are digits as numbers.
	NumberIDs bool
	// RepeatEvery sends each n-th event twice; 0 is never.
	RepeatEvery int
	// Shuffle keeps all events until the import ends and sends them in an
	// order made from the seed.
	Shuffle bool
	// NoSessionID leaves the session's id out.
	NoSessionID bool
}

const (
	defaultPerPage    = 100
	defaultMaxClients = 50_000
	defaultRetryFor   = 30 * time.Second
	defaultRetryDelay = 50 * time.Millisecond
	maxRetryDelay     = time.Second
	defaultTimeout    = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.AppName == "" {
		o.AppName = o.AppCodeName
	}
	if o.PerPage <= 0 {
		o.PerPage = defaultPerPage
	}
	if o.MaxClients <= 0 {
		o.MaxClients = defaultMaxClients
	}
	if o.Pull.RetryFor <= 0 {
		o.Pull.RetryFor = defaultRetryFor
	}
	if o.Pull.RetryDelay <= 0 {
		o.Pull.RetryDelay = defaultRetryDelay
	}
	if o.Pull.Timeout <= 0 {
		o.Pull.Timeout = defaultTimeout
	}
	if o.Answer == "" {
		o.Answer = AnswerSessionID
	}
	if o.Fields == "" {
		o.Fields = FieldsNew
	}
	if o.CustomKey == "" {
		o.CustomKey = CustomAny
	}
	if o.Matters.Key == "" {
		o.Matters.Key = "matters"
	}
	if o.Matters.Name == "" {
		o.Matters.Name = "name"
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a clock that can be passed in
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
