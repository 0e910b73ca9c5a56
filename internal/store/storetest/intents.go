package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func intent(source string, entry, attempt int) roster.Intent {
	return roster.Intent{
		Route: linkRoute(), Source: source, State: roster.IntentArmed, Run: "r1", Entry: entry, Attempt: attempt,
		Armed: begin(), Row: 5,
	}
}

func arm(t *testing.T, s Store, intents ...roster.Intent) []roster.Standing {
	t.Helper()
	got, err := s.Arm(t.Context(), intents)
	must(t, err)
	return got
}

// places returns the sources of intents.
func places(intents []roster.Intent, err error) ([]string, error) {
	return ids(intents, func(i roster.Intent) string { return i.Source }), err
}

func testArm(t *testing.T, open Open) {
	ctx, dir, route := t.Context(), t.TempDir(), linkRoute()
	s := open(t, dir)
	_, err := s.Arm(ctx, []roster.Intent{intent("a", 2, 1)})
	wantErr(t, err, store.ErrNotFound)
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	must(t, s.CreateRun(ctx, run("r2", "acme/x", 1)))
	closed(t, s, roster.Closing{Links: []roster.Link{sentLink("c", "3", 10)}})

	got := arm(t, s, intent("b", 2, 1), intent("a", 300, 1), intent("c", 4, 1), intent("a", 5, 1))
	same(t, got[:2], make([]roster.Standing, 2))
	same(t, timeless(t, got[2].Link).Target, "3")
	same(t, got[3].Intent.Entry, 300)
	epoch := s.Epoch()
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	found, err := s.Intents(ctx, "r1")
	must(t, err)
	want := []roster.Intent{intent("b", 2, 1), intent("a", 300, 1)}
	want[0].Epoch, want[1].Epoch = epoch, epoch
	same(t, found, want)
	sources, err := places(s.OpenIntents(ctx, route))
	must(t, err)
	same(t, sources, []string{"a", "b"})
	sources, err = places(s.OpenIntents(ctx, route.Reverse()))
	must(t, err)
	same(t, sources, nil)
	sources, err = places(s.Intents(ctx, "r"))
	must(t, err)
	same(t, sources, nil)

	// Only the run that armed a create sends it again, once for each proof.
	stranger := intent("a", 300, 2)
	stranger.Run = "r2"
	for _, one := range []roster.Intent{stranger, intent("a", 300, 1), intent("a", 300, 3)} {
		same(t, *arm(t, s, one)[0].Intent, want[1])
	}
	same(t, arm(t, s, intent("a", 300, 2)), make([]roster.Standing, 1))
	standing, err := s.Standings(ctx, route, []string{"a", "b", "c"})
	must(t, err)
	want[1].Attempt, want[1].Epoch = 2, s.Epoch()
	same(t, *standing[0].Intent, want[1])
	if standing[2].Intent != nil || standing[2].Link.Target != "3" {
		t.Fatalf("got %+v", standing[2])
	}

	// A link that is stored and a refusal end an intent.
	closed(t, s, roster.Closing{Links: []roster.Link{sentLink("a", "1", 5)}, Refused: []string{"b", "none"}})
	sources, err = places(s.Intents(ctx, "r1"))
	must(t, err)
	same(t, sources, nil)
	reverse := intent("1", 0, 1)
	reverse.Route = route.Reverse()
	same(t, arm(t, s, reverse)[0].Link.Target, "a")
	reverse.Route.Kind = ""
	_, err = s.Arm(ctx, []roster.Intent{reverse})
	wantErr(t, err, roster.ErrInvalid)
}

// parkOne parks the create of a source id and returns its id.
func parkOne(t *testing.T, s Store, source string) roster.Parked {
	t.Helper()
	one := intent(source, 1, 1)
	one.Reason, one.Hits, one.Payload = "two records carry its marker", []string{"h1", "h2"}, []byte(`{"id":"`+source+`"}`)
	closed(t, s, roster.Closing{Parked: []roster.Intent{one}})
	all, err := s.Parked(t.Context(), roster.ParkedFilter{})
	must(t, err)
	for _, p := range all {
		if p.Source == source {
			return p
		}
	}
	t.Fatalf("nothing is parked of %d", len(all))
	return roster.Parked{}
}

