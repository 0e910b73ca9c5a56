package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// RunOrder is what a run is asked for.
type RunOrder struct {
	// Job is account/job.
	Job string
	// Trigger says who asks, see [roster.Run]; a client leaves it empty.
	Trigger string
	// Plan stops the run when it is judged; only for a sync.
	Plan bool
	// Scope says what of the source is read. At most one of Sweep, Replay and
	// Record is set, and Entries and Code only with Replay.
	Scope roster.Scope
}

// Syncs shows what syncs keep, and takes what a person decides about it. All
// methods return [roster.ErrNotFound] for what is not there.
type Syncs interface {
	PlanKeeper
	LinkKeeper
	ParkedKeeper
	// Explain says what is known of one record of a job's source, by its id or by an
	// e-mail address, and what a run would make of it.
	Explain(ctx context.Context, job, record string) (Explanation, error)
	// DropQuarantined forgets refused records, those of the ids or those that the
	// filter selects where there are none, and returns how many there were.
	DropQuarantined(ctx context.Context, ids []string, filter roster.QuarantineFilter) (int, error)
}

// PlanKeeper shows what runs would change, and lets them go on.
type PlanKeeper interface {
	// ApproveRun lets a run go on that was planned or blocked; another state is
	// [roster.ErrConflict].
	ApproveRun(ctx context.Context, id string) (roster.Run, error)
	// Changes returns what a run would change, from an entry of its change set on.
	// A run in another state is [roster.ErrConflict].
	Changes(ctx context.Context, run string, from, limit int) (ChangePage, error)
}

// LinkKeeper shows and changes links.
type LinkKeeper interface {
	// Unlinked asks a job's systems which staff members and lead sources of its source
	// have no counterpart at its target.
	Unlinked(ctx context.Context, job string) ([]roster.Unlinked, error)
	// Links returns links in the order of their source ids.
	Links(ctx context.Context, links LinkSet, filter roster.LinkFilter) ([]roster.Link, error)
	// Link returns what is known of a record by its id at either end.
	Link(ctx context.Context, links LinkSet, id string) (LinkReport, error)
	// SetLink links two records; by says who asks and why. A target that is linked
	// to another record is [roster.ErrConflict].
	SetLink(ctx context.Context, links LinkSet, source, target, by string) error
	// RemoveLink removes the link of a source record.
	RemoveLink(ctx context.Context, links LinkSet, source, by string) error
}

// ParkedKeeper shows and settles parked creates.
type ParkedKeeper interface {
	// Parked returns parked creates in the order of their ids.
	Parked(ctx context.Context, filter roster.ParkedFilter) ([]roster.Parked, error)
	// ParkedCreate returns one of them with its payload.
	ParkedCreate(ctx context.Context, id string) (roster.Parked, error)
	// SettleParked does what a person decides; target is only for
	// [roster.ParkedLink].
	SettleParked(ctx context.Context, id string, verdict roster.ParkedVerdict, target, by string) error
}

// LinkSet names links: those of a job, or those between two connections.
type LinkSet struct {
	// Job is account/job; empty where From and To are given, refs of connections.
	Job, From, To string
	Kind          sdk.Kind
}

// ChangePage is a part of what a run would change. It holds personal data.
type ChangePage struct {
	Changes []PlannedChange `json:"changes"`
	// Script is the path of the mapping, and Lines the line of each target field in
	// it. They are left out where the script is another one by now, or a function,
	// whose lines are not known.
	Script string         `json:"script,omitempty"`
	Lines  map[string]int `json:"lines,omitempty"`
	// Next is the From of what follows; 0 at the end.
	Next int `json:"next,omitempty"`
	// Unseen says why the present values of the target's records are not known;
	// empty where they are.
	Unseen string `json:"unseen,omitempty"`
}

// PlannedChange is one change, with what it would change.
type PlannedChange struct {
	roster.Change
	// Present are the values that the target's record has at this moment, a JSON
	// object; nil where they are not known.
	Present json.RawMessage `json:"present,omitempty"`
}

// LinkReport is what is known of one record.
type LinkReport struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	Kind sdk.Kind `json:"kind"`
	// Link is nil where the record is not linked.
	Link *roster.Link `json:"link,omitempty"`
	// Pending is the create that is under way or waits for a person; nil without
	// one.
	Pending *Pending `json:"pending,omitempty"`
	// History are the latest events, the oldest first.
	History []roster.LinkEvent `json:"history"`
}

