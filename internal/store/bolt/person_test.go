package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// The person who is looked for: in a CRM, in a club platform that it is synced to,
// and in a third system that the club platform is synced to.
const (
	personCRM   = "Canary-In-CRM"
	personClub  = "canary-at-club"
	personThird = "canary-third"
	personMail  = "canary.sings@example.com"
)

func personRoutes() (first, second roster.Route) {
	return roster.Route{From: "acme/crm", To: "acme/club", Kind: sdk.KindMember}, roster.Route{From: "acme/third", To: "acme/club", Kind: sdk.KindMember}
}

func personSources() map[string]string {
	return map[string]string{"acme/leads": "acme/crm", "acme/back": "acme/club", "acme/push": "acme/inbound", "acme/launch": "acme/crm"}
}

func byID() roster.Person {
	return roster.Person{
		Account: "acme", Subjects: []roster.Subject{{Connection: "acme/crm", Kind: sdk.KindMember, ID: personCRM}}, Sources: personSources(),
	}
}

func byMail() roster.Person {
	return roster.Person{Account: "acme", Emails: []string{personMail}, Sources: personSources()}
}

// populate stores a person everywhere among others, and returns what of the others
// has to stay.
func populate(t *testing.T, s *bolt.Store) (others func() string) {
	t.Helper()
	ctx, at := t.Context(), time.Unix(1000, 0).UTC()
	first, second := personRoutes()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.CreateRun(ctx, roster.Run{ID: "run", Job: "acme/leads", State: roster.RunOK, Asked: at}))
	link := func(route roster.Route, source, target string) {
		t.Helper()
		_, err := s.CloseLinks(ctx, roster.Closing{Run: "run", Route: route, Links: []roster.Link{{
			Source: source, Target: target, Origin: roster.LinkCreated, Sent: roster.Sent{Row: 7, Fields: []roster.SentField{{Name: "email", Short: 9}}},
		}}})
		must(err)
	}
	for n := range 300 {
		link(first, fmt.Sprintf("other-%03d", n), fmt.Sprintf("at-club-%03d", n))
	}
	// The person was linked to somebody else's record by mistake before.
	link(first, personCRM, "at-club-wrong")
	must(s.RemoveLink(ctx, first, personCRM, "admin: wrong one"))
	link(first, "other-wrong", "at-club-wrong")
	link(first, personCRM, personClub)
	link(second, personThird, personClub)

	payload := func(id string) []byte {
		return []byte(`{"id":"` + id + `","fields":{"mail":" Canary.Sings@example.com","name":"Canarelle"}}`)
	}
	_, err := s.AddQuarantine(ctx, []roster.Quarantined{
		{Job: "acme/leads", Run: "run", Kind: sdk.KindMember, Record: personCRM, Code: "map.rejected", Stage: roster.StageMap, At: at, Payload: payload(personCRM)},
		{Job: "acme/leads", Run: "run", Kind: sdk.KindMember, Record: "", Position: "line 9", Code: "read.rejected", Stage: roster.StageRead, At: at, Payload: []byte("Canarelle;" + personMail)},
		{Job: "acme/leads", Run: "run", Kind: sdk.KindMember, Record: "other-007", Code: "map.rejected", Stage: roster.StageMap, At: at, Payload: []byte(`{"id":"other-007","fields":{"mail":"other@example.com"}}`)},
		// Another system's record happens to have the same id.
		{Job: "acme/back", Run: "run", Kind: sdk.KindMember, Record: personCRM, Code: "map.rejected", Stage: roster.StageMap, At: at, Payload: []byte(`{"id":"x"}`)},
		{Job: "other/leads", Run: "run", Kind: sdk.KindMember, Record: personCRM, Code: "map.rejected", Stage: roster.StageMap, At: at, Payload: payload(personCRM)},
	})
	must(err)
	parked := func(source string, hits ...string) roster.Intent {
		return roster.Intent{Source: source, Run: "run", Attempt: 1, Reason: "two records carry its marker", Hits: hits, Payload: payload(source)}
	}
	prospects := roster.Route{From: "acme/crm", To: "acme/club", Kind: sdk.KindProspect}
	_, err = s.CloseLinks(ctx, roster.Closing{Run: "run", Route: prospects, Parked: []roster.Intent{parked("parked-prospect", "h1")}})
	must(err)
	other := parked("other-parked", personClub, "h2")
	other.Payload = []byte(`{"id":"other-parked"}`)
	_, err = s.CloseLinks(ctx, roster.Closing{Run: "run", Route: first, Parked: []roster.Intent{other}})
	must(err)
	mail, mailOther := personMail, "other@example.com"
	for id, address := range map[string]*string{"pushed-person": &mail, "pushed-other": &mailOther} {
		_, err := s.SaveInbound(ctx, "acme/inbound", roster.Inbound{Kind: sdk.KindProspect, ID: id, At: at, Fields: map[string]*string{"email": address}}, 10)
		must(err)
	}
	must(s.CreateSession(ctx, roster.Session{ID: "session", Run: "run", Job: "acme/launch", State: roster.SessionOpen, Business: "b", To: 3, Created: at}))
	must(s.IndexClients(ctx, "session", []string{"other-001", personCRM, "other-002"}))
	return func() string {
		var out strings.Builder
		links, err := s.Links(ctx, first, roster.LinkFilter{})
		n, countErr := s.CountLinks(ctx, first)
		history, historyErr := s.LinkHistory(ctx, first.Reverse(), "at-club-wrong")
		fmt.Fprintln(&out, len(links), n, errors.Join(err, countErr, historyErr))
		for _, e := range history {
			if e.Target == "other-wrong" {
				fmt.Fprintln(&out, e.What, e.Source)
			}
		}
		for _, l := range links {
			if l.Source != personCRM {
				fmt.Fprintln(&out, l.Source, l.Target)
			}
		}
		refused, err := s.Quarantine(ctx, roster.QuarantineFilter{})
		for _, q := range refused {
			if q.Record == "other-007" || q.Job != "acme/leads" {
				fmt.Fprintln(&out, q.Job, q.Record)
			}
		}
		waiting, waitErr := s.InboundAfter(ctx, "acme/inbound", sdk.KindProspect, 0, 10)
		for _, w := range waiting {
			if w.ID == "pushed-other" {
				fmt.Fprintln(&out, w.ID)
			}
		}
		places, placesErr := s.FindClients(ctx, "session", []string{"other-001", "other-002"})
		fmt.Fprintln(&out, places, errors.Join(err, waitErr, placesErr))
		found, err := s.Parked(ctx, roster.ParkedFilter{})
		for _, p := range found {
			if p.Source == "other-parked" {
				fmt.Fprintln(&out, p.Source, slices.Contains(p.Hits, "h2"), err)
			}
		}
		return out.String()
	}
}

