package sdktest

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// TargetOptions describe a [Target]. Its zero value is a system of class C that
// writes prospects and members.
type TargetOptions struct {
	// Kinds are the kinds that it writes: prospect and member when it is nil.
	Kinds []sdk.Kind
	// Class is what a create can be held to: [sdk.ClassC] when it is empty.
	Class sdk.GuaranteeClass
	// ExecLag is when a write with [FaultLate] takes effect, IndexLag when a
	// record can be found, and KeyTTL how long an idempotency key is remembered,
	// an hour when it is 0.
	ExecLag, IndexLag, KeyTTL time.Duration
	// Update is [sdk.UpdatePatch] when it is empty.
	Update sdk.UpdateSemantics
	// Unique is the field of class B', "email" when it is empty. It is also what
	// class D finds records by.
	Unique string
	// Finds are fields by which it finds records whatever its class.
	Finds []string
	// Fields are those that it declares. A record without a required one is
	// refused, and so is one without any field.
	Fields []sdk.TargetField
	// Converts says that it makes members of prospects by [sdk.OpConvert]: the
	// prospect stays, inactive, and the member has an id of its own. SameRecord
	// says that an update does, which keeps record and id.
	Converts, SameRecord bool
	// Transfers says that [sdk.OpTransfer] moves a record to another club, and
	// that an update does not.
	Transfers bool
	// Batch is the largest number of operations in one call.
	Batch int
	// Now is its clock; nil is time.Now.
	Now func() time.Time
}

// Fault is what goes wrong with one operation.
type Fault int

// The faults of a [Target].
const (
	// FaultNone: nothing.
	FaultNone Fault = iota
	// FaultLostAnswer: it is executed and its outcome is unknown.
	FaultLostAnswer
	// FaultLostRequest: it is not executed and its outcome is unknown.
	FaultLostRequest
	// FaultLate: its outcome is unknown, and it is executed when ExecLag has
	// passed.
	FaultLate
	// FaultRetry, FaultReject and FaultFail: it is refused with that class.
	FaultRetry
	FaultReject
	FaultFail
)

// Stored is one record of a [Target].
type Stored struct {
	Kind sdk.Kind
	ID   string
	// Key and Marker are those of the operation that created it.
	Key, Marker             string
	Club, Owner, LeadSource string
	Fields                  map[string]json.RawMessage
	Inactive                bool
	// MadeOf is the id of the prospect that became this member by
	// [sdk.OpConvert]; empty for any other record.
	MadeOf string
	// Created is when it was created, and Updates how often it was updated.
	Created time.Time
	Updates int
}

// Target is an outside system in memory that records are written into, for
// tests of what writes to one. What goes wrong with it is switched on and off.
// It serves concurrent calls.
type Target struct {
	opt TargetOptions

	mu      sync.Mutex
	records []*Stored
	last    int
	late    []lateOp
	fault   func(sdk.Operation) Fault
	err     error
	writes  int
	ops     []sdk.Operation
	staff   []sdk.Staff
	leads   []sdk.LeadSource
	clubs   []sdk.Club
}

// lateOp is an operation that takes effect later.
type lateOp struct {
	kind sdk.Kind
	op   sdk.Operation
	due  time.Time
}

var (
	_ sdk.Target           = (*Target)(nil)
	_ sdk.Finder           = (*Target)(nil)
	_ sdk.Getter           = (*Target)(nil)
	_ sdk.StaffLister      = (*Target)(nil)
	_ sdk.StaffFinder      = (*Target)(nil)
	_ sdk.LeadSourceLister = (*Target)(nil)
	_ sdk.Limited          = (*Target)(nil)
)

// NewTarget makes a system without records.
func NewTarget(o TargetOptions) *Target {
	if o.Kinds == nil {
		o.Kinds = []sdk.Kind{sdk.KindProspect, sdk.KindMember}
	}
	if o.Class == "" {
		o.Class = sdk.ClassC
	}
	if o.KeyTTL == 0 {
		o.KeyTTL = time.Hour
	}
	if o.Update == "" {
		o.Update = sdk.UpdatePatch
	}
	if o.Unique == "" {
		o.Unique = "email"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Target{opt: o}
}

// SetFault makes f decide what goes wrong with each operation; nil is nothing.
// It must not call the target.
func (t *Target) SetFault(f func(sdk.Operation) Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = f
}

// Fail makes every call return err without executing anything until it is
// called with nil.
func (t *Target) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

// SetStaff sets the staff that it lists.
func (t *Target) SetStaff(staff ...sdk.Staff) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.staff = staff
}

// SetLeadSources sets the lead sources that it lists.
func (t *Target) SetLeadSources(sources ...sdk.LeadSource) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leads = sources
}

// SetClubs sets the clubs that it lists.
func (t *Target) SetClubs(clubs ...sdk.Club) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clubs = clubs
}

// Put adds a record that rosterd did not create, and returns its id.
func (t *Target) Put(r Stored) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.add(r).ID
}

// Records returns copies of the records in the order in which they were
// created.
func (t *Target) Records() []Stored {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	out := make([]Stored, 0, len(t.records))
	for _, r := range t.records {
		c := *r
		c.Fields = maps.Clone(r.Fields)
		out = append(out, c)
	}
	return out
}

// Count is the number of records.
func (t *Target) Count() int { return len(t.Records()) }

// Created is how many records were created from the source record with a key:
// more than one are duplicates. A member that a prospect became is none.
func (t *Target) Created(key string) int {
	n := 0
	for _, r := range t.Records() {
		if r.Key == key && r.MadeOf == "" {
			n++
		}
	}
	return n
}

// Writes is how often Write was called.
func (t *Target) Writes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writes
}

// Operations are all that arrived, in their order.
func (t *Target) Operations() []sdk.Operation {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.ops)
}
