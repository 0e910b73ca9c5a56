package roster

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// RunState is where a run is, or how it ended.
type RunState string

// The states of a run. A run that left a record behind never ends as RunOK.
const (
	// RunQueued: accepted and stored, not begun.
	RunQueued RunState = "queued"
	// RunPreparing: reading, mapping and comparing. Nothing was written
	// anywhere; after a crash the preparation starts again.
	RunPreparing RunState = "preparing"
	// RunDelivering: the change set is being delivered; a crash resumes here.
	RunDelivering RunState = "delivering"

	RunOK      RunState = "ok"
	RunPartial RunState = "partial"
	RunFailed  RunState = "failed"
	RunBlocked RunState = "blocked"
	// RunPlanned: prepared and judged for a person to look at. Its change set is
	// kept; applying it makes the run delivering.
	RunPlanned   RunState = "planned"
	RunCancelled RunState = "cancelled"
	RunSkipped   RunState = "skipped"
)

// Ended reports whether the run is over.
func (s RunState) Ended() bool {
	switch s {
	case RunQueued, RunPreparing, RunDelivering:
		return false
	default:
		return true
	}
}

// Run is one execution of a job.
type Run struct {
	ID   string  `json:"id"`
	Job  string  `json:"job"`
	Type JobType `json:"type"`
	// Trigger says who asked: "manual", "schedule", "sweep", "inbound" or "quickstart".
	Trigger string     `json:"trigger"`
	State   RunState   `json:"state"`
	Asked   time.Time  `json:"asked"`
	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Counts  Counts     `json:"counts"`
	// Scope says what of the source is read; its zero value is what the job says.
	Scope Scope `json:"scope,omitzero"`
	// Plan says that the run stops when it is judged.
	Plan bool `json:"plan,omitempty"`
	// Approved says that a person let it go on although it was planned or blocked.
	Approved bool `json:"approved,omitempty"`
	// Delivered is how much of the change set of a sync is done.
	Delivered int `json:"delivered,omitempty"`
	// Basis are digests of what the change set was made from, by what they are of
	// ("configuration", "script", "adapters"): a change set is applied only while
	// they are the same.
	Basis map[string]string `json:"basis,omitempty"`
	// Again is when the job should run again although its schedule does not say
	// so: a quota that was used up is there again then.
	Again *time.Time `json:"again,omitempty"`
	// Waits says what a run waits for. It is told of a run under
	// way and not stored.
	Waits string `json:"waits,omitempty"`
	// Fields are the target fields of the frozen clients, sorted.
	Fields []string `json:"fields,omitempty"`
	// Warnings are for the operator; they hold no values of records.
	Warnings []string `json:"warnings,omitempty"`
	// Fault says why a run failed or is partial.
	Fault *Fault `json:"fault,omitempty"`
	// Script is the SHA-256 of the mapping that made the change set, in hex.
	Script string `json:"script,omitempty"`
	// Cursors are how far a run of a job with ReadChanges has read. They become
	// the job's when the run ends with every frozen record delivered.
	Cursors map[sdk.Kind]sdk.Cursor `json:"cursors,omitempty"`
	// Behind are the job's cursors when a sync was prepared: its change set is
	// applied only while they are the same.
	Behind map[sdk.Kind]sdk.Cursor `json:"behind,omitempty"`
	// Whole says that everything of the source was read, so that what was refused
	// before was read again.
	Whole bool `json:"whole,omitempty"`
	// Retried are the ids of quarantined records that the run has read again, until
	// it ends.
	Retried []string `json:"retried,omitempty"`
}

// Scope says what of the source a run reads.
type Scope struct {
	// Sweep walks everything, so that records that are gone are found.
	Sweep bool `json:"sweep,omitempty"`
	// Replay reads nothing but quarantined records: those of Entries, or all of
	// the job's where that is empty.
	Replay  bool     `json:"replay,omitempty"`
	Entries []string `json:"entries,omitempty"`
	// Code bounds a replay to one cause.
	Code string `json:"code,omitempty"`
	// Record reads one record of the source by its id, of every kind of the job.
	// It is not stored in clear longer than the run is under way.
	Record string `json:"record,omitempty"`
}