func testParked(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	must(t, s.CreateRun(ctx, run("r2", "acme/y", 0)))
	arm(t, s, intent("a", 1, 1))
	p := parkOne(t, s, "a")
	want := roster.Parked{ID: p.ID, Job: "acme/x", Kind: route.Kind, From: route.From, To: route.To, Intent: intent("a", 1, 1)}
	want.State, want.Epoch, want.Reason, want.Hits = roster.IntentParked, s.Epoch(), "two records carry its marker", []string{"h1", "h2"}
	same(t, p, want)
	if len(p.ID) != 12 {
		t.Fatalf("got the id %q", p.ID)
	}
	got, err := s.ParkedByID(ctx, p.ID)
	must(t, err)
	want.Payload = []byte(`{"id":"a"}`)
	same(t, got, want)
	same(t, *arm(t, s, intent("a", 1, 2))[0].Intent, func() roster.Intent { i := want.Intent; i.Hits, i.Payload = nil, nil; return i }())
	sources, err := places(s.OpenIntents(ctx, route))
	must(t, err)
	same(t, sources, nil)

	for _, source := range []string{"b", "c"} {
		parkOne(t, s, source)
	}
	first, err := s.Parked(ctx, roster.ParkedFilter{Job: "acme/x", Limit: 2})
	must(t, err)
	rest, err := s.Parked(ctx, roster.ParkedFilter{After: first[1].ID})
	must(t, err)
	same(t, []int{len(first), len(rest)}, []int{2, 1})
	none, err := s.Parked(ctx, roster.ParkedFilter{Job: "acme/y"})
	must(t, err)
	same(t, none, nil)
	_, err = s.ParkedByID(ctx, "none")
	wantErr(t, err, store.ErrNotFound)
}

func testSettleParked(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	must(t, s.CreateRun(ctx, run("r2", "acme/x", time.Second)))
	closed(t, s, roster.Closing{Links: []roster.Link{sentLink("z", "9", 1)}})
	a, b, c := parkOne(t, s, "a"), parkOne(t, s, "b"), parkOne(t, s, "c")
	wantErr(t, s.SettleParked(ctx, "none", roster.ParkedDrop, "", "admin"), store.ErrNotFound)
	wantErr(t, s.SettleParked(ctx, a.ID, "burn", "", "admin"), roster.ErrInvalid)
	wantErr(t, s.SettleParked(ctx, a.ID, roster.ParkedLink, "", "admin"), roster.ErrInvalid)
	wantErr(t, s.SettleParked(ctx, a.ID, roster.ParkedLink, "9", "admin"), roster.ErrConflict)

	must(t, s.SettleParked(ctx, a.ID, roster.ParkedLink, "1", "admin"))
	same(t, linked(t, s, route), []string{"a=1", "z=9"})
	must(t, s.SettleParked(ctx, b.ID, roster.ParkedCreate, "", "admin"))
	// The next run takes both up, also where the source does not give them again.
	retry, err := s.RetryQuarantine(ctx, "acme/x", "", 0)
	must(t, err)
	taken := map[string][]string{}
	for _, q := range retry {
		taken[q.Record] = []string{string(q.Stage), q.Code, string(q.Payload)}
	}
	same(t, taken, map[string][]string{
		"a": {string(roster.StageDeliver), roster.CodeParkedLinked, `{"id":"a"}`},
		"b": {string(roster.StageDeliver), roster.CodeParkedCreate, `{"id":"b"}`},
	})
	must(t, s.SettleParked(ctx, c.ID, roster.ParkedDrop, "", "admin"))

	left, err := s.Parked(ctx, roster.ParkedFilter{})
	must(t, err)
	same(t, left, nil)
	found, err := s.Standings(ctx, route, []string{"a", "b", "c"})
	must(t, err)
	if found[0].Intent != nil || found[1].Intent != nil || found[2].Intent.State != roster.IntentDropped || found[2].Intent.Row != 5 {
		t.Fatalf("got %+v", found)
	}
	// A dropped record is sent again only when it has changed.
	next := intent("c", 1, 1)
	next.Run = "r2"
	same(t, arm(t, s, next)[0].Intent.State, roster.IntentDropped)
	next.Row = 6
	same(t, arm(t, s, next), make([]roster.Standing, 1))

	// A parked create whose record is linked meanwhile is settled by that.
	d := parkOne(t, s, "d")
	must(t, s.SetLink(ctx, route.Reverse(), "4", "d", "admin"))
	_, err = s.ParkedByID(ctx, d.ID)
	wantErr(t, err, store.ErrNotFound)
	closed(t, s, roster.Closing{Parked: []roster.Intent{intent("d", 1, 1)}})
	left, err = s.Parked(ctx, roster.ParkedFilter{})
	must(t, err)
	same(t, left, nil)
}

