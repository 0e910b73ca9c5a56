package sdktest_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// operation is one on the record of the key "k".
func operation(op sdk.Op) sdk.Operation {
	return sdk.Operation{Op: op, Key: "k", Marker: "k", Data: json.RawMessage(`{"email":"zoe@example.com"}`)}
}

func written(t *testing.T, target *sdktest.Target, op sdk.Operation) sdk.Result {
	t.Helper()
	res, err := target.Write(t.Context(), sdk.WriteRequest{Kind: sdk.KindMember, Operations: []sdk.Operation{op}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Results[0]
}

func found(t *testing.T, target *sdktest.Target) int {
	t.Helper()
	res, err := target.Find(t.Context(), sdk.FindRequest{Kind: sdk.KindMember, Queries: []sdk.Query{{Marker: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	return len(res.Matches[0])
}

func TestEachFaultOfATargetIsTwoThings(t *testing.T) {
	for fault, want := range map[sdktest.Fault]struct {
		outcome sdk.Outcome
		class   sdk.Class
		there   int
	}{
		sdktest.FaultNone:        {sdk.OutcomeOK, "", 1},
		sdktest.FaultLostAnswer:  {sdk.OutcomeUnknown, "", 1},
		sdktest.FaultLostRequest: {sdk.OutcomeUnknown, "", 0},
		sdktest.FaultLate:        {sdk.OutcomeUnknown, "", 0},
		sdktest.FaultRetry:       {sdk.OutcomeRefused, sdk.ClassRetry, 0},
		sdktest.FaultReject:      {sdk.OutcomeRefused, sdk.ClassReject, 0},
		sdktest.FaultFail:        {sdk.OutcomeRefused, sdk.ClassFail, 0},
	} {
		target := sdktest.NewTarget(sdktest.TargetOptions{ExecLag: time.Hour})
		target.SetFault(func(sdk.Operation) sdktest.Fault { return fault })
		if r := written(t, target, operation(sdk.OpCreate)); r.Outcome != want.outcome || r.Class != want.class {
			t.Errorf("fault %d: %+v", fault, r)
		}
		if n := target.Created("k"); n != want.there {
			t.Errorf("fault %d: %d records", fault, n)
		}
	}
}

func TestALateWriteTakesEffectWhenItsTimeHasPassed(t *testing.T) {
	c := &clock{at: time.Unix(0, 0)}
	target := sdktest.NewTarget(sdktest.TargetOptions{ExecLag: time.Minute, IndexLag: time.Second, Now: c.now})
	target.SetFault(func(sdk.Operation) sdktest.Fault { return sdktest.FaultLate })
	written(t, target, operation(sdk.OpCreate))
	c.at = c.at.Add(59 * time.Second)
	if target.Count() != 0 {
		t.Error("it took effect too early")
	}
	c.at = c.at.Add(time.Second)
	if target.Count() != 1 || found(t, target) != 0 {
		t.Error("it took no effect, or could be found at once")
	}
	c.at = c.at.Add(time.Second)
	if found(t, target) != 1 {
		t.Error("it cannot be found")
	}
}

func TestAKeyIsRememberedForItsTime(t *testing.T) {
	c := &clock{at: time.Unix(0, 0)}
	target := sdktest.NewTarget(sdktest.TargetOptions{Class: sdk.ClassA, KeyTTL: time.Minute, Now: c.now})
	first, again := written(t, target, operation(sdk.OpCreate)), written(t, target, operation(sdk.OpCreate))
	if first.ID != again.ID || target.Created("k") != 1 {
		t.Errorf("%+v, %+v", first, again)
	}
	c.at = c.at.Add(time.Minute)
	if late := written(t, target, operation(sdk.OpCreate)); late.ID == first.ID || target.Created("k") != 2 {
		t.Errorf("%+v", late)
	}
}

func TestAnUpdateKeepsOrEmptiesWhatItDoesNotCarry(t *testing.T) {
	for update, want := range map[sdk.UpdateSemantics]int{sdk.UpdatePatch: 2, sdk.UpdateReplace: 1} {
		target := sdktest.NewTarget(sdktest.TargetOptions{Update: update})
		id := target.Put(sdktest.Stored{Kind: sdk.KindMember, Fields: map[string]json.RawMessage{"name": json.RawMessage(`"Zoe"`)}})
		op := operation(sdk.OpUpdate)
		op.ID = id
		written(t, target, op)
		if r := target.Records()[0]; len(r.Fields) != want || r.Updates != 1 {
			t.Errorf("%s: %+v", update, r)
		}
		op.Op = sdk.OpDeactivate
		written(t, target, op)
		if !target.Records()[0].Inactive {
			t.Error("it is active")
		}
		op.Op = sdk.OpDelete
		written(t, target, op)
		if target.Count() != 0 || written(t, target, op).Outcome != sdk.OutcomeRefused {
			t.Error("it is still there")
		}
	}
	if n := len(sdktest.NewTarget(sdktest.TargetOptions{}).Operations()); n != 0 {
		t.Errorf("%d operations", n)
	}
}

func TestATargetThatFailsExecutesNothing(t *testing.T) {
	target := sdktest.NewTarget(sdktest.TargetOptions{Class: sdk.ClassE})
	target.Fail(errDown)
	req := sdk.WriteRequest{Kind: sdk.KindMember, Operations: []sdk.Operation{operation(sdk.OpCreate)}}
	if _, err := target.Write(t.Context(), req); !errors.Is(err, errDown) || target.Count() != 0 {
		t.Errorf("%v, %d records", err, target.Count())
	}
	target.Fail(nil)
	if _, err := target.Find(t.Context(), sdk.FindRequest{}); sdk.AsError(err).Code != sdk.CodeConfig {
		t.Error(err)
	}
}

func TestAProspectBecomesAMemberOnce(t *testing.T) {
	target := sdktest.NewTarget(sdktest.TargetOptions{Converts: true})
	id := target.Put(sdktest.Stored{
		Kind: sdk.KindProspect, Key: "k", Club: "1", Fields: map[string]json.RawMessage{"name": json.RawMessage(`"Zoe"`)},
	})
	op := operation(sdk.OpConvert)
	op.ID = id
	made := written(t, target, op)
	all := target.Records()
	if made.Outcome != sdk.OutcomeOK || made.ID == id || len(all) != 2 || !all[0].Inactive || all[1].MadeOf != id ||
		all[1].Club != "1" || len(all[1].Fields) != 2 || target.Created("k") != 1 {
		t.Errorf("%+v, %+v", made, all)
	}
	if again := written(t, target, op); again.Outcome != sdk.OutcomeConflict || again.ID != made.ID || target.Count() != 2 {
		t.Errorf("%+v", again)
	}
	if none := written(t, sdktest.NewTarget(sdktest.TargetOptions{}), op); none.Class != sdk.ClassFail {
		t.Errorf("%+v", none)
	}
}

func TestARecordMovesByATransferOnly(t *testing.T) {
	target := sdktest.NewTarget(sdktest.TargetOptions{Transfers: true})
	op := operation(sdk.OpTransfer)
	op.ID = target.Put(sdktest.Stored{Kind: sdk.KindMember, Club: "1"})
	if r := written(t, target, op); r.Outcome != sdk.OutcomeRefused {
		t.Errorf("without a club: %+v", r)
	}
	op.Op, op.Club = sdk.OpUpdate, "2"
	if written(t, target, op); target.Records()[0].Club != "1" {
		t.Error("an update moved it")
	}
	op.Op = sdk.OpTransfer
	if written(t, target, op); target.Records()[0].Club != "2" {
		t.Error("it did not move")
	}
}
