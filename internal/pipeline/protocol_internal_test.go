package pipeline

import (
	"fmt"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// This test walks through every state that one create can come to: up to four
// sends, two crashes, two lost answers, requests that take effect late or never,
// records that are not found yet, and somebody else's record with the same values
// that appears at any moment. The decisions are the protocol's own: nextStep and
// conclude. The variants that are known to be bad have to be found bad.

// variant is a way to handle creates.
type variant struct {
	class sdk.GuaranteeClass
	// unsettled searches at once, blind sends again without a search, unarmed keeps
	// no intent, early moves the cursor when the record is read, byValues links
	// whatever has the same values.
	unsettled, blind, unarmed, early, byValues bool
}

// protocolState is one state of the create, its daemon and its target.
type protocolState struct {
	// What survives a crash.
	cursor, armed, parked, linked bool
	attempt                       int8
	// wrong says that the link points to somebody else's record.
	wrong bool
	// phase is what the daemon is doing; a crash forgets it.
	phase protocolPhase
	// pending are requests that were given up and may still take effect, made the records of ours that
	// are there, seen those of them that a search finds.
	pending, made, seen int8
	// alike says that somebody else's record is there.
	alike bool
	// What may still happen.
	sends, crashes, losses int8
}

type protocolPhase int8

const (
	phaseStart protocolPhase = iota
	phaseReady
	phaseSent
	phaseDoubt
	phaseAgain
	phaseOver
)

// findings of an exploration.
type protocolFindings struct {
	states                            int
	duplicate, wrongLink, ahead, lost bool
}

func explore(v variant) protocolFindings {
	first := protocolState{sends: 4, crashes: 2, losses: 2, attempt: 1}
	seen := map[protocolState]bool{first: true}
	queue := []protocolState{first}
	var found protocolFindings
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		found.note(s)
		next := v.next(s)
		if len(next) == 0 && !s.linked && !s.parked && s.sends > 0 {
			found.lost = true
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	found.states = len(seen)
	return found
}

func (f *protocolFindings) note(s protocolState) {
	f.duplicate = f.duplicate || s.made > 1
	f.wrongLink = f.wrongLink || s.wrong
	f.ahead = f.ahead || s.cursor && !s.armed && !s.parked && !s.linked && s.phase == phaseStart
	if s.cursor && s.phase == phaseStart && !s.armed && !s.parked && !s.linked {
		f.lost = true
	}
}

// next returns every state that can follow.
func (v variant) next(s protocolState) []protocolState {
	return append(v.environment(s), v.daemon(s)...)
}

// environment is what happens without the daemon's doing.
func (v variant) environment(s protocolState) []protocolState {
	var out []protocolState
	if s.pending > 0 {
		late := v.executed(s)
		late.pending--
		never := s
		never.pending--
		out = append(out, late, never)
	}
	if s.seen < s.made {
		indexed := s
		indexed.seen = s.made
		out = append(out, indexed)
	}
	if !s.alike && (v.class != sdk.ClassBPrime || s.made == 0) {
		other := s
		other.alike = true
		out = append(out, other)
	}
	if s.crashes > 0 && s.phase != phaseOver {
		crashed := s
		crashed.crashes--
		crashed.phase = phaseStart
		if s.phase == phaseSent {
			crashed.pending++ // the request is on its way
		}
		out = append(out, crashed)
	}
	return out
}

// executed lets one request take effect, as the class of the target has it.
func (v variant) executed(s protocolState) protocolState {
	switch {
	case s.made > 0 && (v.class == sdk.ClassA || v.class == sdk.ClassB):
	case v.class == sdk.ClassBPrime && (s.made > 0 || s.alike):
	default:
		s.made++
	}
	return s
}

// daemon is what the daemon may do.
func (v variant) daemon(s protocolState) []protocolState {
	switch s.phase {
	case phaseStart:
		return v.start(s)
	case phaseReady, phaseAgain:
		return v.send(s)
	case phaseSent:
		return v.answer(s)
	case phaseDoubt:
		return v.settle(s)
	case phaseOver:
	}
	return nil
}

// start begins with the record, or goes on after a crash.
func (v variant) start(s protocolState) []protocolState {
	switch {
	case s.linked || s.parked:
		s.phase = phaseOver
	case s.armed:
		s.phase = phaseDoubt
		if inDoubt(v.class, sdk.OpCreate) == stepAgain || v.blind {
			s.phase = phaseAgain
		}
	case s.cursor && v.early:
		s.phase = phaseOver // the source does not give it again
	default:
		s.armed, s.phase, s.cursor = !v.unarmed, phaseReady, !v.unarmed || v.early
	}
	return []protocolState{s}
}

// send sends the create once.
func (v variant) send(s protocolState) []protocolState {
	if s.sends == 0 {
		return nil
	}
	s.sends--
	s.phase = phaseSent
	return []protocolState{s}
}

// answer is what comes of a send, at the moment when the daemon hears of it.
func (v variant) answer(s protocolState) []protocolState {
	var out []protocolState
	done := v.executed(s)
	refusedByUnique := v.class == sdk.ClassBPrime && (s.made > 0 || s.alike)
	if refusedByUnique {
		out = append(out, v.decide(done, sdk.Result{Outcome: sdk.OutcomeConflict})...)
	} else {
		out = append(out, v.decide(done, sdk.Result{Outcome: sdk.OutcomeOK, ID: "ours"})...)
	}
	out = append(out, v.decide(s, sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassRetry})...)
	if s.losses > 0 {
		lost := s
		lost.losses--
		lost.pending++ // still under way
		out = append(out, v.decide(lost, sdk.Result{Outcome: sdk.OutcomeUnknown})...)
		after := done
		after.losses--
		out = append(out, v.decide(after, sdk.Result{Outcome: sdk.OutcomeUnknown})...)
	}
	return out
}

// decide does what follows from an outcome.
func (v variant) decide(s protocolState, r sdk.Result) []protocolState {
	step := nextStep(v.class, sdk.OpCreate, r)
	if v.blind && step == stepSettle || v.unarmed && step == stepSettle {
		step = stepAgain
	}
	switch step {
	case stepDone:
		s.linked, s.armed, s.phase = true, false, phaseOver
	case stepAgain:
		s.phase = phaseAgain
	case stepPark:
		s.parked, s.armed, s.phase = true, false, phaseOver
	case stepSettle:
		s.phase = phaseDoubt
	case stepRefuse, stepStop:
	}
	return []protocolState{s}
}

// settle searches and concludes. With the settle time nothing is under way then,
// and everything is found.
func (v variant) settle(s protocolState) []protocolState {
	if v.class != sdk.ClassE && !v.unsettled && (s.pending > 0 || s.seen < s.made) {
		return nil // the environment comes first
	}
	var matches []sdk.Match
	for range s.seen {
		matches = append(matches, sdk.Match{ID: "ours", Marker: "marker"})
	}
	if s.alike && (v.class == sdk.ClassBPrime || v.class == sdk.ClassD || v.byValues) {
		matches = append(matches, sdk.Match{ID: "other"})
	}
	if v.byValues && len(matches) == 1 {
		s.linked, s.armed, s.phase, s.wrong = true, false, phaseOver, matches[0].ID == "other"
		return []protocolState{s}
	}
	f := conclude(v.class, "marker", matches, func(sdk.Match) bool { return false }, int(s.attempt))
	switch f.step {
	case stepDone:
		s.linked, s.armed, s.phase, s.wrong = true, false, phaseOver, f.id != "ours"
	case stepAgain:
		s.attempt++
		s.phase = phaseAgain
	case stepPark:
		s.parked, s.armed, s.phase = true, false, phaseOver
	case stepRefuse, stepStop, stepSettle:
	}
	return []protocolState{s}
}

func TestNoStateOfACreateIsADuplicateAWrongLinkOrALoss(t *testing.T) {
	// As docs/guarantees.md tells them.
	states := map[sdk.GuaranteeClass]int{
		sdk.ClassA: 1240, sdk.ClassB: 1240, sdk.ClassBPrime: 1004, sdk.ClassC: 1220, sdk.ClassD: 1314, sdk.ClassE: 408,
	}
	for class, want := range states {
		found := explore(variant{class: class})
		if found.states != want {
			t.Errorf("class %s: %d states, %d are told", class, found.states, want)
		}
		if found.duplicate || found.wrongLink || found.ahead || found.lost {
			t.Errorf("class %s: %s", class, found)
		}
	}
}

func TestTheWaysKnownToBeBadAreFoundBad(t *testing.T) {
	for name, test := range map[string]struct {
		v    variant
		want protocolFindings
	}{
		"create, then save the link": {variant{class: sdk.ClassC, unarmed: true}, protocolFindings{duplicate: true}},
		"cursor saved when the record is read": {
			variant{class: sdk.ClassC, unarmed: true, early: true}, protocolFindings{duplicate: true, ahead: true, lost: true},
		},
		"intent and a blind repeat":    {variant{class: sdk.ClassC, blind: true}, protocolFindings{duplicate: true}},
		"intent and a search at once":  {variant{class: sdk.ClassC, unsettled: true}, protocolFindings{duplicate: true}},
		"intent and a search by value": {variant{class: sdk.ClassC, byValues: true}, protocolFindings{wrongLink: true}},
	} {
		got := explore(test.v)
		got.states = 0
		if got != test.want {
			t.Errorf("%s: found %s, want %s", name, got, test.want)
		}
	}
}

// String names what was found.
func (f protocolFindings) String() string {
	return fmt.Sprintf("duplicate %t, wrong link %t, cursor ahead %t, lost %t", f.duplicate, f.wrongLink, f.ahead, f.lost)
}
