package storetest

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
)

// linkModel is what a store should hold of links and intents, as plain maps.
type linkModel struct {
	t     *rapid.T
	s     Store
	epoch uint64
	// links holds the row of each direction by the two ids, intents what was
	// armed or parked by direction and source.
	links   map[[2]string]*[2]uint64
	intents map[modelEnd]roster.Intent
	row     uint64
}

// modelEnd is a record as a source of a direction.
type modelEnd struct {
	direction int
	id        string
}

func testLinkModel(t *testing.T, open Open) {
	if checks := flag.Lookup("rapid.checks"); checks != nil && checks.Value.String() == checks.DefValue {
		must(t, checks.Value.Set(modelChecks))
		defer func() { must(t, checks.Value.Set(checks.DefValue)) }()
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := &linkModel{
			t: rt, s: open(t, dir), links: make(map[[2]string]*[2]uint64), intents: make(map[modelEnd]roster.Intent),
		}
		m.epoch = m.s.Epoch()
		must(rt, m.s.CreateRun(rt.Context(), run("r1", "acme/x", 0)))
		rt.Repeat(map[string]func(*rapid.T){
			"close": m.close, "set": m.set, "remove": m.remove, "arm": m.arm,
			"reopen": func(*rapid.T) {
				must(rt, m.s.Close())
				m.s = open(t, dir)
				if m.s.Epoch() <= m.epoch {
					rt.Fatalf("epoch %d follows %d", m.s.Epoch(), m.epoch)
				}
				m.epoch = m.s.Epoch()
			},
			"": m.check,
		})
		must(rt, m.s.Close())
	})
}

func modelRoute(direction int) roster.Route {
	if direction == 1 {
		return linkRoute()
	}
	return linkRoute().Reverse()
}

// modelIDs are the ids at the two ends.
func modelIDs(end int) []string {
	var all []string
	for i := range 5 {
		all = append(all, fmt.Sprint(string("ab"[end]), i))
	}
	return all
}

// draw draws some ids of an end, each once.
func draw(t *rapid.T, end int, label string) []string {
	all := rapid.Permutation(modelIDs(end)).Draw(t, label)
	return all[:rapid.IntRange(0, 3).Draw(t, label+" count")]
}

func drawDirection(t *rapid.T) int { return rapid.IntRange(0, 1).Draw(t, "direction") }

func pair(direction int, source, target string) [2]string {
	if direction == 1 {
		return [2]string{target, source}
	}
	return [2]string{source, target}
}

// of returns the link that has id at an end.
func (m *linkModel) of(end int, id string) (ids [2]string, ok bool) {
	for ids := range m.links {
		if ids[end] == id {
			return ids, true
		}
	}
	return ids, false
}

func (m *linkModel) make(ids [2]string) {
	m.links[ids] = &[2]uint64{}
	for end, id := range ids {
		delete(m.intents, modelEnd{end, id})
	}
}

func (m *linkModel) close(t *rapid.T) {
	d := drawDirection(t)
	c := roster.Closing{Run: "r1", Route: modelRoute(d), Unlinked: draw(t, d, "unlinked"), Refused: draw(t, d, "refused")}
	for _, id := range c.Unlinked {
		if ids, ok := m.of(d, id); ok {
			delete(m.links, ids)
		}
	}
	var clashes []string
	sources, targets := draw(t, d, "sources"), rapid.Permutation(modelIDs(1-d)).Draw(t, "targets")
	for i, source := range sources {
		m.row++
		link, ids := sentLink(source, targets[i], m.row), pair(d, source, targets[i])
		c.Links = append(c.Links, link)
		_, sourceLinked := m.of(d, source)
		_, targetLinked := m.of(1-d, targets[i])
		if m.links[ids] == nil {
			if sourceLinked || targetLinked {
				clashes = append(clashes, source)
				continue
			}
			m.make(ids)
		}
		// What is seen of the target is the other direction's source.
		m.links[ids][d], m.links[ids][1-d] = m.row, link.Seen
	}
	for _, id := range c.Refused {
		delete(m.intents, modelEnd{d, id})
	}
	for _, id := range draw(t, d, "parked") {
		one := roster.Intent{Source: id, Run: "r1", Attempt: 1, State: roster.IntentParked, Row: 5, Payload: []byte(id)}
		c.Parked = append(c.Parked, one)
		if _, ok := m.of(d, id); !ok {
			m.intents[modelEnd{d, id}] = one
		}
	}
	got, err := m.s.CloseLinks(m.t.Context(), c)
	must(m.t, err)
	slices.Sort(got.Clashes)
	slices.Sort(clashes)
	same(m.t, got.Clashes, clashes)
}

