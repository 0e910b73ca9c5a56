package roster

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Delivery is what changes together with a run when its prepared change set
// begins to be delivered, or when the run ends.
type Delivery struct {
	// Cursors are the job's cursors from then on, by kind. A kind that is not
	// in it keeps its cursor; a nil cursor is the beginning.
	Cursors map[sdk.Kind]sdk.Cursor
	// ReplaceQuarantine says that the run has read everything, so that what
	// other runs of the job left in quarantine is removed.
	ReplaceQuarantine bool
	// Retried are the ids of quarantined records that the run has read again: their
	// older entries are removed, and those of the run itself stand.
	Retried []string
	// Since is when the run had read everything: what a person has decided about a
	// parked create since then stays in the quarantine. Zero is never.
	Since time.Time
}
