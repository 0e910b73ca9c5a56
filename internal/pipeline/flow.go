package pipeline

import (
	"context"
	"time"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Source reads the pages of a run. It is used by one goroutine at a time.
type Source interface {
	Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error)
}

// Mapper maps pages. It is called concurrently.
type Mapper interface {
	Map(ctx context.Context, page *sdk.Page) (*roster.Mapped, error)
}

// ChangeSet takes the frozen records of a run, in order.
type ChangeSet interface {
	// Append adds one record: the id under which it was frozen and its
	// encoded form, which is copied.
	Append(id string, data []byte) error
	// Finish makes the change set durable.
	Finish() error
	// Abort discards it. It does nothing after Finish.
	Abort()
}

// Delivery is what came of delivering a change set.
type Delivery struct {
	// Served counts the clients of an import; the others were not asked for.
	Served int
	// Warnings are for the operator.
	Warnings []string
}

// Flow is a job made ready for one run: its connections opened and its script
// loaded.
type Flow struct {
	Source Source
	Mapper Mapper
	// Script is the SHA-256 of the mapping, in hex.
	Script string
	// Parallel is how many pages may be mapped at a time, at least 1.
	Parallel int
	// Erased tells whose records are left out; nil where nobody was erased.
	Erased Erased
	// Kinds are the kinds of record to read, in order.
	Kinds []sdk.Kind
	// Changes says that reading goes on behind the job's cursors.
	Changes bool
	// Create begins the run's change set, discarding an unfinished one.
	Create func() (ChangeSet, error)
	// Sync is what a sync needs beside; nil for an import.
	Sync *SyncFlow
	// Deliver delivers the finished change set of an import and returns when the
	// delivery is over. It is called again for the same run after a restart.
	Deliver func(ctx context.Context, run roster.Run, progress func(served int)) (Delivery, error)
	// Discard removes the run's change set.
	Discard func() error
	// Close releases what the flow holds.
	Close func()
}

// SyncFlow is what a sync needs beside what an import does.
type SyncFlow struct {
	// From and To are the refs of the connections.
	From, To string
	Options  roster.SyncOptions
	Links    LinkStore
	Intents  IntentStore
	Mapper   RowMapper
	// Target is how records of each kind are written. A kind that the target does
	// not write is not in it.
	Target map[sdk.Kind]sdk.TargetKind
	// Clubs are the target's ids of the account's clubs.
	Clubs map[string]string
	// Digests is the key of the digests, Mapping the digest of the script and of
	// what else decides what a source record becomes, at least 2. It is 0 where a
	// run goes on with its delivery: the script may be another one by now.
	Digests digest.Key
	Mapping uint32
	// TwoWay says that another job syncs in the other direction.
	TwoWay bool
	// Basis are digests of what a change set is made from, see roster.Run.
	Basis map[string]string
	// Write writes records. It is not called before the run is delivering.
	Write func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error)
	// Find and Get read the target; nil where it lacks the ability.
	Find func(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error)
	Get  func(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error)
	// GetSource reads single records of the source; nil where it lacks the ability.
	GetSource func(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error)
	// ListStaff, FindStaff and ListLeadSources tell what the target has of those; nil
	// where it lacks the ability.
	ListStaff       func(ctx context.Context) ([]sdk.Staff, error)
	FindStaff       func(ctx context.Context, email string) ([]sdk.Staff, error)
	ListLeadSources func(ctx context.Context) ([]sdk.LeadSource, error)
	// Changes opens the run's finished change set.
	Changes func() (Changes, error)
	// Margin is added to the times that the target declares before anything is
	// concluded from a search; 0 is two seconds.
	Margin time.Duration
	// Began is when this life of the daemon began, with a monotonic reading: what
	// an earlier life had under way ended before it.
	Began time.Time
	// Restored is set while links may be missing, because the store was put back
	// from a backup: every create is then proven not to be a second one.
	Restored *Restored
}

func (s *SyncFlow) route(kind sdk.Kind) roster.Route {
	return roster.Route{From: s.From, To: s.To, Kind: kind}
}

