package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// SyncStore keeps what a sync knows of records.
type SyncStore interface {
	LinkReader
	LinkWriter
	IntentStore
	ParkedStore
	SyncIdentity
}

// LinkReader shows links.
type LinkReader interface {
	Standings(ctx context.Context, route roster.Route, sources []string) ([]roster.Standing, error)
	Link(ctx context.Context, route roster.Route, source string) (roster.Link, error)
	Links(ctx context.Context, route roster.Route, filter roster.LinkFilter) ([]roster.Link, error)
	CountLinks(ctx context.Context, route roster.Route) (int, error)
	LinkHistory(ctx context.Context, route roster.Route, source string) ([]roster.LinkEvent, error)
}

// LinkWriter changes links.
type LinkWriter interface {
	CloseLinks(ctx context.Context, c roster.Closing) (roster.Closed, error)
	SetLink(ctx context.Context, route roster.Route, source, target, by string) error
	RemoveLink(ctx context.Context, route roster.Route, source, by string) error
}

// IntentStore keeps creates that are not proven done.
type IntentStore interface {
	Arm(ctx context.Context, intents []roster.Intent) ([]roster.Standing, error)
	Intents(ctx context.Context, run string) ([]roster.Intent, error)
	OpenIntents(ctx context.Context, route roster.Route) ([]roster.Intent, error)
}

// ParkedStore keeps creates that wait for a person.
type ParkedStore interface {
	Parked(ctx context.Context, filter roster.ParkedFilter) ([]roster.Parked, error)
	ParkedByID(ctx context.Context, id string) (roster.Parked, error)
	SettleParked(ctx context.Context, id string, verdict roster.ParkedVerdict, target, by string) error
}

// SyncIdentity is what an installation names and digests records with.
type SyncIdentity interface {
	Marker(route roster.Route, source string) string
	DigestKey() digest.Key
	Epoch() uint64
}

func linkRoute() roster.Route {
	return roster.Route{From: "acme/gym", To: "acme/crm", Kind: sdk.KindMember}
}

// sentLink is a link as a run stores it.
func sentLink(source, target string, row uint64) roster.Link {
	return roster.Link{
		Source: source, Target: target, Origin: roster.LinkCreated, Seen: row + 1,
		Sent: roster.Sent{
			Row: row, Mapping: 7, Sum: digest.Sum{Lo: row, Hi: 3}, Open: row%2 == 1,
			Fields: []roster.SentField{{Name: "email", Short: uint32(row)}, {Name: "name", Short: 9}},
		},
	}
}

func closed(t *testing.T, s Store, c roster.Closing) roster.Closed {
	t.Helper()
	if c.Run == "" {
		c.Run = "r1"
	}
	if c.Route == (roster.Route{}) {
		c.Route = linkRoute()
	}
	got, err := s.CloseLinks(t.Context(), c)
	must(t, err)
	return got
}

// timeless is a link without the times that the store has filled in.
func timeless(t tester, l roster.Link) roster.Link {
	t.Helper()
	if l.Version > 0 && (l.Made.IsZero() || l.Changed.Before(l.Made)) {
		t.Fatalf("made %s, changed %s", l.Made, l.Changed)
	}
	l.Made, l.Changed = time.Time{}, time.Time{}
	return l
}

func linked(t *testing.T, s Store, route roster.Route) []string {
	t.Helper()
	links, err := s.Links(t.Context(), route, roster.LinkFilter{})
	must(t, err)
	n, err := s.CountLinks(t.Context(), route)
	must(t, err)
	same(t, n, len(links))
	return ids(links, func(l roster.Link) string { return l.Source + "=" + l.Target })
}

