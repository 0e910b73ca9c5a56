package sdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Writing lets the suite write, at a fake of the outside system or at one that
// may be changed.
type Writing struct {
	// Kind is the kind of the records.
	Kind sdk.Kind
	// Record returns the fields of record n, which the outside system accepts.
	// Those of another n differ, also in the fields that are unique.
	Record func(n int) json.RawMessage
	// Base is the number of the first record. At a system that keeps what was
	// written each run of the suite has another one.
	Base int
	// Bad are fields that the outside system refuses; {} when it is nil.
	Bad json.RawMessage
	// Member returns the fields of the member that prospect n becomes, for a
	// target that converts prospects; Record when it is nil. Optional.
	Member func(n int) json.RawMessage
	// Club, Owner and LeadSource are ids there; may be empty.
	Club, Owner, LeadSource string
	// OtherClub is the id of a second club there, to which records are moved.
	// Optional.
	OtherClub string
	// Count returns how many records the outside system has. Without it the
	// suite goes by ids alone. Optional.
	Count func() int
	// Lose makes the outside system take writes and break the connection instead
	// of an answer until restore is called. Optional.
	Lose func() (restore func())
}

// maxBatch is the largest batch that rosterd sends.
const maxBatch = 2000

func targetChecks() []check {
	of := func(f func(writer) error) func(*probe) error {
		return func(p *probe) error {
			w, err := p.writer()
			if err != nil {
				return err
			}
			return f(w)
		}
	}
	return []check{
		{"target/describe", "answer Target from the settings alone: kinds, operations, class, times and fields that fit together", targetDescribed},
		{"target/results", "return one result for each operation, in their order, and the record's id for each create that is ok", of(writer.inOrder)},
		{"target/bad-record", "refuse a record that the outside system refuses with sdk.ClassReject, and go on with the others", of(writer.oneBad)},
		{"target/update", "update the record with the operation's id, as often as it is asked for", of(writer.updates)},
		{"target/repeat", "send Marker as the idempotency key (class A), or write under Key (class B), so that a create that is sent again makes no second record", of(writer.repeats)},
		{"target/conflict", "answer sdk.OutcomeConflict where a record with the same unique value is there (class B'); its id too where the system names it", of(writer.conflicts)},
		{"target/marker", "store Marker in the record, and let Find return the records with exactly that marker (class C)", of(writer.marked)},
		{"target/natural", "let Find return the records whose fields are equal to those of the query (class D)", of(writer.natural)},
		{"target/finds", "let Find return the records with the value of one field alone, for each field that Finds names", of(writer.searched)},
		{"target/convert", "make a member of the prospect with the operation's id, in one call, and return the member's id; where both are one record (SameRecord) that is an update which keeps the id", of(writer.converts)},
		{"target/transfer", "move the record with the operation's id to Operation.Club, in one call, and keep its id", of(writer.transfers)},
		{"target/cancel", "begin no operation when ctx is done, and answer sdk.OutcomeRefused with sdk.ClassRetry for each that was not begun", of(writer.cancels)},
		{"target/read-only", "send writes with httpx.Client.SendOnce, or look at sdk.ReadOnly(ctx) and sdk.Connection.ReadOnly first", of(writer.readOnly)},
		{"target/fault", "answer sdk.OutcomeOK only for what the outside system confirmed; otherwise sdk.OutcomeRefused where that is proven, and sdk.OutcomeUnknown", of(writer.faults)},
		{"target/lost-answer", "answer sdk.OutcomeUnknown when the write left and no whole answer came, and do not send it again", of(writer.loses)},
		{"target/hang", "pass ctx to every call that waits for the outside system", of(writer.hangs)},
		{"target/concurrent", "guard what calls of one connection share; run the test with -race", of(writer.together)},
	}
}

