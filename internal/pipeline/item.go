package pipeline

import (
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// item is one change under way.
type item struct {
	change
	entry   int
	attempt int
	refs    references
	// sent is what the link remembers when the change is done.
	sent roster.Sent
	// left says why nothing is sent; leftNot is that it is sent.
	left left
	// operation is what is sent, result what came of it; then is what is sent when
	// that is done, and made the id that a conversion has answered before it.
	operation sdk.Operation
	result    sdk.Result
	then      *sdk.Operation
	made      string
	// intent says that the create is armed; armed is when an earlier life has done
	// that, by the wall clock.
	intent bool
	armed  time.Time
	// found says that the create was found after its answer was lost.
	found bool
	// linkSeen is the digest of the target record as the link remembers it, seen
	// that after it was written.
	linkSeen, seen uint64
	// note says which side lost where both have changed the record, reason why it did
	// not arrive, where a person decides or it is refused, and code the cause of a
	// refusal.
	note, reason, code string
}

// left says why a change is not sent.
type left int

const (
	// leftNot: it is sent.
	leftNot left = iota
	// leftAsIs: only its link changes.
	leftAsIs
	// leftUndone: it was not executed, and is not to be sent in this run any more.
	leftUndone
	// leftWaiting: the create of the record, by another change, is in doubt.
	leftWaiting
	// leftArmed: its own create is in doubt since an earlier life of the daemon.
	leftArmed
	// leftAsked: it was parked before the daemon stopped, and not counted.
	leftAsked
	// leftDone: it was delivered already.
	leftDone
	// leftUnlinked: its link was changed after the change set was made.
	leftUnlinked
	// leftNewer: the target's own change is newer.
	leftNewer
	// leftMissing: the target does not have the linked record.
	leftMissing
	// leftParked: a person decides, for the item's reason, with its hits.
	leftParked
	// leftHeld: it waits until the other direction was searched.
	leftHeld
	// leftTaken: the record that it was matched with is linked to another one.
	leftTaken
	// leftReview: a person has to say which of several records it is.
	leftReview
)

// leave has nothing sent of a change.
func (it *item) leave(why left) { it.left = why }

// parkFor has a change that is not sent parked with its batch.
func (it *item) parkFor(reason string, hits []string) {
	it.leave(leftParked)
	it.reason, it.hits = reason, hits
}

// open reports whether the change is to be sent.
func (it *item) open() bool { return it.left == leftNot }

// creates reports whether what was sent last makes a record.
func (it *item) creates() bool { return makes(it.operation.Op) && it.left != leftAsIs }

// written is the target's id of the record that was written.
func (it *item) written() string {
	switch {
	case it.made != "":
		return it.made
	case it.creates():
		return it.result.ID
	}
	return it.target
}

// links reports whether the change makes a link.
func (it *item) links() bool {
	return makes(it.operation.Op) || it.made != "" || it.matched || it.op == opLink
}

// asks reports whether a person is asked where the change cannot make its link. A
// staff member or a lead source is left out: what is associated is not written.
func (it *item) asks() bool { return it.op != opLink || len(it.payload) > 0 }

// split makes two operations of one where the target has a call of its own for a
// part of it: a record is moved to its club before it is updated, and a prospect
// is converted before the member gets its values.
func (it *item) split(target sdk.TargetKind) {
	switch {
	case !it.open():
	case it.op == sdk.OpConvert && target.Can(sdk.OpUpdate):
		rest := it.operation
		rest.Op = sdk.OpUpdate
		it.then = &rest
	case it.op == sdk.OpUpdate && target.Can(sdk.OpTransfer) && slices.Contains(it.operation.Changed, roster.ClubField):
		rest := it.operation
		rest.Changed = slices.DeleteFunc(slices.Clone(rest.Changed), func(name string) bool { return name == roster.ClubField })
		it.operation.Op = sdk.OpTransfer
		if len(rest.Changed) > 0 {
			it.then = &rest
		}
	}
}