func wheres(h roster.Holding) map[roster.HeldWhere]int {
	counts := map[roster.HeldWhere]int{}
	for _, held := range h.Held {
		counts[held.Where]++
	}
	return counts
}

func TestAPersonIsFoundByARecordInEverythingThatIsLinkedToIt(t *testing.T) {
	s := open(t, t.TempDir()).(*bolt.Store)
	populate(t, s)
	found, err := s.Holds(t.Context(), byID())
	if err != nil {
		t.Fatal(err)
	}
	want := []roster.Subject{
		{Connection: "acme/crm", Kind: sdk.KindMember, ID: personCRM},
		{Connection: "acme/club", Kind: sdk.KindMember, ID: personClub},
		{Connection: "acme/third", Kind: sdk.KindMember, ID: personThird},
	}
	if !slices.Equal(found.Subjects, want) {
		t.Errorf("subjects %+v", found.Subjects)
	}
	got := wheres(found)
	for where, n := range map[roster.HeldWhere]int{
		roster.HeldLink: 2, roster.HeldQuarantine: 1, roster.HeldSession: 1, roster.HeldParked: 1, roster.HeldInbound: 0,
	} {
		if got[where] != n {
			t.Errorf("%s: %d, want %d", where, got[where], n)
		}
	}
	if got[roster.HeldHistory] < 2 {
		t.Errorf("history: %d", got[roster.HeldHistory])
	}
	for _, held := range found.Held {
		if held.Where == roster.HeldQuarantine && !bytes.Contains(held.Data, []byte("Canarelle")) {
			t.Errorf("it comes without its values: %s", held.Data)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAPersonIsFoundByAnAddressInWhatWaits(t *testing.T) {
	s := open(t, t.TempDir()).(*bolt.Store)
	populate(t, s)
	found, err := s.Holds(t.Context(), byMail())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []roster.Subject{
		{Connection: "acme/crm", Kind: sdk.KindMember, ID: personCRM},
		{Connection: "acme/inbound", Kind: sdk.KindProspect, ID: "pushed-person"},
		{Connection: "acme/crm", Kind: sdk.KindProspect, ID: "parked-prospect"},
		{Connection: "acme/third", Kind: sdk.KindMember, ID: personThird},
	} {
		if !slices.Contains(found.Subjects, want) {
			t.Errorf("%+v is not found in %+v", want, found.Subjects)
		}
	}
	if got := wheres(found); got[roster.HeldQuarantine] != 2 || got[roster.HeldInbound] != 1 || got[roster.HeldParked] != 2 {
		t.Errorf("%v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func stone() roster.Tombstone {
	return roster.Tombstone{ID: "t1", At: time.Unix(2000, 0).UTC(), By: "admin", Reason: "their wish of May 3"}
}

func TestAnErasedPersonIsNowhereInTheFilesAndOthersStay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	others := populate(t, s)
	before := others()
	who := byMail()
	held, made, err := s.Erase(t.Context(), who, stone(), true)
	if err != nil || made.Records < 5 || made.Emails != 1 || len(held.Held) < 10 {
		t.Fatalf("%+v, %d held, %v", made, len(held.Held), err)
	}
	left, err := s.Holds(t.Context(), who)
	if got := wheres(left); err != nil || len(left.Held) != got[roster.HeldTombstone] {
		t.Errorf("there is still %v, %v", got, err)
	}
	after := others()
	if cut := func(text string) string { _, rest, _ := strings.Cut(text, "\n"); return rest }; cut(after) != cut(before) {
		t.Errorf("of others is left\n%s\nwant\n%s", after, before)
	}
	wantFile(t, dir, true) // that is what bbolt leaves
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir, false)
	if others() != after {
		t.Error("overwriting has changed something")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir, false)
	if err := bolt.Verify(filepath.Join(dir, "rosterd.db")); err != nil {
		t.Error(err)
	}
}

// wantFile looks for the ids of the person in the files of the state directory.
func wantFile(t *testing.T, dir string, there bool) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		for _, id := range []string{personCRM, personClub, personThird, "parked-prospect"} {
			if at := bytes.Index(file, []byte(id)); at >= 0 {
				found = true
				if !there {
					t.Errorf("%s holds %q: %q", path, id, file[max(0, at-40):min(len(file), at+60)])
				}
			}
		}
		return err
	})
	if err != nil || found != there {
		t.Errorf("found: %v, want %v (%v)", found, there, err)
	}
}

