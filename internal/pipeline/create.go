package pipeline

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// This file is the protocol of creates as a table: what follows from an outcome
// and from what a search has found. It decides, and does nothing, so that a test
// can walk through every state that it can lead to.

// step is what follows for one operation.
type step int

const (
	// stepDone: executed, and the target's id is known.
	stepDone step = iota
	// stepRefuse: proven not executed, and the record is to blame: quarantine.
	stepRefuse
	// stepAgain: to be sent again after a while, because it was not executed or
	// because sending it twice does no harm.
	stepAgain
	// stepStop: proven not executed, and nothing else would be.
	stepStop
	// stepSettle: executed or not. Nothing is sent before a search, made when the
	// request can no longer take effect unseen, has told which.
	stepSettle
	// stepPark: it cannot be told: a person decides.
	stepPark
)

// nextStep says what follows from the outcome of an operation. It is total: what
// proves nothing leads to a search or to a person, and never to a blind repeat
// of a create.
func nextStep(class sdk.GuaranteeClass, op sdk.Op, r sdk.Result) step {
	switch r.Outcome {
	case sdk.OutcomeOK:
		if makes(op) && r.ID == "" {
			return inDoubt(class, op)
		}
		return stepDone
	case sdk.OutcomeRefused:
		switch r.Class {
		case sdk.ClassRetry:
			return stepAgain
		case sdk.ClassFail:
			return stepStop
		case sdk.ClassReject:
		}
		return stepRefuse
	case sdk.OutcomeConflict:
		if op != sdk.OpCreate {
			return stepRefuse
		}
		return inConflict(class)
	case sdk.OutcomeUnknown:
	}
	return inDoubt(class, op)
}

// makes reports whether an operation makes a record, so that it may not simply be
// sent again.
func makes(op sdk.Op) bool { return op == sdk.OpCreate || op == sdk.OpConvert }

// inDoubt says what follows when nothing is proven. What a conversion has made may
// carry the marker of the prospect that it was made of, or none: a search proves
// nothing of it.
func inDoubt(class sdk.GuaranteeClass, op sdk.Op) step {
	if op == sdk.OpConvert {
		return stepPark
	}
	if op != sdk.OpCreate {
		return stepAgain
	}
	switch class {
	case sdk.ClassA, sdk.ClassB:
		return stepAgain
	case sdk.ClassBPrime, sdk.ClassC, sdk.ClassD:
		return stepSettle
	case sdk.ClassE:
	}
	return stepPark
}

// inConflict says what follows when a create is refused because a record is in
// the way: it may be the one that an earlier attempt made.
func inConflict(class sdk.GuaranteeClass) step {
	switch class {
	case sdk.ClassBPrime, sdk.ClassC, sdk.ClassD:
		return stepSettle
	case sdk.ClassA, sdk.ClassB, sdk.ClassE:
	}
	return stepPark
}

// maxAttempts bounds how often one create is sent: a record that is never found
// after it was sent so often is a person's.
const maxAttempts = 3

// finding is what a search has shown.
type finding struct {
	step step
	// id is the target's id, with stepDone.
	id string
	// reason says why a person has to decide, with stepPark.
	reason string
	// hits are the ids that the record may have, with stepPark.
	hits []string
}

// The reasons for parking a create, the same for every record.
const (
	parkNoSearch   = "the target neither answered clearly nor can be searched for the record"
	parkSeveral    = "the target has several records with the marker of this one"
	parkConverted  = "it is not known whether the target has made a member of the prospect"
	parkNatural    = "the target has a record with the same values, which may be another person's"
	parkForeign    = "the target has a record with the same unique value, and nothing proves that rosterd created it"
	parkMissing    = "the record was sent several times and the target does not show it"
	parkClash      = "the target answered with the id of a record that is linked to another one"
	parkTaken      = "the record of the target that it matches is linked to another one"
	parkEnded      = "the run ended before it was known whether the record was created"
	parkWithoutKey = "the time is over for which the target remembers its idempotency key, and nothing else tells whether the record was created"
)

// conclude says what a search proves that was made after the create's settle
// time. Proof is a match with our marker or, for a record that stands in the way
// of a unique value, with every value that was sent.
func conclude(class sdk.GuaranteeClass, marker string, matches []sdk.Match, same func(sdk.Match) bool, attempt int) finding {
	ids := make([]string, 0, len(matches))
	var ours []string
	for _, m := range matches {
		ids = append(ids, m.ID)
		if m.Marker == marker || class == sdk.ClassBPrime && same(m) {
			ours = append(ours, m.ID)
		}
	}
	switch {
	case class == sdk.ClassE:
		return finding{step: stepPark, reason: parkNoSearch, hits: ids}
	case class == sdk.ClassD && len(ids) > 0:
		return finding{step: stepPark, reason: parkNatural, hits: ids}
	case len(ours) == 1 && (class != sdk.ClassBPrime || len(ids) == 1):
		return finding{step: stepDone, id: ours[0]}
	case len(ours) > 1:
		return finding{step: stepPark, reason: parkSeveral, hits: ours}
	case class == sdk.ClassBPrime && len(ids) > 0:
		return finding{step: stepPark, reason: parkForeign, hits: ids}
	case attempt >= maxAttempts:
		return finding{step: stepPark, reason: parkMissing}
	}
	return finding{step: stepAgain}
}

// settleMargin is added to what a target declares.
const settleMargin = 2 * time.Second

// settleTime is how long nothing may be concluded from a search after a create
// was last under way: the request may still take effect, and what it makes may
// not yet be found.
func settleTime(k sdk.TargetKind, margin time.Duration) time.Duration {
	return k.ExecLag + k.IndexLag + margin
}
