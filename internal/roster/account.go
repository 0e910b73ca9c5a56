package roster

import (
	"encoding/json"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Account is one customer of the operator: a chain or a business.
type Account struct {
	// ID is the account's key in the configuration.
	ID string
	// Name is the account's name for people.
	Name string
	// Country is an ISO 3166-1 alpha-2 code: the region of phone numbers that
	// are written without one.
	Country string
	// Timezone is the account's IANA zone.
	Timezone string
	// Clubs are the account's locations by their key. An account without any
	// has exactly one location, which needs no key.
	Clubs map[string]Club
	// Connections are the configured systems by their key.
	Connections map[string]Connection
}

// Club is one physical location of an account.
type Club struct {
	Name string
	// Country and Timezone are the account's unless the club has its own.
	Country  string
	Timezone string
}

// Connection is one configured system of an account.
type Connection struct {
	// Ref is account/connection.
	Ref string
	// Adapter is the name of the adapter program.
	Adapter string
	// ClientID is the account's id in that system; may be empty.
	ClientID string
	// Clubs maps a club's key to its id in that system.
	Clubs map[string]string
	// SettleMargin is added to the times that the adapter declares before anything
	// is concluded about a create whose answer was lost.
	SettleMargin time.Duration
	// Settings is the JSON object for the adapter with secrets in clear.
	Settings Secret
	// Concurrency is how many runs may use the connection at a time.
	Concurrency int
}

// SDK returns the connection as its adapter receives it, without a logger.
func (c Connection) SDK() sdk.Connection {
	return sdk.Connection{Name: c.Ref, ClientID: c.ClientID, Clubs: c.Clubs, Settings: json.RawMessage(c.Settings.Reveal())}
}

// JobType says how a job delivers.
type JobType string

// The types of job.
const (
	// JobSync pushes creates and updates into the target.
	JobSync JobType = "sync"
	// JobImport starts an import session and serves the pages.
	JobImport JobType = "import"
)

// ReadMode says how much of its source a run reads.
type ReadMode string

// The modes of reading.
const (
	// ReadAll walks everything each time.
	ReadAll ReadMode = "all"
	// ReadChanges goes on behind the cursor of the last run whose records were
	// all delivered. What that means is up to the adapter's cursor.
	ReadChanges ReadMode = "changes"
)

// Job is a configured flow from a connection through a mapping to a
// connection.
type Job struct {
	// Ref is account/job.
	Ref     string
	Account string
	Type    JobType
	// From and To are the refs of the connections.
	From, To string
	// Kinds are the kinds of record in the order in which a run handles them.
	Kinds []sdk.Kind
	// Read says how much a run reads.
	Read ReadMode
	// Mapping is the path of the script.
	Mapping string
	// Schedule is "manual", a cron line or "every" with a duration.
	Schedule string
	// Location is the zone of a cron line.
	Location *time.Location
	// Timing says more about when the schedule starts the job.
	Timing Timing
	// Override, Upload and Notify go with the announcement of an import.
	Override bool
	Upload   string
	Notify   bool
	// Sync is what only a sync has; zero for an import.
	Sync SyncOptions
}

// Timing says what becomes of due times that cannot be met as they are. Its zero
// value catches up once, and leaves out what meets a run.
type Timing struct {
	// SkipMissed leaves out due times that were missed while the daemon was down
	// or the job was paused; otherwise they become one run.
	SkipMissed bool
	// MaxAge is how late a due time may be met; 0 for no limit.
	MaxAge time.Duration
	// QueueOne says that a due time that meets a run of the job waits for its end;
	// otherwise it is left out.
	QueueOne bool
	// Jitter bounds the time by which every due time of the job is put off, always
	// by the same.
	Jitter time.Duration
}

// SyncOptions are the choices of a sync.
type SyncOptions struct {
	// Sweep is the schedule of the full walks beside the runs that read what
	// changed; empty for none.
	Sweep string
	// Owner says what becomes of a person whose staff member has no link:
	// "optional" sends without, "required" waits, "ignore" never sends one.
	Owner string
	// LeadSources says what becomes of a lead source that the target does not
	// have: "create", "match" or "ignore".
	LeadSources string
	Guards      Guards
	// OnMatch says what becomes of a record that is linked, OnMissing of one that
	// is not: whether it is updated, and created.
	OnMatch, OnMissing bool
	// OnGone says what becomes of the target record of a record that is gone from
	// the source: "deactivate", "delete" or "ignore".
	OnGone string
	// Policies are the fields that are not simply overwritten.
	Policies map[string]FieldPolicy
	// Match are the rules by which a person without a link is matched with one that
	// the target has, in the order in which they are tried: "stored_id",
	// "name_email_mobile", "name_email", "name_mobile". Empty matches nobody.
	Match []string
	// Conflict says which side wins where both have changed a record: "from" or
	// "newest", by the source field Modified.
	Conflict string
	// Modified is the field of the source, and of the target as its adapter reads
	// it, that holds when a record was changed; needed for "newest".
	Modified string
}

// Guards are the limits that stop a run before it harms the target.
type Guards struct {
	MaxCreate, MaxUpdate, MaxDeactivate Limit
	// BlankField bounds the linked records in which one and the same field would
	// become empty.
	BlankField Limit
	// BlockEmptySource stops a run whose source is suddenly empty.
	BlockEmptySource bool
}

// Limit is a number of records, or a share of the linked ones in percent.
type Limit struct {
	Count   int
	Percent float64
	// Relative says that Percent is meant.
	Relative bool
}
