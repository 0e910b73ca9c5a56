package adapters_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestCallsAndEndsOfAnAdapterAreCounted(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", ""))
	for range 3 {
		if _, err := c.Read(t.Context(), members); err != nil {
			t.Fatal(err)
		}
	}
	crashing := open(t, h, connection("fake", "crash"))
	if _, err := crashing.Read(t.Context(), members); err == nil {
		t.Fatal("an adapter that crashed has read")
	}
	var got []adapters.Health
	await(t, "the end to be counted", func() bool { got = h.Health(); return got[0].Ends == 1 })
	got[0].Running = false // it may have been started again, or not
	want := []adapters.Health{{Name: "fake", Ends: 1, Calls: map[string]int{adapters.CallOK: 3, "unavailable": 1}}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestAParkedAdapterIsToldAsParked(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.Budget, o.Pause = 2, 1 }, "fake")
	wantClass(t, exhaust(t, open(t, h, connection("fake", "crash"))), sdk.ClassFail)
	if got := h.Health(); len(got) != 1 || !got[0].Parked || got[0].Ends != 2 {
		t.Errorf("got %+v", got)
	}
}