func testLinks(t *testing.T, open Open) {
	ctx, dir, route := t.Context(), t.TempDir(), linkRoute()
	s := open(t, dir)
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	closed(t, s, roster.Closing{Links: []roster.Link{sentLink("b", "2", 20), sentLink("a", "1", 10)}, Delivered: 2})
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	found, err := s.Standings(ctx, route, []string{"", "a", "aa", "b", "a", "c"})
	must(t, err)
	want := make([]roster.Standing, 6)
	want[1].Link, want[3].Link = sentLink("a", "1", 10), sentLink("b", "2", 20)
	want[1].Link.Version, want[3].Link.Version = 1, 1
	want[4] = want[1]
	for i := range found {
		found[i].Link = timeless(t, found[i].Link)
	}
	same(t, found, want)

	// The other direction has the link, has sent nothing, and knows both records as
	// they were seen.
	back, err := s.Link(ctx, route.Reverse(), "2")
	must(t, err)
	same(t, timeless(t, back), roster.Link{
		Source: "2", Target: "b", Version: 1, Origin: roster.LinkCreated, Sent: roster.Sent{Row: 21}, Seen: 20,
	})
	back.Sent = roster.Sent{Row: 77, Mapping: 5}
	closed(t, s, roster.Closing{Route: route.Reverse(), Links: []roster.Link{back}, Delivered: 1})
	got, err := s.Link(ctx, route, "b")
	must(t, err)
	want[3].Link.Version = 2
	want[3].Link.Sent.Row, want[3].Link.Seen = 20, 77
	same(t, timeless(t, got), want[3].Link)
	closed(t, s, roster.Closing{Links: []roster.Link{got}})
	again, err := s.Link(ctx, route, "b")
	must(t, err)
	same(t, again, got)

	// What it sent counts no more when the other direction has written its record.
	back.Seen = 99
	closed(t, s, roster.Closing{Route: route.Reverse(), Links: []roster.Link{back}, Delivered: 1})
	got, err = s.Link(ctx, route, "b")
	must(t, err)
	want[3].Link.Version = 3
	want[3].Link.Sent.Row, want[3].Link.Sent.Mapping, want[3].Link.Sent.Sum = 99, 0, digest.Sum{}
	same(t, timeless(t, got), want[3].Link)

	stored, err := s.Run(ctx, "r1")
	must(t, err)
	same(t, stored.Delivered, 2)
	_, err = s.Link(ctx, route, "c")
	wantErr(t, err, store.ErrNotFound)
	_, err = s.CloseLinks(ctx, roster.Closing{Run: "none", Route: route})
	wantErr(t, err, store.ErrNotFound)
	_, err = s.Standings(ctx, roster.Route{From: "a", To: "a", Kind: route.Kind}, nil)
	wantErr(t, err, roster.ErrInvalid)
	other := route
	other.Kind = sdk.KindStaff
	same(t, linked(t, s, other), nil)
}

func testLinksListed(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	var links []roster.Link
	var want, back []string
	for i := range 300 {
		source, target := fmt.Sprintf("s%03d", i), fmt.Sprintf("t%03d", 299-i)
		links = append(links, sentLink(source, target, uint64(i+1)))
		want, back = append(want, source+"="+target), append(back, target+"="+source)
	}
	closed(t, s, roster.Closing{Links: links})
	same(t, linked(t, s, route), want)
	slices.Reverse(back)
	same(t, linked(t, s, route.Reverse()), back)
	for _, r := range []roster.Route{route, route.Reverse()} {
		filter, paged := roster.LinkFilter{Limit: 70}, 0
		for {
			page, err := s.Links(ctx, r, filter)
			must(t, err)
			paged += len(page)
			if len(page) < filter.Limit {
				break
			}
			filter.After = page[len(page)-1].Source
		}
		same(t, paged, 300)
	}
	found, err := s.Standings(ctx, route.Reverse(), []string{"t007", "t005", "t299", "u", "t000"})
	must(t, err)
	same(t, ids(found, func(st roster.Standing) string { return st.Link.Target }), []string{"s292", "s294", "s000", "", "s299"})
}

func testOneToOne(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	closed(t, s, roster.Closing{Links: []roster.Link{sentLink("a", "1", 10), sentLink("b", "2", 10)}})
	got := closed(t, s, roster.Closing{Links: []roster.Link{sentLink("c", "1", 10), sentLink("d", "4", 10), sentLink("a", "9", 1)}})
	slices.Sort(got.Clashes)
	same(t, got.Clashes, []string{"a", "c"})
	got = closed(t, s, roster.Closing{Route: route.Reverse(), Links: []roster.Link{sentLink("5", "a", 10), sentLink("1", "e", 10)}})
	slices.Sort(got.Clashes)
	same(t, got.Clashes, []string{"1", "5"})
	same(t, linked(t, s, route), []string{"a=1", "b=2", "d=4"})
	testTaken(t, s)
	events, err := s.LinkHistory(ctx, route, "a")
	must(t, err)
	same(t, words(events), []string{"created", "clash", "clash", "clash", "clash"})

	// What was removed or made another link since a run has looked stays so.
	known := sentLink("b", "2", 11)
	known.Version = 1
	must(t, s.RemoveLink(ctx, route, "b", "admin"))
	closed(t, s, roster.Closing{Links: []roster.Link{known}})
	same(t, linked(t, s, route), []string{"a=1", "d=4"})
	must(t, s.SetLink(ctx, route, "b", "3", "admin"))
	same(t, closed(t, s, roster.Closing{Links: []roster.Link{known}}), roster.Closed{})
	same(t, linked(t, s, route), []string{"a=1", "b=3", "d=4"})
	closed(t, s, roster.Closing{Unlinked: []string{"a", "none"}, Links: []roster.Link{sentLink("e", "1", 1)}})
	same(t, linked(t, s, route), []string{"b=3", "d=4", "e=1"})
}

