package admin

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/rosterd/rosterd/internal/audit"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// APIVersion leads the paths of the API.
const APIVersion = "v1"

// Version says what is running.
type Version struct {
	// Version is the daemon's own, Commit the one it was built from.
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Go is the version of Go that built it.
	Go string `json:"go"`
	// API is always [APIVersion]; the server fills it in.
	API string `json:"api"`
}

// Status is the daemon at a glance.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// PublicURL is where outside systems reach the daemon; it holds no secret.
	PublicURL string      `json:"public_url"`
	Jobs      []JobStatus `json:"jobs"`
	// Quotas are what is left of the limits of requests that connections keep, of
	// those whose adapter runs.
	Quotas []QuotaLeft `json:"quotas,omitempty"`
	// Problems are what needs a person, the most urgent first.
	Problems []Finding `json:"problems"`
}

// QuotaLeft is how many requests a connection may still make.
type QuotaLeft struct {
	// Connection is account/connection.
	Connection string `json:"connection"`
	// Span is the time in seconds for which Limit requests are allowed, and Left how
	// many of them were not made.
	Span  int64 `json:"span_s"`
	Limit int   `json:"limit"`
	Left  int   `json:"left"`
}

// JobStatus is one job at a glance.
type JobStatus struct {
	// Ref is account/job.
	Ref      string         `json:"ref"`
	Type     roster.JobType `json:"type"`
	Schedule string         `json:"schedule"`
	// Sweep is the schedule of the full walks of a sync; empty for none.
	Sweep string `json:"sweep,omitempty"`
	// Next is when a schedule starts the job; nil for a manual one, and for one
	// that is paused.
	Next *time.Time `json:"next,omitempty"`
	// Paused says who has paused the job; nil while it is not paused.
	Paused *roster.Pause `json:"paused,omitempty"`
	// Freshness says whether the schedule is kept; empty for a job that is manual
	// or paused.
	Freshness Freshness `json:"freshness,omitempty"`
	// LastSuccess is when the latest run ended that left nothing behind, and
	// LastDelivered the latest that left nothing or some records behind.
	LastSuccess   *time.Time `json:"last_success,omitempty"`
	LastDelivered *time.Time `json:"last_delivered,omitempty"`
	// QuotaAgain is when a quota is there again that the last run has used up. The
	// job goes on then, whatever its schedule says.
	QuotaAgain *time.Time `json:"quota_again,omitempty"`
	// Last is the latest run that is over.
	Last *roster.Run `json:"last,omitempty"`
	// Running is the run that is not over, with its counts at this moment.
	Running *roster.Run `json:"running,omitempty"`
	// Progress is how far Running is; nil where nothing runs.
	Progress *Progress `json:"progress,omitempty"`
}

// Freshness says whether the schedule of a job is kept. A due time is met by a run
// that was asked for at it or later and has delivered: that ended ok or partial.
// Where no run has, due times count from the start of the daemon.
type Freshness string

// The states of a schedule.
const (
	// Fresh: every due time is met, or 15 minutes are not over since the first that
	// is not.
	Fresh Freshness = "fresh"
	// Late: a due time is not met, and 15 minutes are over since.
	Late Freshness = "late"
	// Stale: two due times or more are not met, and 15 minutes are over since the
	// second.
	Stale Freshness = "stale"
)

// Progress is how far a run is: in records read while it is prepared, and in
// clients or changes delivered behind that.
type Progress struct {
	Done int `json:"done"`
	// Of is all there are; nil while that is not known.
	Of *int `json:"of,omitempty"`
}

// Finding is something that needs a person.
type Finding struct {
	// Code is stable, in dotted words.
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Command shows more about it or sets it right.
	Command string `json:"command,omitempty"`
}

