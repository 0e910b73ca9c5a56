package pipeline

import "github.com/rosterd/rosterd/internal/roster"

// tally says as what a change counts in its run.
type tally int

const (
	// uncounted: it was not read, or it is counted when it comes again.
	uncounted tally = iota
	tallyCreated
	tallyUpdated
	// tallyReopened: a reference was sent later.
	tallyReopened
	tallyDeactivated
	tallyLinked
	tallyUnchanged
	tallySkipped
	tallyWaiting
	tallyQuarantined
	// tallyRemaining: it was to be deactivated and was not.
	tallyRemaining
)

// add counts one change. Created and Updated have to be set.
func (t tally) add(counts *roster.Counts) {
	switch t {
	case uncounted:
	case tallyCreated:
		*counts.Created++
	case tallyUpdated:
		*counts.Updated++
	case tallyReopened:
		counts.Reopened++
	case tallyDeactivated:
		counts.Deactivated++
	case tallyLinked:
		counts.Linked++
	case tallyUnchanged:
		counts.Unchanged++
	case tallySkipped:
		counts.Skipped++
	case tallyWaiting:
		counts.Waiting++
	case tallyQuarantined:
		counts.Quarantined++
	case tallyRemaining:
		counts.Remaining++
	}
}
