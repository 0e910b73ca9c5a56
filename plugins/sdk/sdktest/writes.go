package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// fewOps is how many operations a batch of the suite has.
const fewOps = 5

func (w writer) inOrder() error {
	before := w.count()
	ops := w.creates(fewOps)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != len(ids) {
		return errors.New("two records that were created have the same id")
	}
	if err := w.grew(before, fewOps, fewOps); err != nil {
		return err
	}
	for i, op := range ops {
		id, err := w.recall(op)
		switch {
		case errors.As(err, new(leftOutError)):
			return w.recallByValues(ops, ids)
		case err != nil:
			return fmt.Errorf("look for record %d: %w", i+1, err)
		case id != ids[i]:
			return fmt.Errorf("result %d of %d has the id of another operation's record", i+1, len(ops))
		}
	}
	return nil
}

// recall asks for the id of a record that was created, in the way of its
// class.
func (w writer) recall(op sdk.Operation) (string, error) {
	switch w.kind.Class {
	case sdk.ClassA, sdk.ClassB:
		op.Attempt = 2
		ids, err := w.done(w.p.ctx, op)
		if err != nil {
			return "", err
		}
		return ids[0], nil
	case sdk.ClassC:
		return w.one(sdk.Query{Marker: op.Marker, Club: op.Club})
	case sdk.ClassD:
		return w.one(w.naturalOf(op))
	case sdk.ClassBPrime, sdk.ClassE:
	}
	return "", leftOutError("records of this class are not found again")
}

// recallByValues compares the present values of records with what was sent.
func (w writer) recallByValues(ops []sdk.Operation, ids []string) error {
	get, err := abilityOf[sdk.Getter](w.opened, sdk.AbilityGetter)
	if err != nil {
		return nil //nolint:nilerr // Without that ability nothing more can be seen.
	}
	for i, id := range ids {
		page, err := w.get(get, id)
		if err != nil {
			return err
		}
		if page.Rows != 1 {
			return fmt.Errorf("record %d, which was created, is not returned by Get", i+1)
		}
		sent, own := texts(ops[i].Data), false
		for col, name := range page.Columns {
			own = own || sent[name] != "" && sent[name] == string(page.Row(0).Cell(col).Bytes())
		}
		if !own && len(sent) > 0 {
			return fmt.Errorf("the record with the id of result %d has none of the values that operation %d sent", i+1, i+1)
		}
	}
	return nil
}

func (w writer) bad() sdk.Operation {
	op := w.create()
	op.Data = w.on.Bad
	if op.Data == nil {
		op.Data = json.RawMessage(`{}`)
	}
	return op
}