// targetDescribed checks the description by itself, and that it calls nobody.
func targetDescribed(p *probe) error {
	if p.c.Fault != nil {
		defer p.c.Fault()()
	}
	var first sdk.TargetInfo
	for i := range 2 {
		o, err := p.connect()
		if err != nil {
			return err
		}
		t, err := abilityOf[sdk.Target](o, sdk.AbilityTarget)
		if err != nil {
			return err
		}
		info, err := call(p.ctx, "describe target", p.c.Patience, t.Target)
		switch {
		case err != nil && p.c.Fault != nil:
			return fmt.Errorf("with an outside system that is down: %w", err)
		case err != nil:
			return err
		case i > 0 && !reflect.DeepEqual(first, info):
			return errors.New("two connections with the same settings are described differently")
		}
		first = info
		if err := soundTarget(info, o.Abilities); err != nil {
			return err
		}
	}
	return nil
}

func soundTarget(info sdk.TargetInfo, abilities []sdk.Ability) error {
	if len(info.Kinds) == 0 {
		return errors.New("it writes no kind")
	}
	var seen []sdk.Kind
	for _, k := range info.Kinds {
		if slices.Contains(seen, k.Kind) || !k.Kind.Valid() {
			return fmt.Errorf("kind %q is unknown or described twice", k.Kind)
		}
		seen = append(seen, k.Kind)
		for _, f := range []func(sdk.TargetKind) error{soundOps, soundFields, func(k sdk.TargetKind) error { return soundClass(k, abilities) }} {
			if err := f(k); err != nil {
				return fmt.Errorf("kind %s: %w", k.Kind, err)
			}
		}
	}
	return nil
}

func soundOps(k sdk.TargetKind) error {
	switch {
	case len(k.Writes) == 0:
		return errors.New("it names no operation")
	case slices.ContainsFunc(k.Writes, func(op sdk.Op) bool { return !op.Valid() }):
		return fmt.Errorf("one of its operations %q is unknown", k.Writes)
	case k.Kind != sdk.KindMember && (k.Can(sdk.OpConvert) || k.SameRecord):
		return errors.New("a prospect becomes a member, and this kind says how one is converted")
	case k.SameRecord && (k.Can(sdk.OpConvert) || !k.Can(sdk.OpUpdate)):
		return errors.New("a member has the prospect's record, and is not made of it by an update")
	case k.Can(sdk.OpUpdate) && k.Update != sdk.UpdatePatch && k.Update != sdk.UpdateReplace:
		return fmt.Errorf("the semantics of an update are %q, neither patch nor replace", k.Update)
	case k.Batch < 0 || k.Batch > maxBatch:
		return fmt.Errorf("a batch of %d, at most %d", k.Batch, maxBatch)
	case min(k.ExecLag, k.IndexLag, k.KeyTTL) < 0:
		return errors.New("a time is below zero")
	}
	return nil
}

func soundClass(k sdk.TargetKind, abilities []sdk.Ability) error {
	finds := slices.Contains(abilities, sdk.AbilityFinder)
	if len(k.Finds) > 0 && !finds {
		return errors.New("fields that records are found by (Finds) without the ability finder")
	}
	switch k.Class {
	case sdk.ClassA:
		if k.KeyTTL == 0 {
			return errors.New("class A without the time for which an idempotency key is remembered (KeyTTL)")
		}
	case sdk.ClassB, sdk.ClassE:
	case sdk.ClassBPrime:
		if k.Unique == "" {
			return errors.New("class B' without the field that is unique")
		}
	case sdk.ClassC:
		if !finds {
			return errors.New("class C without the ability finder: nothing could be found by its marker")
		}
	case sdk.ClassD:
		if !finds || len(k.Natural) == 0 {
			return errors.New("class D without the ability finder, or without fields to find by")
		}
	default:
		return fmt.Errorf("unknown class %q", k.Class)
	}
	return nil
}

func soundFields(k sdk.TargetKind) error {
	names := []string{}
	for _, f := range k.Fields {
		if f.Name == "" || slices.Contains(names, f.Name) || f.MaxLength < 0 {
			return fmt.Errorf("field %q is empty, declared twice, or has a length below zero", f.Name)
		}
		names = append(names, f.Name)
	}
	if len(names) == 0 || k.OtherFields {
		return nil
	}
	for _, name := range slices.Concat(k.Natural, []string{k.Unique}, k.Finds) {
		if name != "" && !slices.Contains(names, name) {
			return fmt.Errorf("field %q, by which records are told apart, is not among the declared ones", name)
		}
	}
	return nil
}
