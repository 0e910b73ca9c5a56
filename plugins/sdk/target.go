package sdk

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Target writes records into an outside system.
type Target interface {
	// Target describes what the connection writes, from its settings. It calls
	// nobody.
	Target(ctx context.Context) (TargetInfo, error)
	// Write carries out operations on records of one kind, each sent at most
	// once: nothing below it repeats a create. It returns one result for each
	// operation, in their order; what became of one has no effect on the others.
	//
	// An error means that no operation has a result: each of them has
	// [OutcomeUnknown]. Operations that were not begun when ctx ended are
	// [OutcomeRefused] with [ClassRetry]. When Write returns, nothing of it goes
	// on.
	Write(ctx context.Context, req WriteRequest) (WriteResponse, error)
}

// TargetInfo describes what a connection writes.
type TargetInfo struct {
	// Kinds are the kinds of record that it writes, one entry a kind.
	Kinds []TargetKind
}

// Kind returns what is said of a kind, and whether it is written at all.
func (i TargetInfo) Kind(k Kind) (TargetKind, bool) {
	for _, info := range i.Kinds {
		if info.Kind == k {
			return info, true
		}
	}
	return TargetKind{}, false
}

// TargetKind describes how records of one kind are written.
type TargetKind struct {
	Kind Kind
	// Writes are the operations that the system has. One call that saves, whether
	// the record is there or not, is both [OpCreate] and [OpUpdate].
	Writes []Op
	// Class says what a create can be held to after an answer was lost.
	Class GuaranteeClass
	// ExecLag is the longest time for which a request that was given up may still
	// take effect; IndexLag the longest time before a record that was created can
	// be found. What is promised of creates rests on both.
	ExecLag, IndexLag time.Duration
	// KeyTTL is how long an idempotency key is remembered ([ClassA]).
	KeyTTL time.Duration
	// Update says what an update does to fields that it does not carry.
	Update UpdateSemantics
	// SameRecord says, for members, that a member keeps the record and the id that
	// the prospect had: converting one is an update.
	SameRecord bool
	// Unique is the field that the system keeps unique ([ClassBPrime]).
	Unique string
	// Natural are the fields by which a person may be found ([ClassD]).
	Natural []string
	// Finds are the fields by which [Finder] finds people of this kind whatever the
	// class: each of them alone in a query is answered. A job's match asks by "email"
	// and by "mobile". Unique and Natural need not be named again.
	Finds []string
	// Fields are the fields that records may carry. Empty means that they are not
	// known.
	Fields []TargetField
	// OtherFields says that records may carry others as well, of which nothing is
	// known.
	OtherFields bool
	// Batch is the largest number of operations that one call of Write takes; 0
	// is [DefaultBatch].
	Batch int
}

// DefaultBatch is the largest number of operations in one call of
// [Target].Write where a target names none.
const DefaultBatch = 500

// FindsBy reports whether people can be looked for by one field alone.
func (k TargetKind) FindsBy(field string) bool {
	switch {
	case slices.Contains(k.Finds, field):
		return true
	case k.Class == ClassBPrime:
		return k.Unique == field
	case k.Class == ClassD:
		return len(k.Natural) == 1 && k.Natural[0] == field
	}
	return false
}

// Can reports whether the system has an operation.
func (k TargetKind) Can(op Op) bool {
	return slices.Contains(k.Writes, op)
}

// GuaranteeClass says what a system offers against a record that is created
// twice when an answer is lost (docs/guarantees.md).
type GuaranteeClass string

// The classes, the strongest first.
const (
	// ClassA honours an idempotency key for a time: [Operation].Marker.
	ClassA GuaranteeClass = "A"
	// ClassB writes under a unique id of ours: [Operation].Key. Writing again
	// changes nothing.
	ClassB GuaranteeClass = "B"
	// ClassBPrime refuses a second record with the same value in one field.
	ClassBPrime GuaranteeClass = "B'"
	// ClassC stores a marker of ours, and finds records by it ([Finder]).
	ClassC GuaranteeClass = "C"
	// ClassD finds records only by fields such as an e-mail address.
	ClassD GuaranteeClass = "D"
	// ClassE offers nothing.
	ClassE GuaranteeClass = "E"
)