// Pending is a create that is not proven done.
type Pending struct {
	State   roster.IntentState `json:"state"`
	Run     string             `json:"run"`
	Attempt int                `json:"attempt"`
	Armed   time.Time          `json:"armed"`
	// Review says that a person is asked which of several records of the target it
	// is; nothing was sent.
	Review bool   `json:"review,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Parked is the id by which a person settles it; empty unless it is parked.
	Parked string `json:"parked,omitempty"`
}

// ParkedPage is a part of the parked creates.
type ParkedPage struct {
	Parked []roster.Parked `json:"parked"`
	// Next is the After of a filter for what follows; empty at the end.
	Next string `json:"next,omitempty"`
}

// ParkedRecord is a parked create with its source record, which is personal data.
type ParkedRecord struct {
	roster.Parked
	// Record is the source record as JSON; nil where it is not known.
	Record json.RawMessage `json:"record,omitempty"`
}

// Explanation is what is known of one record of a job's source. It holds personal
// data.
type Explanation struct {
	Job string `json:"job"`
	// Record is its id in the source.
	Record string `json:"record"`
	// Known says that anything is known of it.
	Known bool `json:"known"`
	// Email is the address that it was found by; empty where its id was given. Where
	// there are several or none, Found has them, Record is the address, and the rest is
	// empty. Searched says where it was looked for.
	Email    string        `json:"email,omitempty"`
	Found    []FoundRecord `json:"found,omitempty"`
	Searched []string      `json:"searched,omitempty"`
	// Kinds are the kinds of the job that know the record.
	Kinds []LinkReport `json:"kinds"`
	// Quarantined are the entries of the record, without their payloads.
	Quarantined []roster.Quarantined `json:"quarantined"`
	// Lines are the latest lines of the record log about it, the oldest first.
	Lines []LogLine `json:"lines"`
	// Pushed are saves of it by another system that the job has not read yet.
	Pushed []PushedRecord `json:"pushed,omitempty"`
	// Source, Mapped and Target are the record as the source has it at this moment,
	// what the script makes of that, and the record of the target that it is linked
	// to. TargetUnknown says why the last is not known where it should be.
	Source        []SeenRecord   `json:"source,omitempty"`
	Mapped        []MappedRecord `json:"mapped,omitempty"`
	Target        []SeenRecord   `json:"target,omitempty"`
	TargetUnknown string         `json:"target_unknown,omitempty"`
	// Verdict says in a sentence why the record is where it is.
	Verdict Verdict `json:"verdict"`
	// Next is what a run would make of the record at this moment; nil where that is
	// not known, and Unknown says why.
	Next    *NextRun `json:"next,omitempty"`
	Unknown string   `json:"unknown,omitempty"`
}

// FoundRecord is a record with an e-mail address.
type FoundRecord struct {
	Kind sdk.Kind `json:"kind"`
	// Record is its id in the source; empty for one of the target that is linked to
	// none, whose id is then Target.
	Record string `json:"record,omitempty"`
	Target string `json:"target,omitempty"`
	// Where says what has it: "source", "target", "quarantine", "parked" or "pushed".
	Where string `json:"where"`
}

// PushedRecord is a save of a record that waits.
type PushedRecord struct {
	Kind sdk.Kind  `json:"kind"`
	At   time.Time `json:"at"`
}

// SeenRecord is a record as one of the two systems has it.
type SeenRecord struct {
	Kind sdk.Kind `json:"kind"`
	ID   string   `json:"id"`
	// Fields are its values, a JSON object; nil where the system has no such record.
	Fields json.RawMessage `json:"fields,omitempty"`
}

// MappedRecord is what the script makes of a record.
type MappedRecord struct {
	Kind sdk.Kind `json:"kind"`
	// Fields are the values, a JSON object; nil where it is skipped or rejected, which
	// Reason tells, with the script's line where that is known.
	Fields json.RawMessage `json:"fields,omitempty"`
	// Owner and LeadSource are ids of the source.
	Owner      string `json:"owner,omitempty"`
	LeadSource string `json:"lead_source,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Line       int    `json:"line,omitempty"`
}

// Verdict says why a record is where it is.
type Verdict struct {
	Text string `json:"text"`
	// Command is what to type next; empty where nothing needs to be done.
	Command string `json:"command,omitempty"`
}

// NextRun is what a run would make of one record. It holds personal data.
type NextRun struct {
	// Found says that the source has the record.
	Found bool `json:"found"`
	// Changes are what would be sent; none where nothing would.
	Changes []roster.Change `json:"changes"`
	// Reasons say why nothing is sent, or what of the record would be refused.
	Reasons []string `json:"reasons"`
	// Script and Lines are as in [ChangePage].
	Script string         `json:"script,omitempty"`
	Lines  map[string]int `json:"lines,omitempty"`
}

// Guarantee is what is promised of the creates of one kind.
type Guarantee struct {
	Kind  sdk.Kind           `json:"kind"`
	Class sdk.GuaranteeClass `json:"class"`
	// ExecLag and IndexLag are what the adapter declares, in milliseconds.
	ExecLag  int64 `json:"exec_lag_ms"`
	IndexLag int64 `json:"index_lag_ms"`
	// Text is the promise in words that a customer can be shown.
	Text string `json:"text"`
}

// LinkPage is a part of the links.
type LinkPage struct {
	Links []roster.Link `json:"links"`
	// Next is the After of a filter for what follows; empty at the end.
	Next string `json:"next,omitempty"`
}

// unlinkedBody lists records that have no counterpart.
type unlinkedBody struct {
	Unlinked []roster.Unlinked `json:"unlinked"`
}

// droppedBody says how many records were forgotten.
type droppedBody struct {
	Dropped int `json:"dropped"`
}
