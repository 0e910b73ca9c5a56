package roster

import (
	"fmt"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// LogLevel says how a record fared.
type LogLevel byte

// The levels, the gravest last.
const (
	// LogInfo: it arrived.
	LogInfo LogLevel = iota
	// LogWarning: it arrived, but not all of it, or not as its source has it.
	LogWarning
	// LogError: it did not arrive.
	LogError
)

// LogLevels is the number of levels.
const LogLevels = 3

func logLevels() [LogLevels]string { return [...]string{"info", "warning", "error"} }

// String returns the level in one word.
func (l LogLevel) String() string {
	if names := logLevels(); int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("level %d", byte(l))
}

// MarshalText writes the level in one word.
func (l LogLevel) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes. Another word is [ErrInvalid].
func (l *LogLevel) UnmarshalText(text []byte) error {
	for level, name := range logLevels() {
		if name == string(text) {
			*l = LogLevel(level) //nolint:gosec // there are three
			return nil
		}
	}
	return fmt.Errorf("a level is info, warning or error, and not %q: %w", text, ErrInvalid)
}

// LogMissing says what a record was sent without because it has no link.
type LogMissing byte

// What may be missing; they are added up.
const (
	LogOwner LogMissing = 1 << iota
	LogLeadSource
)

// LogBatch is what became of records of one run, as it was stored at one moment.
type LogBatch struct {
	At time.Time
	// Run and Job name the run, To is the ref of the connection that it delivers to;
	// may be empty.
	Run, Job, To string
	Entries      []LogEntry
}

// LogEntry is what became of one record.
type LogEntry struct {
	Level LogLevel
	// Code names the outcome: one of those below, or that of a refused record.
	Code string
	Kind sdk.Kind
	// Record and Target are its ids in the source and in the target; either may be
	// empty. They may be an e-mail address.
	Record, Target string
	// Club is the account's key of the record's club; may be empty.
	Club    string
	Missing LogMissing
	// Detail says more, the same for every record of one cause and without their
	// values; may be empty.
	Detail string
}

// Outcomes of a sync's records that are in no quarantine.
const (
	LogCreated     = "created"
	LogFound       = "found"
	LogConverted   = "converted"
	LogUpdated     = "updated"
	LogMoved       = "moved"
	LogMatched     = "matched"
	LogLinked      = "linked"
	LogReferences  = "references"
	LogDeactivated = "deactivated"
	LogDeleted     = "deleted"
	// LogOverwritten: the target's own change was overwritten.
	LogOverwritten = "overwritten"
	// LogOlder: it was not sent, because the target's own change is newer.
	LogOlder = "older"
	// LogTaken: it was not linked, because the record of the target is another one's.
	LogTaken = "taken"
	// LogParked and LogReview wait for a person.
	LogParked = "parked"
	LogReview = "review"
)

// Outcomes of clients of an import, as the target tells them.
const (
	LogImported = "imported"
	LogReplaced = "replaced"
	LogKept     = "kept"
)
