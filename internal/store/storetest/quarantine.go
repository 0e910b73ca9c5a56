package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// refused is a record that a run refused at a moment counted in seconds.
func refused(job, run, record string, at int) roster.Quarantined {
	return roster.Quarantined{
		Job: job, Run: run, Kind: sdk.KindMember, Record: record, Position: "line " + record,
		Stage: roster.StageMap, Code: roster.CodeMapRejected, Reason: "no e-mail",
		At: begin().Add(time.Duration(at) * time.Second), Payload: []byte(`{"id":"` + record + `"}`),
	}
}

func add(tb testing.TB, s Store, records ...roster.Quarantined) []roster.Quarantined {
	tb.Helper()
	_, err := s.AddQuarantine(tb.Context(), records)
	must(tb, err)
	return records
}

func testQuarantineID(t *testing.T, open Open) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	unreadable := func(payload string) roster.Quarantined {
		q := refused("acme/x", "r1", "", 1)
		q.Position, q.Payload = "", []byte(payload)
		return q
	}
	other := refused("acme/x", "r1", "a", 1)
	other.Kind = sdk.KindStaff
	moved := refused("acme/x", "r1", "a", 1)
	moved.Position = "line 9"
	got := add(t, s, refused("acme/x", "r1", "a", 1), refused("acme/y", "r1", "a", 1), other, moved, unreadable("p"), unreadable("q"))
	seen := make(map[string]bool)
	for _, q := range got {
		if len(q.ID) != 12 || seen[q.ID] {
			t.Fatalf("id %q is not 12 long or stands for two records", q.ID)
		}
		seen[q.ID] = true
	}
	must(t, s.Close())
	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	again := refused("acme/x", "r1", "a", 5)
	again.Code, again.Payload = roster.CodeMapError, []byte("other")
	again = add(t, s, again)[0]
	same(t, again.ID, got[0].ID)
	all, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	must(t, err)
	same(t, len(all), len(got))
	stored, err := s.QuarantinedByID(ctx, again.ID)
	must(t, err)
	same(t, stored, again)
	_, err = s.AddQuarantine(ctx, []roster.Quarantined{{Job: "acme/x"}})
	wantErr(t, err, roster.ErrInvalid)
}

// form is a refused form of record a.
func form(n, at int) roster.Quarantined {
	q := refused("acme/x", "r1", "a", at)
	q.Form, q.Position = n, fmt.Sprintf("line %d", at)
	return q
}

func testForms(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	listed := func() []string {
		t.Helper()
		found, err := s.Quarantine(ctx, roster.QuarantineFilter{})
		must(t, err)
		return ids(found, func(q roster.Quarantined) string { return fmt.Sprint(q.Run, " ", q.Form, " ", q.Position) })
	}
	replaced, err := s.AddQuarantine(ctx, []roster.Quarantined{form(5, 1), form(5, 2)})
	must(t, err)
	same(t, replaced, 1)
	same(t, listed(), []string{"r1 5 line 2"})

	// A delivery tells of an earlier form later.
	gone := form(3, 4)
	gone.Gone, gone.Payload = true, nil
	got := closed(t, s, roster.Closing{Quarantined: []roster.Quarantined{form(2, 3)}})
	same(t, got.Replaced, 1)
	same(t, listed(), []string{"r1 5 line 2"})
	later := func(n int) []roster.Superseded {
		return []roster.Superseded{{Record: "b", Form: 9}, {Record: "a", Form: n}}
	}
	same(t, closed(t, s, roster.Closing{Superseded: later(4)}).Replaced, 0)
	replaced, err = s.Supersede(ctx, "acme/x", "r2", sdk.KindMember, later(9))
	must(t, err)
	same(t, replaced, 0)
	same(t, listed(), []string{"r1 5 line 2"})
	route := linkRoute()
	route.Kind = sdk.KindMember
	same(t, closed(t, s, roster.Closing{Route: route, Superseded: later(5)}).Replaced, 1)
	same(t, listed(), nil)

	// What is stored again after a crash is counted when it is counted.
	same(t, closed(t, s, roster.Closing{Quarantined: []roster.Quarantined{gone}}).Replaced, 0)
	same(t, closed(t, s, roster.Closing{Quarantined: []roster.Quarantined{gone}}).Replaced, 0)
	waiting, err := s.RetryQuarantine(ctx, "acme/x", "", 0)
	must(t, err)
	same(t, len(waiting) == 1 && waiting[0].Gone, true)
	replaced, err = s.Supersede(ctx, "acme/x", "r1", sdk.KindMember, later(3))
	must(t, err)
	same(t, replaced, 1)
}

