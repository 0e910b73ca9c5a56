package sdktest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// fewPeople is how many prospects the suite converts.
const fewPeople = 2

// makes reports whether an operation answers with the id of a record that was
// not there before.
func makes(op sdk.Op) bool { return op == sdk.OpCreate || op == sdk.OpConvert }

// converts makes members of prospects that it created.
func (w writer) converts() error {
	members, err := w.members()
	if err != nil {
		return err
	}
	ops, numbers := make([]sdk.Operation, fewPeople), make([]int, fewPeople)
	for i := range ops {
		ops[i] = w.create()
		numbers[i] = w.on.Base + int(w.p.c.written.Load())
	}
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	before, made := w.count(), fewPeople
	for i := range ops {
		ops[i].Op, ops[i].ID, ops[i].Data = sdk.OpConvert, ids[i], w.memberOf(numbers[i])
		if members.kind.SameRecord {
			ops[i].Op, ops[i].Attempt, made = sdk.OpUpdate, 0, 0
		}
	}
	converted, err := members.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	if members.kind.SameRecord {
		for i, id := range converted {
			if converted[i] = ids[i]; id != "" && id != ids[i] {
				return fmt.Errorf("prospect %d has another id as a member, though both are said to be one record", i+1)
			}
		}
	}
	if sorted := slices.Sorted(slices.Values(converted)); len(slices.Compact(sorted)) != len(ids) {
		return errors.New("two prospects became members with the same id")
	}
	// A system that keeps the prospect has a member more, and no second prospect.
	if err := w.grew(before, 0, made); err != nil {
		return fmt.Errorf("after %d conversions: %w", fewPeople, err)
	}
	return members.present(converted, "")
}

// members is a writer of the members that prospects become.
func (w writer) members() (writer, error) {
	info, err := call(w.p.ctx, "describe target", w.p.c.Patience, w.target.Target)
	if err != nil {
		return writer{}, err
	}
	kind, known := info.Kind(sdk.KindMember)
	switch {
	case !known || !kind.SameRecord && !kind.Can(sdk.OpConvert):
		return writer{}, leftOutError("the system has no call that makes a member of a prospect")
	case w.kind.Kind != sdk.KindProspect:
		return writer{}, leftOutError("it takes prospects that the suite creates: set the kind that is written to prospect")
	}
	w.kind = kind
	return w, nil
}

func (w writer) memberOf(n int) []byte {
	if w.on.Member != nil {
		return w.on.Member(n)
	}
	return w.on.Record(n)
}

// transfers moves records to another club.
func (w writer) transfers() error {
	switch {
	case !w.kind.Can(sdk.OpTransfer):
		return leftOutError("the system has no call that moves a record to another club")
	case w.on.OtherClub == "":
		return leftOutError("it takes a second club: give Writing.OtherClub in a test of the adapter, or other_club")
	}
	ops := w.creates(fewPeople)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	before := w.count()
	for i := range ops {
		ops[i].Op, ops[i].ID, ops[i].Attempt, ops[i].Club = sdk.OpTransfer, ids[i], 0, w.on.OtherClub
	}
	moved, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	for i, id := range moved {
		if id != "" && id != ids[i] {
			return fmt.Errorf("the id of record %d is another one in the other club", i+1)
		}
	}
	if err := w.grew(before, 0, 0); err != nil {
		return err
	}
	return w.present(ids, w.on.OtherClub)
}

// present gets records by their ids. Those that say which club they are of are
// of the one that is named.
func (w writer) present(ids []string, club string) error {
	get, err := abilityOf[sdk.Getter](w.opened, sdk.AbilityGetter)
	if err != nil {
		return nil //nolint:nilerr // Without that ability nothing more can be seen.
	}
	for i, id := range ids {
		page, err := w.get(get, id)
		switch {
		case err != nil:
			return err
		case page.Rows != 1:
			return fmt.Errorf("the %s with the id of result %d is not returned by Get", w.kind.Kind, i+1)
		case club != "" && page.Row(0).Club() != "" && page.Row(0).Club() != club:
			return fmt.Errorf("record %d is of another club than the one that it was moved to", i+1)
		}
	}
	return nil
}
