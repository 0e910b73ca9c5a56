package roster

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Stage says where a record was refused.
type Stage string

// The stages at which a record can be refused.
const (
	// StageRead: the adapter could not read it.
	StageRead Stage = "read"
	// StageMap: the script rejected it, failed on it or was stopped on it.
	StageMap Stage = "map"
	// StageFreeze: the change set cannot take it (a missing mandatory field,
	// an id that is already there).
	StageFreeze Stage = "freeze"
	// StageDeliver: the target refused it.
	StageDeliver Stage = "deliver"
)

// Quarantined is a refused record, waiting for a replay or a person. Everything
// in it but Payload is free of personal data.
type Quarantined struct {
	// ID is derived from the job, the kind and the record's identity (with its
	// position where it has no Form), so that the same record refused again has the
	// same id. The store fills it in.
	ID  string `json:"id"`
	Job string `json:"job"`
	Run string `json:"run"`
	// Kind and Record name the record in the source; Record is empty where
	// its id could not be read.
	Kind     sdk.Kind `json:"kind"`
	Record   string   `json:"record,omitempty"`
	Position string   `json:"position,omitempty"`
	// Club is the account's key of the record's club, where that is known. It is not
	// stored.
	Club  string `json:"-"`
	Stage Stage  `json:"stage"`
	// Code groups by cause ("map.rejected", "freeze.duplicate_id").
	Code string `json:"code"`
	// Reason is the cause in words, the same for every record of one cause.
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// Form orders the forms of one record that a run of a sync has met, see [FormOf]:
	// the later one is what counts. 0 is of an import, where each place of a source
	// stands for itself.
	Form int `json:"-"`
	// Gone says that the record is gone from the source, and that what was refused is
	// its deactivation.
	Gone bool `json:"gone,omitempty"`
	// Payload is the source record as JSON, or what could be read of it.
	// It is stored sealed.
	Payload []byte `json:"payload,omitempty"`
}

// FormOf is the place of a form of a record behind the first entries of a change
// set: of a form that was refused when the change set had so many, and of the one
// that is the next entry, which comes behind it.
func FormOf(entries int) int { return entries + 1 }

// Superseded is a record of which a run has met a later form than those that it
// has refused.
type Superseded struct {
	Record string
	// Form is the later one.
	Form int
}

// Codes of quarantined records.
const (
	CodeReadRejected    = "read.rejected"
	CodeMapRejected     = "map.rejected"
	CodeMapError        = "map.error"
	CodeMapStopped      = "map.stopped"
	CodeMapInvalid      = "map.invalid"
	CodeMapClub         = "map.unknown_club"
	CodeMapTooLong      = "map.too_long"
	CodeMapNotAllowed   = "map.not_allowed"
	CodeFreezeMissing   = "freeze.missing_field"
	CodeFreezeDuplicate = "freeze.duplicate_id"
	CodeFreezeTooLarge  = "freeze.too_large"
	CodeDeliverFailed   = "deliver.failed"
	CodeMapOwner        = "map.owner_unlinked"
	CodeDeliverRefused  = "deliver.refused"
	CodeDeliverWaiting  = "deliver.waiting"
	CodeDeliverLink     = "deliver.link_changed"
	CodeDeliverGone     = "deliver.gone"
	CodeDeliverRestored = "deliver.restored"
	CodeParkedCreate    = "parked.create"
	CodeParkedLinked    = "parked.linked"
)