// testTaken holds that what takes the place of a link that is not made is stored
// with what else there is, and that the run is told of it.
func testTaken(t *testing.T, s Store) {
	t.Helper()
	asked := intent("f", 7, 1)
	asked.State, asked.Reason, asked.Hits, asked.Payload = roster.IntentParked, "clash", []string{"2"}, []byte(`{"id":"f"}`)
	got := closed(t, s, roster.Closing{
		Links: []roster.Link{sentLink("f", "2", 10), sentLink("g", "2", 10)},
		Taken: func(source string) (roster.Intent, bool) { return asked, source == "f" },
		Update: func(r *roster.Run, met roster.Closed) error {
			r.Counts.Waiting = len(met.Clashes)
			return nil
		},
	})
	same(t, len(got.Clashes), 2)
	stored, err := s.Run(t.Context(), "r1")
	must(t, err)
	same(t, stored.Counts.Waiting, 2)
	parked, err := s.Parked(t.Context(), roster.ParkedFilter{})
	must(t, err)
	same(t, ids(parked, func(p roster.Parked) string { return p.Source + " " + p.Hits[0] }), []string{"f 2"})
}

func words(events []roster.LinkEvent) []string {
	return ids(events, func(e roster.LinkEvent) string { return e.What })
}

func testManualLinks(t *testing.T, open Open) {
	s := opened(t, open)
	ctx, route := t.Context(), linkRoute()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	closed(t, s, roster.Closing{Links: []roster.Link{sentLink("ann@example.com", "1", 10), sentLink("b", "2", 10)}})
	err := s.SetLink(ctx, route, "b", "1", "admin")
	wantErr(t, err, roster.ErrConflict)
	if strings.Contains(err.Error(), "ann") {
		t.Fatalf("the error names a record: %v", err)
	}
	wantErr(t, s.SetLink(ctx, route.Reverse(), "2", "ann@example.com", "admin"), roster.ErrConflict)
	wantErr(t, s.SetLink(ctx, route, "b", "", "admin"), roster.ErrInvalid)
	must(t, s.SetLink(ctx, route, "b", "3", "admin"))
	got, err := s.Link(ctx, route, "b")
	must(t, err)
	same(t, timeless(t, got), roster.Link{Source: "b", Target: "3", Version: 2, Origin: roster.LinkManual})
	same(t, linked(t, s, route.Reverse()), []string{"1=ann@example.com", "3=b"})

	must(t, s.RemoveLink(ctx, route.Reverse(), "3", "admin"))
	wantErr(t, s.RemoveLink(ctx, route, "b", "admin"), store.ErrNotFound)
	events, err := s.LinkHistory(ctx, route, "b")
	must(t, err)
	same(t, words(events), []string{"created", "removed", "manual", "removed"})
	same(t, []string{events[0].By, events[2].By, events[2].Target}, []string{"r1", "admin", "3"})
	events, err = s.LinkHistory(ctx, route.Reverse(), "3")
	must(t, err)
	same(t, words(events), []string{"manual", "removed"})
	same(t, []string{events[0].Source, events[0].Target}, []string{"3", "b"})

	for i := range 30 {
		closed(t, s, roster.Closing{Events: []roster.LinkEvent{{What: "conflict", Source: "b", Note: fmt.Sprint(i)}}})
	}
	events, err = s.LinkHistory(ctx, route, "b")
	must(t, err)
	same(t, []string{fmt.Sprint(len(events)), events[19].Note, events[19].By}, []string{"20", "29", "r1"})
	events, err = s.LinkHistory(ctx, route, "never")
	must(t, err)
	same(t, events, nil)
}

func testMarkers(t *testing.T, open Open) {
	dir, route := t.TempDir(), linkRoute()
	s := open(t, dir)
	other := route
	other.Kind = sdk.KindStaff
	markers := map[string]bool{}
	for _, m := range []string{s.Marker(route, "a"), s.Marker(route, "b"), s.Marker(route.Reverse(), "a"), s.Marker(other, "a")} {
		if len(m) != 24 || !strings.HasPrefix(m, "rd") || strings.Trim(m, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || markers[m] {
			t.Fatalf("got the marker %q", m)
		}
		markers[m] = true
	}
	first, key, epoch := s.Marker(route, "a"), s.DigestKey(), s.Epoch()
	must(t, s.Close())
	for range 3 {
		s = open(t, dir)
		same(t, s.Marker(route, "a"), first)
		if s.DigestKey() != key || key == (digest.Key{}) {
			t.Fatal("the key of digests changes")
		}
		if s.Epoch() <= epoch {
			t.Fatalf("epoch %d follows %d", s.Epoch(), epoch)
		}
		epoch = s.Epoch()
		must(t, s.Close())
	}
}
