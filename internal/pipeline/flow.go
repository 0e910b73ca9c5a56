package pipeline

import (
	"context"

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
	// Kinds are the kinds of record to read, in order.
	Kinds []sdk.Kind
	// Changes says that reading goes on behind the job's cursors.
	Changes bool
	// Create begins the run's change set, discarding an unfinished one.
	Create func() (ChangeSet, error)
	// Deliver delivers the run's finished change set and returns when the
	// delivery is over. It is called again for the same run after a restart.
	Deliver func(ctx context.Context, run roster.Run, progress func(served int)) (Delivery, error)
	// Discard removes the run's change set.
	Discard func() error
	// Close releases what the flow holds.
	Close func()
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
	AddQuarantine(ctx context.Context, records []roster.Quarantined) error
	// DropRunQuarantine forgets what a preparation that is repeated had added.
	DropRunQuarantine(ctx context.Context, run string) error
}