func (w writer) oneBad() error {
	before := w.count()
	ops := []sdk.Operation{w.create(), w.bad(), w.create(), w.create()}
	res, err := w.write(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	for i, r := range res {
		switch {
		case i == 1 && (r.Outcome != sdk.OutcomeRefused || r.Class != sdk.ClassReject):
			return fmt.Errorf("a record that the outside system refuses has the outcome %q and the class %q", r.Outcome, r.Class)
		case i != 1 && r.Outcome != sdk.OutcomeOK:
			return fmt.Errorf("beside a record that is refused, operation %d has the outcome %q: %s", i+1, r.Outcome, r.Detail)
		}
	}
	return w.grew(before, 3, 3)
}

func (w writer) updates() error {
	if !w.kind.Can(sdk.OpUpdate) {
		return leftOutError("the system updates no records of this kind")
	}
	ops := w.creates(2)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	before := w.count()
	for _, op := range []sdk.Op{sdk.OpUpdate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDeactivate} {
		if !w.kind.Can(op) {
			continue
		}
		for i := range ops {
			ops[i].Op, ops[i].ID, ops[i].Attempt = op, ids[i], 0
		}
		again, err := w.done(w.p.ctx, ops...)
		if err != nil {
			return err
		}
		for i, id := range again {
			if id != "" && id != ids[i] {
				return fmt.Errorf("the id of record %d is another one after %s", i+1, op)
			}
		}
	}
	return w.grew(before, 0, 0)
}

// repeats sends creates again over another connection, as after a crash.
func (w writer) repeats() error {
	if w.kind.Class != sdk.ClassA && w.kind.Class != sdk.ClassB {
		return leftOutError("creates of class " + string(w.kind.Class) + " may not be sent again")
	}
	before := w.count()
	ops := w.creates(fewOps)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	fresh, err := w.p.writer()
	if err != nil {
		return err
	}
	for i := range ops {
		ops[i].Attempt = 2
	}
	again, err := fresh.done(w.p.ctx, ops...)
	switch {
	case err != nil:
		return fmt.Errorf("creates that are sent again: %w", err)
	case !slices.Equal(ids, again):
		return errors.New("creates that are sent again have other ids")
	}
	return w.grew(before, fewOps, fewOps)
}

func (w writer) conflicts() error {
	if w.kind.Class != sdk.ClassBPrime {
		return leftOutError("the system is of class " + string(w.kind.Class))
	}
	before := w.count()
	first := w.create()
	ids, err := w.done(w.p.ctx, first)
	if err != nil {
		return err
	}
	second := w.create()
	second.Data = first.Data
	res, err := w.write(w.p.ctx, second)
	switch {
	case err != nil:
		return err
	case res[0].Outcome != sdk.OutcomeConflict:
		return fmt.Errorf("a second record with the same %s has the outcome %q: %s", w.kind.Unique, res[0].Outcome, res[0].Detail)
	case res[0].ID != "" && res[0].ID != ids[0]:
		return errors.New("the conflict names another record than the one that is in the way")
	}
	return w.grew(before, 1, 1)
}

// cancels writes with a context that is done. What the adapter's end answered
// cannot be seen over a connection: the call is over at this end first.
func (w writer) cancels() error {
	before := w.count()
	ctx, cancel := context.WithCancel(w.p.ctx)
	cancel()
	res, err := w.write(ctx, w.creates(2)...)
	if err != nil {
		return err
	}
	_, direct := w.p.subject.(direct)
	for _, r := range res {
		if direct && (r.Outcome != sdk.OutcomeRefused || r.Class != sdk.ClassRetry) || r.Outcome == sdk.OutcomeOK {
			return fmt.Errorf("ctx was done before Write, and an operation has the outcome %q and the class %q", r.Outcome, r.Class)
		}
	}
	return w.grew(before, 0, 0)
}

// readOnly makes the calls that write nothing, and writes where nothing may be
// written.
func (w writer) readOnly() error {
	before := w.count()
	w.lookUp(w.p.ctx)
	if err := w.grew(before, 0, 0); err != nil {
		return fmt.Errorf("by calls that only read: %w", err)
	}
	c := w.p.c.Connection
	c.ReadOnly = true
	closed, err := w.p.writerOf(c)
	if err != nil {
		return fmt.Errorf("a connection that is read-only: %w", err)
	}
	res, err := closed.write(sdk.WithReadOnly(w.p.ctx), w.creates(2)...)
	if err != nil {
		return err
	}
	for _, r := range res {
		if r.Outcome == sdk.OutcomeOK {
			return errors.New("a write where nothing may be written has the outcome ok")
		}
	}
	return w.grew(before, 0, 0)
}

// lookUp makes every call that only reads, and ignores what comes of it.
func (w writer) lookUp(ctx context.Context) {
	for _, f := range []func(context.Context, Opened) error{
		callTarget, callFind, callGet, callStaff, callFindStaff(w.p.c.StaffEmail), callLeadSources, callCheck, callFields, identify,
	} {
		_, _ = call(ctx, "look up", w.p.c.Patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx, w.opened) })
	}
}

func (w writer) faults() error {
	if w.p.c.Fault == nil {
		return leftOutError("it takes a fake of the outside system that fails on command: give Case.Fault in a test of the adapter")
	}
	before := w.count()
	restore := w.p.c.Fault()
	res, err := w.write(w.p.ctx, w.creates(2)...)
	restore()
	if err != nil {
		return err
	}
	for _, r := range res {
		if r.Outcome == sdk.OutcomeOK || r.Outcome == sdk.OutcomeConflict || r.Class == sdk.ClassReject {
			return fmt.Errorf("the outside system is down, and an operation has the outcome %q and the class %q", r.Outcome, r.Class)
		}
	}
	if err := w.grew(before, 0, 2); err != nil {
		return err
	}
	if _, err := w.done(w.p.ctx, w.create()); err != nil {
		return fmt.Errorf("the outside system is well again: %w", err)
	}
	return nil
}

func (w writer) loses() error {
	if w.on.Lose == nil {
		return leftOutError("it takes a fake of the outside system that loses its answer: give Writing.Lose in a test of the adapter")
	}
	before := w.count()
	restore := w.on.Lose()
	res, err := w.write(w.p.ctx, w.create())
	restore()
	switch {
	case err != nil:
		return err
	case res[0].Outcome != sdk.OutcomeUnknown:
		return fmt.Errorf("the answer to a create was lost, and its outcome is %q", res[0].Outcome)
	}
	return w.grew(before, 0, 1)
}

func (w writer) hangs() error {
	return w.p.hanging(func(ctx context.Context) error {
		res, err := w.write(ctx, w.create())
		if err != nil {
			return err
		}
		if r := res[0]; r.Outcome != sdk.OutcomeOK {
			return fmt.Errorf("%w: the outcome is %q", context.Canceled, r.Outcome)
		}
		return nil
	})
}

func (w writer) together() error {
	before := w.count()
	errs, all := make([]error, parallel), sync.WaitGroup{}
	ids := make([][]string, parallel)
	for i := range errs {
		ops := w.creates(fewOps)
		all.Go(func() { ids[i], errs[i] = w.done(w.p.ctx, ops...) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%d writes at once on one connection: %w", parallel, err)
	}
	flat := slices.Sorted(slices.Values(slices.Concat(ids...)))
	if len(slices.Compact(flat)) != parallel*fewOps {
		return fmt.Errorf("%d writes at once on one connection: two records have the same id", parallel)
	}
	return w.grew(before, parallel*fewOps, parallel*fewOps)
}
