package roster

import (
	"strings"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Verdict is what a mapping decided about one record.
type Verdict byte

// The verdicts.
const (
	// VerdictMapped: Data holds the target record.
	VerdictMapped Verdict = iota
	// VerdictSkipped: the script wants none, and says why.
	VerdictSkipped
	// VerdictRejected: to quarantine.
	VerdictRejected
)

// Mapped is what became of one source page, record by record in order.
type Mapped struct {
	// Fields are the target fields that occur on the page; a record's Fields
	// are positions in it. Those of matters are named as [MatterField] does.
	Fields  []string
	Records []MappedRecord
	// Unknown are the fields that the script reads by name and that no record
	// of the page can have, because the page has no such column.
	Unknown []string
	// Warnings are the different warnings about records of the page; a record's
	// Warnings are positions in it. They hold no values of records.
	Warnings []string
}

// MappedRecord is what became of one record.
type MappedRecord struct {
	// Row is the record's index in its page.
	Row     int
	Verdict Verdict
	// ID, Club and Position are the source record's. Club is the account's key
	// of the club, empty for an account without clubs.
	ID, Club, Position string
	// Key identifies the target record: for an import its external_id.
	Key string
	// Data is the encoded target record of VerdictMapped: for an import one
	// client as a JSON object.
	Data []byte
	// Fields are the target fields that the record carries.
	Fields FieldSet
	// Sum is the digest of the target record, and Shorts those of its fields in the
	// order of their positions in Fields; only where the target asked for them
	// ([MapTarget].Digests).
	Sum    digest.Sum
	Shorts []uint32
	// Owner and LeadSource are the source's ids of the record's staff member and
	// lead source, taken out of the target record; only for a sync.
	Owner, LeadSource string
	// Target is the target's id of the record, where the source knows it; taken out
	// of the target record as well.
	Target string
	// Warnings are what the record was changed in to fit the target, as positions
	// in [Mapped].Warnings; nil for nearly every record.
	Warnings []uint16
	// Code and Reason say why a record was skipped or rejected; Line is the
	// script's line where that is known. They hold no values of the record.
	Code, Reason string
	Line         int
	// Stage is where a rejected record was refused.
	Stage Stage
	// Payload is the source record as JSON, for the quarantine; only with
	// VerdictRejected.
	Payload []byte
}

// MaxFields bounds the target fields of one page.
const MaxFields = 256

// FieldSet is a set of positions below [MaxFields].
type FieldSet [MaxFields / 64]uint64

// Add puts position i into the set.
func (s *FieldSet) Add(i int) { s[i/64] |= 1 << (i % 64) }

// Has reports whether position i is in the set.
func (s FieldSet) Has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// Union adds every position of other.
func (s *FieldSet) Union(other FieldSet) {
	for i := range s {
		s[i] |= other[i]
	}
}

// MapTarget is what a mapping's result must satisfy and how it is encoded.
type MapTarget struct {
	// Kind is the kind of record that is mapped.
	Kind sdk.Kind
	// Required are the fields without which a record is quarantined.
	Required []string
	// Present are the fields that a record has to carry, be they null: a target
	// that empties what an update does not carry is sent only whole records.
	Present []string
	// KeyField is the field that identifies the record at the target; where a
	// script leaves it out, the source id stands for it. Empty where a record has
	// no such field: then the source id is its key.
	KeyField string
	// Matters is how a client holds its matters; nil where it cannot have any.
	Matters *sdk.MatterForm
	// Digests is the key of the digests of mapped records; nil where none are
	// wanted. A target with matters has none.
	Digests *digest.Key
	// References says that the fields owner and lead_source are ids of the source,
	// which are taken out of the record.
	References bool
	// Fields are the target's fields as its adapter declares them; empty where they
	// are not known.
	Fields []sdk.TargetField
	// OtherFields says that the target has others beside Fields.
	OtherFields bool
	// Policies are the fields that are not simply overwritten.
	Policies map[string]FieldPolicy
}

// FieldPolicy says what becomes of a field when a record is updated.
type FieldPolicy string

// The policies.
const (
	// PolicyOverwrite sends the field whenever it has changed.
	PolicyOverwrite FieldPolicy = "overwrite"
	// PolicyFillIfEmpty sends it when the record is created, and later only where
	// the target has nothing in it.
	PolicyFillIfEmpty FieldPolicy = "fill_if_empty"
	// PolicyNeverNull sends it unless it is empty.
	PolicyNeverNull FieldPolicy = "never_null"
)

// ImportTarget is the [MapTarget] of an import: first_name is mandatory, and
// external_id identifies the client (seed document, "Mandatory fields").
func ImportTarget(kind sdk.Kind) MapTarget {
	return MapTarget{Kind: kind, Required: []string{"first_name"}, KeyField: "external_id"}
}

// The fields of a mapped record that refer to records of other kinds by their
// ids in the source.
const (
	OwnerField      = "owner"
	LeadSourceField = "lead_source"
)

// The fields of a mapped record that stand for themselves: TargetField holds the
// target's id of the record where the source knows it (the rule stored_id of a
// job's match), and is not sent. ClubField names the record's club among the
// fields that have changed.
const (
	TargetField = "target_id"
	ClubField   = "club"
)

// WithMatters is the target of an import of type multi, whose clients hold
// matters. What the form leaves open takes the names that scripts use.
func (t MapTarget) WithMatters(form sdk.MatterForm) MapTarget {
	if form.Key == "" {
		form.Key = MattersField
	}
	if form.Name == "" {
		form.Name = MatterName
	}
	t.Matters = &form
	return t
}

// The names that scripts use: the field of a client that lists its matters, and
// the field of a matter that holds its name.
const (
	MattersField = "matters"
	MatterName   = "name"
)

// matterPrefix leads the names of fields of matters. No field of a client may
// begin with it.
const matterPrefix = MattersField + "[]."

// MatterField names a field of matters among the fields of a run, where those
// of clients stand by their own names.
func MatterField(name string) string { return matterPrefix + name }

// CutMatterField returns the name of a field of matters within a matter, and
// whether field is one.
func CutMatterField(field string) (name string, ok bool) {
	return strings.CutPrefix(field, matterPrefix)
}
