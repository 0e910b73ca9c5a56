package adapters

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Health is how an adapter has fared since the host began.
type Health struct {
	// Name is the adapter's.
	Name string
	// Running says that a process of it runs.
	Running bool
	// Parked says that it ended too often and is not started again.
	Parked bool
	// Ends counts the times that it ended by itself or was killed from outside,
	// and the starts that failed.
	Ends int
	// Calls counts the calls that were made, by how they ended: [CallOK], or the
	// code of the error. A code that the SDK does not have counts as
	// [sdk.CodeInternal].
	Calls map[string]int
}

// CallOK is how a call ends that has no error.
const CallOK = "ok"

// Health returns how each adapter fares that was asked for, by name.
func (h *Host) Health() []Health {
	h.mu.Lock()
	seats := slices.Collect(maps.Values(h.seats))
	h.mu.Unlock()
	all := make([]Health, 0, len(seats))
	for _, s := range seats {
		s.mu.Lock()
		s.settle(h.opt)
		all = append(all, Health{Name: s.name, Running: s.inst != nil, Parked: s.parked, Ends: s.allEnds, Calls: maps.Clone(s.calls)})
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Health) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// called counts a call of an adapter by how it ended.
func (h *Host) called(name string, err error) {
	h.mu.Lock()
	s := h.seats[name]
	h.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[ending(err)]++
}

// ending bounds the words that calls are counted by: a code comes from an
// adapter.
func ending(err error) string {
	if err == nil {
		return CallOK
	}
	switch code := sdk.AsError(err).Code; code {
	case sdk.CodeConfig, sdk.CodeAuth, sdk.CodeUnavailable, sdk.CodeQuota, sdk.CodeChanged, sdk.CodeData:
		return string(code)
	default:
		return string(sdk.CodeInternal)
	}
}