// Valid reports whether c is one of the classes.
func (c GuaranteeClass) Valid() bool {
	switch c {
	case ClassA, ClassB, ClassBPrime, ClassC, ClassD, ClassE:
		return true
	}
	return false
}

// UpdateSemantics says what an update does to fields that it does not carry.
type UpdateSemantics string

// The semantics of an update.
const (
	// UpdatePatch leaves them as they are.
	UpdatePatch UpdateSemantics = "patch"
	// UpdateReplace empties them.
	UpdateReplace UpdateSemantics = "replace"
)

// TargetField is one field of the records of a kind.
type TargetField struct {
	// Name is the name that a mapped record uses.
	Name string `json:"name"`
	// Required says that a record without it is refused.
	Required bool `json:"required,omitempty"`
	// MaxLength is the largest number of characters; 0 is no bound.
	MaxLength int `json:"max_length,omitempty"`
	// Shorten says that a longer value may be cut to MaxLength; otherwise the
	// record is refused.
	Shorten bool `json:"shorten,omitempty"`
	// Values are the only texts that the field takes; empty is any.
	Values []string `json:"values,omitempty"`
}

// Op is what is to be done to a record.
type Op string

// The operations.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	// OpDeactivate makes a record inactive and keeps it.
	OpDeactivate Op = "deactivate"
	OpDelete     Op = "delete"
	// OpConvert makes a member of the prospect with the id of the operation, where
	// the system has a call for it. Like a create it answers with an id, which may
	// be another one, and it is sent at most once.
	OpConvert Op = "convert"
	// OpTransfer moves a record to the operation's club, where the system has a
	// call of its own for it.
	OpTransfer Op = "transfer"
)

// Valid reports whether op is one of the operations.
func (op Op) Valid() bool {
	switch op {
	case OpCreate, OpUpdate, OpDeactivate, OpDelete, OpConvert, OpTransfer:
		return true
	}
	return false
}

// WriteRequest asks for operations on records of one kind.
type WriteRequest struct {
	Kind Kind
	// Operations are at most [TargetKind].Batch.
	Operations []Operation
}

// Operation is one change of one record.
type Operation struct {
	Op Op
	// ID is the record's id in the outside system; empty for a create.
	ID string
	// Key identifies the source record for good: the same record always has the
	// same key, and no other record has it. It may be personal data.
	Key string
	// Marker is Key in a form that may be shown and stored anywhere: 24 letters
	// and digits that say nothing of the record. A create of [ClassC] stores it in
	// the record; one of [ClassA] sends it as the idempotency key.
	Marker string
	// Attempt counts the sends of a create from 1.
	Attempt int
	// Club is the id of the record's club in the outside system; may be empty.
	Club string
	// Owner and LeadSource are ids of a staff member and a lead source in the
	// outside system; empty is none.
	Owner, LeadSource string
	// Data are the record's fields, a JSON object.
	Data json.RawMessage
	// Changed are the fields of Data whose values differ from what was sent last,
	// for an update. "owner", "lead_source" and "club" stand for those ids. Empty
	// means that it is not known which.
	Changed []string
}

// WriteResponse answers a [WriteRequest].
type WriteResponse struct {
	// Results are one for each operation, in their order.
	Results []Result
}

// Result is what became of one operation.
type Result struct {
	// Outcome is [OutcomeOK], [OutcomeRefused], [OutcomeConflict] or
	// [OutcomeUnknown]. Only what is proven not to have been executed is refused.
	Outcome Outcome
	// ID is the record's id in the outside system. A create that is ok has one;
	// a conflict has it where the system names the record that is in the way.
	ID string
	// Class says what to do about a refusal: [ClassReject] leaves the record to a
	// person, [ClassRetry] sends it again after a while, [ClassFail] stops
	// delivering until a person has mended the connection.
	Class Class
	// Code says in a stable word what was wrong ([CodeData], [CodeAuth], ...).
	Code Code
	// Detail says the same for people, without values of the record.
	Detail string
	// After is how long to wait before an operation of [ClassRetry] is sent again;
	// 0 where the system named no time.
	After time.Duration
	// Warnings say what the system took differently, without values.
	Warnings []string
}

// OutcomeConflict says that an operation was refused because a record with the
// same unique value, or the same marker, is there already.
const OutcomeConflict Outcome = "conflict"