func TestAnErasedPersonDoesNotComeBack(t *testing.T) {
	s := open(t, t.TempDir()).(*bolt.Store)
	ctx := t.Context()
	populate(t, s)
	if e, err := s.Erased(ctx, "acme"); e != nil || err != nil || e.Record("acme/crm", sdk.KindMember, personCRM) || e.Mentioned([]byte(personMail)) {
		t.Errorf("somebody is left out without a tombstone: %v", err)
	}
	who := byMail()
	if _, _, err := s.Erase(ctx, who, stone(), true); err != nil {
		t.Fatal(err)
	}
	e, err := s.Erased(ctx, "acme")
	if err != nil || !e.Record("acme/crm", sdk.KindMember, personCRM) || !e.Record("acme/club", sdk.KindMember, personClub) ||
		e.Record("acme/crm", sdk.KindMember, "other-001") || e.Record("acme/crm", sdk.KindStaff, personCRM) ||
		!e.Mentioned([]byte(`"x CANARY.sings@example.com"`)) || e.Mentioned([]byte("other@example.com")) {
		t.Errorf("what is left out: %v", err)
	}
	if e, err := s.Erased(ctx, "other"); e != nil || err != nil {
		t.Errorf("another account leaves somebody out: %v", err)
	}
	mail := personMail
	for _, record := range []roster.Inbound{
		{Kind: sdk.KindProspect, ID: "pushed-person"}, {Kind: sdk.KindProspect, ID: "new-id", Fields: map[string]*string{"x": nil, "email": &mail}},
	} {
		if _, err := s.SaveInbound(ctx, "acme/inbound", record, 10); !errors.Is(err, roster.ErrErased) {
			t.Errorf("a save of %s: %v", record.ID, err)
		}
	}
	first, _ := personRoutes()
	for _, ids := range [][2]string{{personCRM, "t9"}, {"s9", personClub}} {
		if err := s.SetLink(ctx, first, ids[0], ids[1], "admin: x"); !errors.Is(err, roster.ErrErased) {
			t.Errorf("a link of %v: %v", ids, err)
		}
	}
	stones, err := s.Tombstones(ctx, "acme")
	if err != nil || len(stones) != 1 || stones[0].ID != "t1" || stones[0].Reason != "their wish of May 3" {
		t.Errorf("%+v, %v", stones, err)
	}
	if _, err := s.LiftTombstone(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if lifted, err := s.LiftTombstone(ctx, "t1"); err != nil || lifted.ID != "t1" {
		t.Errorf("%+v, %v", lifted, err)
	}
	if _, err := s.SaveInbound(ctx, "acme/inbound", roster.Inbound{Kind: sdk.KindProspect, ID: "pushed-person"}, 10); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARestoredDatabaseErasesAgainWhoWasErasedBehindTheBackup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	populate(t, s)
	var backup bytes.Buffer
	if err := s.CopyTo(t.Context(), &backup, func(store.Moment) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Erase(t.Context(), byMail(), stone(), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rosterd.db")
	if err := os.WriteFile(path, backup.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir).(*bolt.Store)
	left, err := s.Holds(t.Context(), byMail())
	if got := wheres(left); err != nil || len(left.Held) != got[roster.HeldTombstone] || len(left.Subjects) > 0 {
		t.Errorf("there is still %v, %v", got, err)
	}
	if left, err = s.Holds(t.Context(), byID()); err != nil || len(left.Held) != wheres(left)[roster.HeldTombstone] {
		t.Errorf("by id there is still %v, %v", wheres(left), err)
	}
	if got := s.ErasedAgain(); !slices.Equal(got, []string{"acme"}) {
		t.Errorf("erased again in %q", got)
	}
	links, err := s.Links(t.Context(), goldenRoute(), roster.LinkFilter{})
	if err != nil || len(links) > 0 {
		t.Error(err)
	}
	first, _ := personRoutes()
	if n, err := s.CountLinks(t.Context(), first); err != nil || n != 301 {
		t.Errorf("%d links are left, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir).(*bolt.Store)
	if got := s.ErasedAgain(); len(got) > 0 {
		t.Errorf("a second time in %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestACopyOfTheTombstonesThatIsLostIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	populate(t, s)
	if _, _, err := s.Erase(t.Context(), byID(), stone(), false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rosterd.erased")
	copied, err := os.ReadFile(path)
	if err := errors.Join(err, os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(again, copied) {
		t.Errorf("got %q, want %q (%v)", again, copied, err)
	}
	if err := os.WriteFile(path, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = try(t, dir)
	fault, ok := errors.AsType[*roster.Fault](err)
	if !ok || fault.Code != store.CodeErased {
		t.Errorf("a copy that is none: %v", err)
	}
}

func TestOverwritingWaitsForWhoReadsAnEarlierState(t *testing.T) {
	s := open(t, t.TempDir()).(*bolt.Store)
	populate(t, s)
	read, release, done, scrubbed := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		done <- s.CopyTo(t.Context(), io.Discard, func(store.Moment) error {
			close(read)
			<-release
			return nil
		})
	}()
	<-read
	go func() { scrubbed <- s.Scrub(t.Context()) }()
	close(release)
	if err := errors.Join(<-done, <-scrubbed, s.Close()); err != nil {
		t.Error(err)
	}
}
