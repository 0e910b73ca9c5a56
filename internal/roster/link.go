package roster

import (
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Route says between which connections records of a kind are linked, and in
// which direction: From is the source, To the target. The two directions
// between two connections share their links.
type Route struct {
	// From and To are the refs of the connections.
	From, To string
	Kind     sdk.Kind
}

// LinkSet names the links that both directions share: the two refs in order,
// joined with a space.
func (r Route) LinkSet() string {
	if r.From < r.To {
		return r.From + " " + r.To
	}
	return r.To + " " + r.From
}

// Forward reports whether the route runs in the direction in which its link set
// is named.
func (r Route) Forward() bool { return r.From < r.To }

// Reverse is the route of the other direction.
func (r Route) Reverse() Route { return Route{From: r.To, To: r.From, Kind: r.Kind} }

// CutLinkSet returns the refs of a link set.
func CutLinkSet(set string) (a, b string, ok bool) { return strings.Cut(set, " ") }

// Link says which target id a source id became. It is one-to-one within its
// link set and kind, and is seen from one direction.
type Link struct {
	// Source and Target are the record's ids at the two ends of the route. They
	// are stored in clear.
	Source string `json:"source"`
	Target string `json:"target"`
	// Version is raised by every change of the link; 0 means that there is none.
	Version uint32 `json:"version"`
	// Origin says how the link came to be.
	Origin LinkOrigin `json:"origin"`
	// Made and Changed are when the link was made and last changed.
	Made    time.Time `json:"made"`
	Changed time.Time `json:"changed"`
	// Sent is what was last sent in the direction of the route.
	Sent Sent `json:"-"`
	// Seen is the digest of the target record as it was last observed, after it
	// was written in this direction or read in the other one; 0 is not known. It is
	// the other direction's Sent.Row: each direction knows by it what the other one
	// has just written. Where it changes, the Mapping and the Sum that the other
	// direction has sent are forgotten.
	Seen uint64 `json:"-"`
	// Gone says that the target record was deactivated because the source record
	// was gone.
	Gone bool `json:"gone,omitempty"`
}

// Sent is what a link knows of the record that was last sent in one direction.
type Sent struct {
	// Row is the digest of the source record, 0 where it is not known.
	Row uint64
	// Mapping names what made the target record of it: script and configuration.
	// Where it is another one, the same source record may make another target
	// record. 0 says that the other direction has written the source record since, or
	// that nothing was sent: Fields may be out of date.
	Mapping uint32
	// Sum is the digest of the target record.
	Sum digest.Sum
	// Fields are its fields, sorted by name.
	Fields []SentField
	// Open says that a reference of the record, an owner or a lead source, had no
	// link, so that it is looked up again each time. Owner and LeadSource are the
	// source's ids of those; they are told by OpenLinks of the store alone.
	Open              bool
	Owner, LeadSource string
}

// OpenLink is a link of which a reference has none.
type OpenLink struct {
	// Source is the record's id in the source, Owner and LeadSource the source's ids
	// of what it refers to; empty for a reference that is linked or not there.
	Source, Owner, LeadSource string
}

// SentField is one field of a record that was sent.
type SentField struct {
	Name string
	// Short is the field's digest in 32 bits (digest.Field.Short).
	Short uint32
}

// LinkOrigin says how a link came to be.
type LinkOrigin string

// The origins of a link.
const (
	// LinkCreated: rosterd created the target record and was told its id.
	LinkCreated LinkOrigin = "created"
	// LinkFound: rosterd created the target record and found it by its marker
	// after the answer was lost.
	LinkFound LinkOrigin = "found"
	// LinkMatched: the record was there and was matched by a rule of the job.
	LinkMatched LinkOrigin = "matched"
	// LinkManual: a person made the link.
	LinkManual LinkOrigin = "manual"
)

// LinkEvent is one change of a link.
type LinkEvent struct {
	At time.Time `json:"at"`
	// What says in one word what happened: "created", "found", "matched",
	// "manual", "removed", "deactivated", "conflict", "parked", and "clash" where one
	// of its records was to be linked to another one.
	What string `json:"what"`
	// Source and Target are the ids that were linked then.
	Source string `json:"source"`
	Target string `json:"target"`
	// By names the run, or the person's command.
	By string `json:"by"`
	// Note says more, without values of the record: the fields that lost a
	// conflict.
	Note string `json:"note,omitempty"`
}

// LinkFilter selects links of a route. Its zero value selects all, in the order
// of their source ids.
type LinkFilter struct {
	// After is the source id behind which to begin; empty for the beginning.
	After string
	// Limit is the largest number wanted; 0 for no limit.
	Limit int
}

// Unlinked is a staff member or a lead source of a source that has no counterpart at
// the target. It is made when somebody asks, holds personal data, and is stored nowhere.
type Unlinked struct {
	Kind   sdk.Kind `json:"kind"`
	Source string   `json:"source"`
	// Name and Email are as the script maps them; empty where it does not.
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	// Why is the cause; Reason says it in words.
	Why    UnlinkedCause `json:"why"`
	Reason string        `json:"reason"`
	// MayBe are the target's ids of the records that it may be.
	MayBe []string `json:"may_be"`
}

// UnlinkedCause says why a record has no counterpart.
type UnlinkedCause string

// The causes.
const (
	// UnlinkedAbsent: the target has no record with its e-mail address or name.
	UnlinkedAbsent UnlinkedCause = "absent"
	// UnlinkedSeveral: the target has several.
	UnlinkedSeveral UnlinkedCause = "several"
	// UnlinkedInactive: those that the target has are inactive.
	UnlinkedInactive UnlinkedCause = "inactive"
	// UnlinkedUnlisted: the target does not tell what it has.
	UnlinkedUnlisted UnlinkedCause = "unlisted"
	// UnlinkedIgnored: the job ignores such records.
	UnlinkedIgnored UnlinkedCause = "ignored"
	// UnlinkedSkipped: the script skips the record.
	UnlinkedSkipped UnlinkedCause = "skipped"
	// UnlinkedRefused: the record is refused, as one without an e-mail address is.
	UnlinkedRefused UnlinkedCause = "refused"
)
