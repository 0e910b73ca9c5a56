package recordlog

import (
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// Sentence says what became of a line's record, for an operator.
func (l *Line) Sentence() string {
	at := "the target"
	if _, key, ok := strings.Cut(l.To, "/"); ok {
		at = key
	}
	text, known := sentences(at)[l.Code]
	if !known {
		text = "not saved" // it has the code of a refused record, whose reason is the detail
	}
	switch l.Missing {
	case 0:
	case roster.LogOwner:
		text += ", without its owner, who has no link at " + at
	case roster.LogLeadSource:
		text += ", without its lead source, which has no link at " + at
	default:
		text += ", without its owner and its lead source, which have no link at " + at
	}
	switch {
	case l.Detail == "":
		return text
	case l.Level == roster.LogError:
		return text + ": " + l.Detail
	}
	return text + "; " + l.Detail
}

// sentences is the table of what each code says; at names the target.
func sentences(at string) map[string]string {
	return map[string]string{
		roster.LogCreated:     "created",
		roster.LogFound:       "created (the answer was lost, and it was found by its marker)",
		roster.LogConverted:   "made a member of the prospect",
		roster.LogUpdated:     "updated",
		roster.LogMoved:       "updated, and moved to its club",
		roster.LogMatched:     "linked with the one that was there, and updated",
		roster.LogLinked:      "linked with the one that was there",
		roster.LogReferences:  "its owner or its lead source was sent, which has a link by now",
		roster.LogDeactivated: "deactivated, because it is gone from the source",
		roster.LogDeleted:     "deleted, because it is gone from the source",
		roster.LogOverwritten: "updated, over a change that was made at " + at,
		roster.LogOlder:       "not updated, because the change that was made at " + at + " is newer",
		roster.LogTaken:       "not linked, because the record of " + at + " that it matches is linked to another one",
		roster.LogParked:      "waits for a person",
		roster.LogReview:      "waits for a person",
		roster.LogImported:    "imported as a new client",
		roster.LogReplaced:    "imported over the client that was there",
		roster.LogKept:        "left as it was there",
	}
}