func (m *linkModel) set(t *rapid.T) {
	d := drawDirection(t)
	source := rapid.SampledFrom(modelIDs(d)).Draw(t, "source")
	target := rapid.SampledFrom(modelIDs(1-d)).Draw(t, "target")
	err := m.s.SetLink(m.t.Context(), modelRoute(d), source, target, "admin")
	if ids, ok := m.of(1-d, target); ok && ids[d] != source {
		if err == nil {
			t.Fatal("two records are linked to one")
		}
		return
	}
	must(m.t, err)
	if ids, ok := m.of(d, source); ok {
		delete(m.links, ids)
	}
	m.make(pair(d, source, target))
}

func (m *linkModel) remove(t *rapid.T) {
	d := drawDirection(t)
	source := rapid.SampledFrom(modelIDs(d)).Draw(t, "source")
	err := m.s.RemoveLink(m.t.Context(), modelRoute(d), source, "admin")
	ids, ok := m.of(d, source)
	if ok != (err == nil) {
		t.Fatalf("there is a link: %t, and removing it: %v", ok, err)
	}
	delete(m.links, ids)
}

func (m *linkModel) arm(t *rapid.T) {
	d := drawDirection(t)
	var batch []roster.Intent
	var want []bool
	for i, source := range draw(t, d, "sources") {
		one := roster.Intent{Route: modelRoute(d), Source: source, Run: "r1", Entry: i, Attempt: rapid.IntRange(1, 3).Draw(t, "attempt"), Row: 5}
		batch = append(batch, one)
		_, linked := m.of(d, source)
		had, ok := m.intents[modelEnd{d, source}]
		may := !linked && (!ok || had.State == roster.IntentArmed && had.Attempt == one.Attempt-1)
		if want = append(want, may); may {
			one.State = roster.IntentArmed
			m.intents[modelEnd{d, source}] = one
		}
	}
	got, err := m.s.Arm(m.t.Context(), batch)
	must(m.t, err)
	for i, standing := range got {
		if armed := standing.Link.Version == 0 && standing.Intent == nil; armed != want[i] {
			t.Fatalf("%s may be sent: %t, want %t", batch[i].Source, armed, want[i])
		}
	}
}

// check compares all that can be seen of the store with the model.
func (m *linkModel) check(t *rapid.T) {
	ctx := m.t.Context()
	for d := range 2 {
		n, err := m.s.CountLinks(ctx, modelRoute(d))
		must(m.t, err)
		same(m.t, n, len(m.links))
		found, err := m.s.Standings(ctx, modelRoute(d), modelIDs(d))
		must(m.t, err)
		var armed []string
		for i, id := range modelIDs(d) {
			m.checkStanding(t, modelEnd{d, id}, found[i])
			if one, ok := m.intents[modelEnd{d, id}]; ok && one.State == roster.IntentArmed {
				armed = append(armed, id)
			}
		}
		sources, err := places(m.s.OpenIntents(ctx, modelRoute(d)))
		must(m.t, err)
		same(m.t, sources, armed)
	}
	parked, err := m.s.Parked(ctx, roster.ParkedFilter{})
	must(m.t, err)
	all, err := m.s.Intents(ctx, "r1")
	must(m.t, err)
	same(m.t, len(parked)+len(all), len(m.intents))
	for _, p := range parked {
		one, err := m.s.ParkedByID(ctx, p.ID)
		must(m.t, err)
		same(m.t, string(one.Payload), p.Source)
	}
}

func (m *linkModel) checkStanding(t *rapid.T, end modelEnd, got roster.Standing) {
	ids, ok := m.of(end.direction, end.id)
	one, waits := m.intents[end]
	if waits != (got.Intent != nil) || ok != (got.Link.Version > 0) || waits && ok {
		t.Fatalf("%v: linked %t, an intent %t, got %+v", end, ok, waits, got)
	}
	if ok {
		same(m.t, got.Link.Target, ids[1-end.direction])
		same(m.t, got.Link.Sent.Row, m.links[ids][end.direction])
	}
	if waits {
		same(m.t, []any{got.Intent.State, got.Intent.Attempt}, []any{one.State, one.Attempt})
	}
}
