package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestNoMoreIsPromisedThanATargetCanHold(t *testing.T) {
	kind := func(class sdk.GuaranteeClass) sdk.TargetKind {
		return sdk.TargetKind{
			Kind: sdk.KindMember, Writes: []sdk.Op{sdk.OpCreate}, Class: class, ExecLag: 30 * time.Second, IndexLag: 100 * time.Millisecond,
			KeyTTL: 24 * time.Hour, Unique: "email", Natural: []string{"email", "birthday"},
		}
	}
	const rests = "rests on the system finishing a request within 30 s and finding a new record within 100 ms."
	for _, c := range []struct {
		class        sdk.GuaranteeClass
		finds        bool
		says, silent []string
	}{
		{sdk.ClassA, true, []string{"for 24 h", "asks a person"}, []string{"rests on"}},
		{sdk.ClassA, false, []string{"for 24 h", "asks a person"}, []string{"rests on"}},
		{sdk.ClassB, true, []string{"an id of its own"}, []string{"rests on", "asks a person"}},
		{sdk.ClassB, false, []string{"an id of its own"}, []string{"rests on", "asks a person"}},
		{sdk.ClassBPrime, true, []string{"the same email", "every value", "asks a person", rests}, nil},
		{sdk.ClassBPrime, false, []string{"the same email", "asks a person"}, []string{"rests on"}},
		{sdk.ClassC, true, []string{"carries a marker", rests}, []string{"asks a person"}},
		{sdk.ClassC, false, []string{"asks a person", "never sends twice"}, []string{"no duplicate"}},
		{sdk.ClassD, true, []string{"the same email and birthday", "asks a person", rests}, nil},
		{sdk.ClassD, false, []string{"asks a person", "never sends twice"}, []string{"no duplicate"}},
		{sdk.ClassE, true, []string{"asks a person", "never sends twice"}, []string{"no duplicate"}},
	} {
		text := promise(kind(c.class), c.finds)
		for _, words := range c.says {
			if !strings.Contains(text, words) {
				t.Errorf("class %s, search %v: %q does not say %q", c.class, c.finds, text, words)
			}
		}
		for _, words := range c.silent {
			if strings.Contains(text, words) {
				t.Errorf("class %s, search %v: %q says %q", c.class, c.finds, text, words)
			}
		}
	}
	if text := promise(sdk.TargetKind{Class: sdk.ClassA, Writes: []sdk.Op{sdk.OpUpdate}}, true); !strings.HasPrefix(text, "Nothing is created") {
		t.Errorf("without a create: %q", text)
	}
}