func testReview(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	parkOne(t, s, "a")
	review := intent("b", 2, 0)
	review.Review, review.Hits, review.Payload = true, []string{"h1", "h2"}, []byte(`{"id":"b"}`)
	closed(t, s, roster.Closing{Parked: []roster.Intent{review}})
	only, err := s.Parked(ctx, roster.ParkedFilter{Review: true, Limit: 1})
	must(t, err)
	same(t, []any{len(only), only[0].Source, only[0].Review, only[0].State}, []any{1, "b", true, roster.IntentParked})

	// With another payload it is the same review.
	review.Hits, review.Row, review.Payload = nil, 6, []byte(`{"id":"b","n":2}`)
	closed(t, s, roster.Closing{Parked: []roster.Intent{review}})
	got, err := s.ParkedByID(ctx, only[0].ID)
	must(t, err)
	same(t, []any{got.Review, got.Hits, string(got.Payload), got.Row}, []any{true, []string{"h1", "h2"}, `{"id":"b","n":2}`, uint64(6)})

	// What a person has decided stays known until the create is armed.
	must(t, s.SettleParked(ctx, got.ID, roster.ParkedCreate, "", "admin"))
	left, err := s.Parked(ctx, roster.ParkedFilter{})
	must(t, err)
	same(t, []any{len(left), left[0].Review}, []any{1, false})
	found, err := s.Standings(ctx, route, []string{"b"})
	must(t, err)
	same(t, found[0].Intent.State, roster.IntentNew)
	same(t, arm(t, s, intent("b", 3, 1)), make([]roster.Standing, 1))
	found, err = s.Standings(ctx, route, []string{"b"})
	must(t, err)
	same(t, found[0].Intent.State, roster.IntentArmed)
}

func testClosingFails(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	arm(t, s, intent("a", 1, 1), intent("b", 2, 1))
	stop := errors.New("no")
	c := roster.Closing{
		Run: "r1", Route: route, Delivered: 3, Links: []roster.Link{sentLink("a", "1", 1)}, Refused: []string{"b"},
		Parked: []roster.Intent{intent("c", 3, 1)}, Quarantined: []roster.Quarantined{refused("acme/x", "r1", "q", 1)},
		Update: func(*roster.Run, roster.Closed) error { return stop },
	}
	nothing := func() {
		t.Helper()
		same(t, linked(t, s, route), nil)
		sources, err := places(s.Intents(ctx, "r1"))
		must(t, err)
		same(t, sources, []string{"a", "b"})
		stored, err := s.Run(ctx, "r1")
		must(t, err)
		same(t, stored.Delivered, 0)
	}
	_, err := s.CloseLinks(ctx, c)
	wantErr(t, err, stop)
	nothing()
	c.Update = nil
	c.Links = append(c.Links, roster.Link{Source: "x", Target: "8", Origin: "guessed"})
	_, err = s.CloseLinks(ctx, c)
	wantErr(t, err, roster.ErrInvalid)
	nothing()

	c.Links = c.Links[:1]
	c.Update = func(r *roster.Run, _ roster.Closed) error { r.Counts.Served, r.Delivered = 1, 0; return nil }
	_, err = s.CloseLinks(ctx, c)
	must(t, err)
	same(t, linked(t, s, route), []string{"a=1"})
	stored, err := s.Run(ctx, "r1")
	must(t, err)
	same(t, []int{stored.Delivered, stored.Counts.Served}, []int{3, 1})
	left, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	must(t, err)
	same(t, len(left), 1)
	_, err = s.UpdateRun(ctx, "r1", func(*roster.Run) error { return nil })
	must(t, err)
}

func testRetry(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateRun(ctx, run("r2", "acme/x", 0)))
	old := add(t, s, refused("acme/x", "r1", "a", 1), refused("acme/x", "r1", "b", 1), refused("acme/y", "r1", "a", 1), refused("acme/x", "r1", "c", 1))
	newer := refused("acme/x", "r2", "a", 2)
	newer.Payload = []byte("newer")
	add(t, s, newer)
	got, err := s.RetryQuarantine(ctx, "acme/x", "", 2)
	must(t, err)
	rest, err := s.RetryQuarantine(ctx, "acme/x", got[1].ID, 2)
	must(t, err)
	all := append(got, rest...)
	same(t, len(all), 3)
	for _, q := range all {
		one, err := s.QuarantinedByID(ctx, q.ID)
		must(t, err)
		same(t, q, one)
	}
	none, err := s.RetryQuarantine(ctx, "acme/z", "", 0)
	must(t, err)
	same(t, none, nil)

	_, err = s.BeginDelivery(ctx, "r2", roster.Delivery{Retried: []string{old[0].ID, old[1].ID}}, func(*roster.Run) error { return nil })
	must(t, err)
	left, err := s.RetryQuarantine(ctx, "acme/x", "", 0)
	must(t, err)
	want := map[string]string{"a": "r2", "c": "r1"}
	same(t, len(left), len(want))
	for _, q := range left {
		same(t, q.Run, want[q.Record])
	}
	must(t, s.DropQuarantine(ctx, "acme/x", []string{old[3].ID, "none"}))
	wantErr(t, s.DropQuarantine(ctx, "acme/x", []string{old[3].ID}), store.ErrNotFound)
	wantErr(t, s.DropQuarantine(ctx, "acme/z", []string{old[0].ID}), store.ErrNotFound)
	others, err := s.RetryQuarantine(ctx, "acme/y", "", 0)
	must(t, err)
	same(t, len(others), 1)
}