// ConnectionInfo is one configured system for an operator.
type ConnectionInfo struct {
	// Ref is account/connection.
	Ref string `json:"ref"`
	// Adapter and AdapterVersion name the program that speaks to the system;
	// the version is empty when the program could not be started.
	Adapter        string        `json:"adapter"`
	AdapterVersion string        `json:"adapter_version,omitempty"`
	Abilities      []sdk.Ability `json:"abilities"`
	// Clubs maps a club's key to its id in that system.
	Clubs map[string]string `json:"clubs"`
	// Jobs are the jobs that read from the connection or deliver to it.
	Jobs []string `json:"jobs"`
	// APIURI is the address that an import target calls; empty for other
	// connections. It holds the export secret. Encoding a ConnectionInfo as JSON
	// reveals it: an operator has to type it into the target.
	APIURI roster.Secret `json:"-"`
	// PushURI is where another system pushes to; empty for a connection that does
	// not receive. It holds no secret.
	PushURI string `json:"push_uri,omitempty"`
	// URIUnknown says why one of these is not known where it should be.
	URIUnknown string `json:"uri_unknown,omitempty"`
	// Guarantees are what is promised of the creates of a sync's target, by kind;
	// Unknown says why they are not known where they should be.
	Guarantees []Guarantee `json:"guarantees,omitempty"`
	Unknown    string      `json:"guarantees_unknown,omitempty"`
	// Check is what the latest test of the connection said; nil without one.
	Check *CheckResult `json:"check,omitempty"`
}

// CheckResult is what came of testing a connection.
type CheckResult struct {
	OK    bool          `json:"ok"`
	At    time.Time     `json:"at"`
	Fault *roster.Fault `json:"fault,omitempty"`
}

// connectionJSON is a [ConnectionInfo] with its address in clear.
type connectionJSON struct {
	connectionFields
	URI string `json:"api_uri,omitempty"`
}

// connectionFields has the fields of [ConnectionInfo] without its methods.
type connectionFields ConnectionInfo

// MarshalJSON writes the connection with its secret address.
func (c ConnectionInfo) MarshalJSON() ([]byte, error) {
	c.Abilities, c.Jobs = list(c.Abilities), list(c.Jobs)
	if c.Clubs == nil {
		c.Clubs = map[string]string{}
	}
	return json.Marshal(connectionJSON{connectionFields: connectionFields(c), URI: c.APIURI.Reveal()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *ConnectionInfo) UnmarshalJSON(data []byte) error {
	var v connectionJSON
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*c = ConnectionInfo(v.connectionFields)
	c.APIURI = roster.NewSecret(v.URI)
	return nil
}

// LogValue names the connection: slog would encode it with its address.
func (c ConnectionInfo) LogValue() slog.Value { return slog.StringValue(c.Ref) }

// AdapterInfo is one adapter program that was found.
type AdapterInfo struct {
	Name        string `json:"name"`
	Version     string `json:"version,omitempty"`
	Path        string `json:"path"`
	Description string `json:"description,omitempty"`
	// Abilities are those that its connections can have at most.
	Abilities []sdk.Ability  `json:"abilities"`
	Kinds     []sdk.KindInfo `json:"kinds"`
	// Error says why the program cannot be used; nil when it can.
	Error *roster.Fault `json:"error,omitempty"`
}

// QuarantinePage is a part of the quarantine.
type QuarantinePage struct {
	// Records come without their payload.
	Records []roster.Quarantined `json:"quarantined"`
	// Next is the After of a filter for what follows; empty at the end.
	Next string `json:"next,omitempty"`
}

// The bodies of answers that list things.
type (
	runsBody struct {
		Runs []roster.Run `json:"runs"`
	}
	sessionsBody struct {
		Sessions []roster.Session `json:"sessions"`
	}
	groupsBody struct {
		Groups []roster.QuarantineGroup `json:"groups"`
	}
	connectionsBody struct {
		Connections []ConnectionInfo `json:"connections"`
	}
	auditBody struct {
		Entries []audit.Entry `json:"entries"`
	}
	adaptersBody struct {
		Adapters []AdapterInfo `json:"adapters"`
	}
	liveBody struct {
		Status string `json:"status"`
	}
)

// list makes an empty list of none, which JSON would write as null.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}