func testQuarantineListed(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	var all []roster.Quarantined
	for i := range 30 {
		q := refused([]string{"acme/x", "acme/y", "beta/x"}[i%3], []string{"r1", "r2", "r3"}[i%3], string(rune('a'+i)), i)
		if i%2 == 0 {
			q.Code, q.Reason, q.Stage = roster.CodeFreezeMissing, "first_name is missing", roster.StageFreeze
		}
		all = append(all, q)
	}
	add(t, s, all...)
	slices.SortFunc(all, func(a, b roster.Quarantined) int { return compare(a.ID, b.ID) })
	for i := range all {
		all[i].Payload = nil
	}
	got, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	must(t, err)
	same(t, got, all)

	filter := roster.QuarantineFilter{Code: roster.CodeFreezeMissing, Limit: 4}
	var paged []roster.Quarantined
	for {
		page, err := s.Quarantine(ctx, filter)
		must(t, err)
		paged = append(paged, page...)
		if len(page) < filter.Limit {
			break
		}
		filter.After = page[len(page)-1].ID
	}
	same(t, paged, slices.DeleteFunc(slices.Clone(all), func(q roster.Quarantined) bool { return q.Code != filter.Code }))

	ofJob, err := s.Quarantine(ctx, roster.QuarantineFilter{Job: "acme/y", Run: "r2", Limit: 100})
	must(t, err)
	same(t, ofJob, slices.DeleteFunc(slices.Clone(all), func(q roster.Quarantined) bool { return q.Job != "acme/y" }))

	groups, err := s.QuarantineGroups(ctx, roster.QuarantineFilter{Job: "acme/x"})
	must(t, err)
	for i := range groups {
		if len(groups[i].Example) != 12 {
			t.Errorf("group %s has the example %q", groups[i].Code, groups[i].Example)
		}
		groups[i].Example = ""
	}
	same(t, groups, []roster.QuarantineGroup{
		{Stage: roster.StageFreeze, Code: roster.CodeFreezeMissing, Reason: "first_name is missing", Count: 5},
		{Stage: roster.StageMap, Code: roster.CodeMapRejected, Reason: "no e-mail", Count: 5},
	})
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func testQuarantineLayers(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	must(t, s.CreateRun(ctx, run("r1", "acme/x", 0)))
	must(t, s.CreateRun(ctx, run("r2", "acme/x", 1)))
	old := add(t, s, refused("acme/x", "r1", "a", 1))[0]
	younger := refused("acme/x", "r2", "a", 2)
	younger.Code = roster.CodeMapError
	younger = add(t, s, younger)[0]
	same(t, younger.ID, old.ID)

	shown, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	must(t, err)
	same(t, ids(shown, entryRun), []string{"r2"})
	shown, err = s.Quarantine(ctx, roster.QuarantineFilter{Code: roster.CodeMapRejected})
	must(t, err)
	same(t, ids(shown, entryCode), nil)

	must(t, s.DropRunQuarantine(ctx, "r2"))
	got, err := s.QuarantinedByID(ctx, old.ID)
	must(t, err)
	same(t, got, old)
	must(t, s.DropRunQuarantine(ctx, "r2"))
	must(t, s.DropRunQuarantine(ctx, "no such run"))
}

func testQuarantineDropped(t *testing.T, open Open) {
	s := opened(t, open)
	ctx := t.Context()
	got := add(t, s, refused("acme/x", "r1", "a", 1), refused("acme/y", "r2", "b", 1), refused("acme/y", "r2", "c", 1))
	add(t, s, refused("acme/x", "r3", "a", 2))
	n, err := s.DropQuarantined(ctx, got[0].ID, got[1].ID, "aaaaaaaaaaaa", "")
	must(t, err)
	same(t, n, 2)
	for _, id := range []string{got[0].ID, got[1].ID, "", "aaaaaaaaaaaa"} {
		_, err = s.QuarantinedByID(ctx, id)
		wantErr(t, err, store.ErrNotFound)
	}
	left, err := s.Quarantine(ctx, roster.QuarantineFilter{})
	must(t, err)
	same(t, ids(left, func(q roster.Quarantined) string { return q.Record }), []string{"c"})
}
