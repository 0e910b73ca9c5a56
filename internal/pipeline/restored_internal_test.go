package pipeline

import (
	"context"
	"errors"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func findsNothing(context.Context, sdk.FindRequest) (sdk.FindResponse, error) {
	return sdk.FindResponse{}, nil
}

// TestWhatNoSearchProvesIsNotMadeOnARestoredState: neither a conversion, which
// leaves nothing to search for, nor a create of class A, whose key may be forgotten.
func TestWhatNoSearchProvesIsNotMadeOnARestoredState(t *testing.T) {
	for _, test := range []struct {
		class sdk.GuaranteeClass
		op    sdk.Op
		find  bool
		want  bool
	}{
		{sdk.ClassA, sdk.OpCreate, true, true},
		{sdk.ClassA, sdk.OpUpdate, true, false},
		{sdk.ClassB, sdk.OpCreate, false, false},
		{sdk.ClassB, sdk.OpConvert, true, true},
		{sdk.ClassC, sdk.OpCreate, true, false},
		{sdk.ClassC, sdk.OpCreate, false, true},
		{sdk.ClassC, sdk.OpConvert, true, true},
		{sdk.ClassC, opLink, true, false},
		{sdk.ClassC, opReview, true, false},
		{sdk.ClassD, sdk.OpCreate, true, true},
		{sdk.ClassE, sdk.OpCreate, true, true},
	} {
		s := &SyncFlow{Restored: &Restored{}}
		if test.find {
			s.Find = findsNothing
		}
		target := sdk.TargetKind{Kind: sdk.KindMember, Class: test.class}
		w := &writing{sync: s, run: roster.Run{Job: "acme/leads"}}
		b := &batch{kind: sdk.KindMember, target: target, items: []*item{{change: change{op: test.op}}}}
		err := w.provable(b)
		if fault, refused := errors.AsType[*roster.Fault](err); refused != test.want || refused && fault.Code != CodeRestored {
			t.Errorf("class %s, %s, finder %v: %v", test.class, test.op, test.find, err)
		}
		s.Restored = nil
		if err := w.provable(b); err != nil {
			t.Errorf("class %s, %s on a state that was not restored: %v", test.class, test.op, err)
		}
	}
}

func TestARunThatWouldConvertOnARestoredStateIsBlocked(t *testing.T) {
	s := &SyncFlow{Restored: &Restored{}, Find: findsNothing, Target: map[sdk.Kind]sdk.TargetKind{
		sdk.KindProspect: {Class: sdk.ClassC}, sdk.KindMember: {Class: sdk.ClassC},
	}}
	flow := &Flow{Kinds: []sdk.Kind{sdk.KindProspect, sdk.KindMember}, Sync: s}
	c := &comparer{p: &preparation{flow: flow}, sync: s, creates: map[sdk.Kind]int{sdk.KindProspect: 2}}
	if kind, ok := c.unprovable(); ok {
		t.Errorf("creates that are searched for: %s", kind)
	}
	c.converting = true
	if kind, ok := c.unprovable(); !ok || kind != sdk.KindMember {
		t.Errorf("a conversion: %q, %v", kind, ok)
	}
}