// RowMapper maps some of the records of a page. It is called concurrently.
type RowMapper interface {
	// MapRows maps the records at the given places, in ascending order.
	MapRows(ctx context.Context, page *sdk.Page, rows []int) (*roster.Mapped, error)
}

// Changes reads a finished change set.
type Changes interface {
	// Len is the number of entries.
	Len() int
	// Entries calls visit with the entries from (inclusive) to to (exclusive), in
	// order. Data is not changed later, and must not be.
	Entries(from, to int, visit func(entry int, data []byte) error) error
	Close() error
}

// LinkStore reads links.
type LinkStore interface {
	// Standings returns what is remembered of source records, in their order.
	Standings(ctx context.Context, route roster.Route, sources []string) ([]roster.Standing, error)
	// Links returns links in the order of their source ids.
	Links(ctx context.Context, route roster.Route, filter roster.LinkFilter) ([]roster.Link, error)
	// OpenLinks returns the links of which a reference has none.
	OpenLinks(ctx context.Context, route roster.Route, filter roster.LinkFilter) ([]roster.OpenLink, error)
	CountLinks(ctx context.Context, route roster.Route) (int, error)
	// Marker returns the marker of a source record.
	Marker(route roster.Route, source string) string
}

// IntentStore keeps creates that are under way, and stores outcomes.
type IntentStore interface {
	// Arm stores intents of one route in one transaction, before they are sent. An
	// intent is stored, and answered with an empty standing, when its source has
	// neither a link nor an intent, or the armed intent of the same run with one
	// attempt less. Otherwise what stands there is answered.
	Arm(ctx context.Context, intents []roster.Intent) ([]roster.Standing, error)
	CloseLinks(ctx context.Context, closing roster.Closing) (roster.Closed, error)
	// Intents returns the armed intents of a run by their entries, OpenIntents
	// those of a route by any run.
	Intents(ctx context.Context, run string) ([]roster.Intent, error)
	OpenIntents(ctx context.Context, route roster.Route) ([]roster.Intent, error)
	// Parked returns the creates that wait for a person.
	Parked(ctx context.Context, filter roster.ParkedFilter) ([]roster.Parked, error)
}

// RunStore keeps runs. Its methods return roster.ErrNotFound and
// roster.ErrExists where those apply.
type RunStore interface {
	CreateRun(ctx context.Context, run roster.Run) error
	Run(ctx context.Context, id string) (roster.Run, error)
	UpdateRun(ctx context.Context, id string, update func(*roster.Run) error) (roster.Run, error)
	Runs(ctx context.Context, filter roster.RunFilter) ([]roster.Run, error)
	// BeginDelivery stores, in one transaction, the run as update leaves it
	// and what goes with it. It is called when a delivery begins and when it
	// ends.
	BeginDelivery(ctx context.Context, id string, d roster.Delivery, update func(*roster.Run) error) (roster.Run, error)
}

// CursorStore remembers how far the jobs have read.
type CursorStore interface {
	// Cursor returns nil for the beginning.
	Cursor(ctx context.Context, job string, kind sdk.Kind) (sdk.Cursor, error)
}

// QuarantineStore keeps refused records.
type QuarantineStore interface {
	// RetryQuarantine returns the refused records of a job with their payloads, by
	// id, behind the given id.
	RetryQuarantine(ctx context.Context, job, after string, limit int) ([]roster.Quarantined, error)
	// AddQuarantine returns how many forms of records stand no more because the run
	// has refused a later one.
	AddQuarantine(ctx context.Context, records []roster.Quarantined) (replaced int, err error)
	// Supersede removes what a run has refused of earlier forms of records, and
	// returns how many there were.
	Supersede(ctx context.Context, job, run string, kind sdk.Kind, later []roster.Superseded) (replaced int, err error)
	// DropRunQuarantine forgets what a preparation that is repeated had added.
	DropRunQuarantine(ctx context.Context, run string) error
}
