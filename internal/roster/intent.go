package roster

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Intent is a create that was armed to be sent and is not yet proven done or
// not done.
type Intent struct {
	Route Route `json:"-"`
	// Source is the source record's id; the intent of a record is one.
	Source string `json:"source"`
	// State is where the create is.
	State IntentState `json:"state"`
	// Run is the run that armed it, and Entry the place in the run's change set.
	Run   string `json:"run"`
	Entry int    `json:"entry"`
	// Attempt counts the sends from 1; 0 of a review.
	Attempt int `json:"attempt"`
	// Epoch is the life of the daemon in which it was armed.
	Epoch uint64 `json:"epoch"`
	// Armed is when it was armed, by the wall clock: for people, and for the time
	// for which a target remembers an idempotency key.
	Armed time.Time `json:"armed"`
	// Row is the digest of the source record.
	Row uint64 `json:"row,omitempty"`
	// Review says that it is parked because the target has several records that it
	// may be: nothing of it was sent.
	Review bool `json:"review,omitempty"`
	// Reason says why it is parked, without values of the record.
	Reason string `json:"reason,omitempty"`
	// Hits are the ids of target records that it may be, where it is parked.
	Hits []string `json:"hits,omitempty"`
	// Payload is the source record as JSON, where it is parked. It is stored
	// sealed.
	Payload []byte `json:"-"`
}

// IntentState is where a create is.
type IntentState string

// The states of an intent.
const (
	// IntentArmed: it may have been sent. In a later life of the daemon, or after
	// an answer that proves nothing, its outcome is unknown.
	IntentArmed IntentState = "armed"
	// IntentParked: it cannot be proven, or it is not known which record of the
	// target it is; waits for a person.
	IntentParked IntentState = "parked"
	// IntentDropped: a person decided to leave the record alone until it changes
	// in the source.
	IntentDropped IntentState = "dropped"
	// IntentNew: a person decided that it is none of the records that the target
	// has: it is created without being matched.
	IntentNew IntentState = "new"
)

// Waits reports whether nothing more is sent of the record until the create is
// proven or a person has decided.
func (s IntentState) Waits() bool { return s == IntentArmed || s == IntentParked }

// Parked is a create that waits for a person.
type Parked struct {
	// ID names it, derived from route and record.
	ID string `json:"id"`
	// Job is the job whose run parked it.
	Job  string   `json:"job"`
	Kind sdk.Kind `json:"kind"`
	// From and To are the refs of the connections.
	From string `json:"from"`
	To   string `json:"to"`
	Intent
}

// Standing is what is remembered of a source record: its link, or the intent to
// create it, or neither.
type Standing struct {
	// Link has Version 0 where there is none.
	Link Link
	// Intent is nil where there is none.
	Intent *Intent
}

// Closing is what changes in one transaction when the outcomes of a batch of
// operations are known. A link and an intent of the same record exclude each
// other: a link that is stored removes the intent.
type Closing struct {
	Run   string
	Route Route
	// Delivered is how much of the run's change set is done from then on; a
	// smaller number than what is stored changes nothing.
	Delivered int
	// Links are made or changed: a link whose Source has none is made, with the
	// times and the version filled in by the store. Of one that is there, Target
	// has to be the same; Version, Origin and Made are kept.
	Links []Link
	// Unlinked are the source ids of links to remove.
	Unlinked []string
	// Refused are the source ids of intents that are proven not done.
	Refused []string
	// Parked are intents to park, as they are to be stored.
	Parked []Intent
	// Quarantined are records that the target refused.
	Quarantined []Quarantined
	// Superseded are records that were not refused: what the run has refused of their
	// earlier forms leaves the quarantine.
	Superseded []Superseded
	// Events are added to the history of links, which making, removing and
	// parking do by themselves.
	Events []LinkEvent
	// Taken gives what is parked in place of a link that is not made because its
	// source or its target is linked to another record; false is nothing. It may be
	// called several times for one source; nil is false for each.
	Taken func(source string) (Intent, bool)
	// Update changes the stored run, as for its counts, when it is known what the
	// rest has met; nil leaves it.
	Update func(run *Run, met Closed) error
}

// Closed is what a [Closing] met.
type Closed struct {
	// Clashes are the source ids of links that were not made because their source or
	// their target is linked to another record: see Taken.
	Clashes []string
	// Replaced counts refusals of the run that another form of the record has taken
	// the place of.
	Replaced int
}

// ParkedFilter selects parked creates. Its zero value selects all of them.
type ParkedFilter struct {
	// Job is account/job; empty for every job.
	Job string
	// Review selects only those of [Intent].Review.
	Review bool
	Limit  int
	// After is the id behind which to begin; empty for the beginning.
	After string
}

// ParkedVerdict is what a person decides about a parked create.
type ParkedVerdict string

// The verdicts.
const (
	// ParkedLink: it was done; the record is the one with the given target id.
	ParkedLink ParkedVerdict = "link"
	// ParkedCreate: it was not done and is to be sent again by the next run; of a
	// review, it is none of the records of the target.
	ParkedCreate ParkedVerdict = "create"
	// ParkedDrop: the record is to be left alone: it is not sent until it
	// changes in the source.
	ParkedDrop ParkedVerdict = "drop"
)