// Partial reports whether the scope leaves out what the job would read, so that
// the job's cursor says nothing of the run.
func (s Scope) Partial() bool { return s.Replay || s.Record != "" }

// Fault says what went wrong and what to do next.
type Fault struct { //nolint:errname // it is stored and shown as what it is: a fault
	// Code is stable, in dotted words ("mapping.syntax", "adapter.crashed").
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error returns the message and the hint.
func (f *Fault) Error() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + "\n  hint: " + f.Hint
}

// Counts are the numbers of a run. For an import
//
//	Read = Frozen + Skipped + Quarantined
//	Frozen = Served + Unserved
//	Served = Created + Updated + Kept + Failed + Unknown
//
// and for a sync
//
//	Read = Created + Updated + Linked + Unchanged + Skipped + Quarantined + Waiting
//
// where Deactivated and Remaining count records of the target whose source record
// was not read. Created, Updated, Kept and Failed are nil until the target has told anything of
// the run, which may be after the run's end.
type Counts struct {
	Read        int `json:"read"`
	Skipped     int `json:"skipped"`
	Quarantined int `json:"quarantined"`

	Frozen   int `json:"frozen"`
	Served   int `json:"served"`
	Unserved int `json:"unserved"`

	Created *int `json:"created"`
	Updated *int `json:"updated"`
	Kept    *int `json:"kept"`
	Failed  *int `json:"failed"`
	Unknown int  `json:"unknown"`

	// Unchanged is what the target has already as it would be sent.
	Unchanged int `json:"unchanged,omitempty"`
	// Linked are records that the target had already, and that are linked since.
	Linked int `json:"linked,omitempty"`
	// Warned are the records delivered without something, as their owner.
	Warned int `json:"warned,omitempty"`
	// Reopened are linked records whose owner or lead source was sent later, because
	// it had no link before. The source did not give them again.
	Reopened int `json:"reopened,omitempty"`
	// Waiting are records whose create is in doubt or parked, and those that a
	// quota has left for later.
	Waiting int `json:"waiting,omitempty"`
	// Deactivated are records of the target that were deactivated or deleted
	// because their source record was gone.
	Deactivated int `json:"deactivated,omitempty"`
	// Remaining are records of the target that were to be deactivated or deleted and
	// were not: it was refused, or a quota has left it for later.
	Remaining int `json:"remaining,omitempty"`
	// ToCreate, ToUpdate and ToDeactivate are what the change set of a sync holds.
	ToCreate     int `json:"to_create,omitempty"`
	ToUpdate     int `json:"to_update,omitempty"`
	ToDeactivate int `json:"to_deactivate,omitempty"`
	ToLink       int `json:"to_link,omitempty"`
}

// Open is how many of the records that a sync has read are in none of its counts.
func (c *Counts) Open() int {
	done := c.Linked + c.Unchanged + c.Skipped + c.Quarantined + c.Waiting
	for _, count := range []*int{c.Created, c.Updated} {
		if count != nil {
			done += *count
		}
	}
	return max(c.Read-done, 0)
}

// Tell changes what the target has told of the run by what it told of one of
// the run's sessions: from before to after.
func (c *Counts) Tell(before, after OutcomeCounts) {
	add := func(count **int, n int) {
		if *count == nil {
			*count = new(int)
		}
		n += **count
		*count = &n
	}
	add(&c.Created, after.Created-before.Created)
	add(&c.Updated, after.Updated-before.Updated)
	add(&c.Kept, after.Kept-before.Kept)
	add(&c.Failed, after.Failed-before.Failed)
}

// TakeOutcome takes over what the target has told, and makes Unknown the
// served clients that it has not told of.
func (c *Counts) TakeOutcome(told Counts) {
	c.Created, c.Updated, c.Kept, c.Failed = told.Created, told.Updated, told.Kept, told.Failed
	c.Unknown = c.Served
	for _, count := range []*int{c.Created, c.Updated, c.Kept, c.Failed} {
		if count != nil {
			c.Unknown -= *count
		}
	}
}
