package mapping

import (
	"os"
	"testing"
	"time"
)

func TestARecordIsNotBlamedForABusyMachine(t *testing.T) {
	const limit = time.Second
	for _, tt := range []struct {
		looks int
		used  time.Duration
		want  bool
	}{
		{watchTicks, limit, false},
		{watchTicks + 1, limit, true},
		{watchTicks + 1, limit / 10, false},
		{lenience * watchTicks, 0, false},
		{lenience*watchTicks + 1, 0, true},
	} {
		if got := overdue(tt.looks, tt.used, limit); got != tt.want {
			t.Errorf("%d looks, %s used: overdue is %t", tt.looks, tt.used, got)
		}
	}
}

func TestTheTimeThatAProcessWasRunIsKnown(t *testing.T) {
	before := processorTime(os.Getpid())
	if before <= 0 {
		t.Fatal("it is not known")
	}
	for processorTime(os.Getpid()) == before {
		continue
	}
	if got := processorTime(1<<22 + 1); got != 0 {
		t.Errorf("a process that is not there was run for %s", got)
	}
}
