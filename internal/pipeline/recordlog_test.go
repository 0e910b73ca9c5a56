package pipeline_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// recordLog keeps what it is told, by run.
type recordLog struct {
	mu      sync.Mutex
	entries map[string][]roster.LogEntry
	last    roster.LogBatch
}

func (l *recordLog) Log(b roster.LogBatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = map[string][]roster.LogEntry{}
	}
	l.entries[b.Run] = append(l.entries[b.Run], b.Entries...) // the batch's memory is used again
	b.Entries = nil
	l.last = b
}

func (l *recordLog) of(run string) []roster.LogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries[run])
}

// checkLog checks that whatever a run has counted of what it delivered has its line,
// once. Of what earlier runs have left in doubt it has lines of their own, so that
// there may be more creates than it counts.
func (p *pair) checkLog(run roster.Run) {
	p.t.Helper()
	lines := map[string]int{}
	for _, e := range p.log.of(run.ID) {
		switch e.Code {
		case roster.LogCreated, roster.LogFound, roster.LogConverted:
			lines["created"]++
		case roster.LogUpdated, roster.LogMatched, roster.LogMoved, roster.LogOverwritten:
			lines["updated"]++
		case roster.LogDeactivated, roster.LogDeleted:
			lines["deactivated"]++
		default:
			lines[e.Code]++
		}
		if (e.Level == roster.LogError) != (e.Code == roster.LogParked || e.Code == roster.LogReview || slices.Contains([]byte(e.Code), '.')) {
			p.t.Errorf("run %s: level %s of outcome %s", run.ID, e.Level, e.Code)
		}
		if e.Level == roster.LogError && e.Detail == "" {
			p.t.Errorf("run %s: no reason is told of %+v", run.ID, e)
		}
	}
	c := run.Counts
	created, updated := 0, 0
	if c.Created != nil {
		created, updated = *c.Created, *c.Updated
	}
	if lines["created"] < created || lines["updated"] != updated || lines[roster.LogLinked] != c.Linked ||
		lines["deactivated"] != c.Deactivated || lines[roster.LogReferences] != c.Reopened {
		p.t.Errorf("run %s: the record log has %v, and the counts are %+v created %d updated %d", run.ID, lines, c, created, updated)
	}
}

func TestTheRecordLogHasWhatBecameOfEachRecord(t *testing.T) {
	p, s := seedPair(t)
	s.staff = []sdk.Staff{{ID: "9999", Email: "jstaff@club.com"}}
	p.crm.putStaff(person{id: "1111", name: "jstaff@club.com"})
	p.crm.putStaff(person{id: "1112", name: "mary@club.com"})
	p.crm.put(person{id: "p1", name: "Pete", owner: "1111"})
	p.crm.put(person{id: "p2", name: "Ann", owner: "1112"})
	p.crm.put(person{id: "p3", name: "bad"})
	p.crm.put(person{id: "p4", name: "skip"})
	p.crm.put(person{id: "p5", name: "Refused"})
	p.club.fault = func(n int, _ sdk.Operation) string { return []string{"", "", "", "reject"}[n] }
	run := p.run()
	info, warning, failed := roster.LogInfo, roster.LogWarning, roster.LogError
	want := []roster.LogEntry{
		{Level: info, Code: roster.LogLinked, Kind: sdk.KindStaff, Record: "1111", Target: "9999"},
		{Level: failed, Code: roster.CodeMapRejected, Kind: sdk.KindProspect, Record: "p3", Detail: "bad"},
		{Level: info, Code: roster.LogCreated, Kind: sdk.KindProspect, Record: "p1", Target: "t1"},
		{Level: warning, Code: roster.LogCreated, Kind: sdk.KindProspect, Record: "p2", Target: "t2", Missing: roster.LogOwner},
		{Level: failed, Code: roster.CodeDeliverRefused, Kind: sdk.KindProspect, Record: "p5", Detail: "the target refused it: phone is malformed"},
	}
	got := p.log.of(run.ID)
	byRecord := func(a, b roster.LogEntry) int { return slices.Compare([]byte(a.Record), []byte(b.Record)) }
	slices.SortFunc(got, byRecord)
	slices.SortFunc(want, byRecord)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines of the run (-want +got):\n%s", diff)
	}
	if p.log.last.Job != syncJob || p.log.last.To != p.refs[1] || !p.log.last.At.Equal(p.clock.Now()) {
		t.Errorf("the batch is %+v", p.log.last)
	}

	// What is as it was has no line; what only waits has none either.
	p.club.fault = nil
	if again := p.run(); len(p.log.of(again.ID)) != 2 { // p3 is refused again, p5 is created
		t.Errorf("%s: %+v", again.State, p.log.of(again.ID))
	}
}

func TestARecordThatIsOnlyLookedAtHasNoLine(t *testing.T) {
	p := newPair(t, newCRM(person{id: "p1", name: "bad"}), newClub(sdk.ClassC))
	p.connect = func(flow *pipeline.Flow) { flow.Sync.GetSource = p.crm.Get }
	run := roster.Run{Job: syncJob, Type: roster.JobSync, Scope: roster.Scope{Record: "p1"}}
	seen, err := p.Preview(t.Context(), run, p.open(run, p.clock.Now()))
	if err != nil || len(seen.Refused) != 1 {
		t.Fatalf("%+v, %v", seen, err)
	}
	if got := p.log.of(""); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestALostAnswerAndAPersonsRecordSayWhatTheyWaitFor(t *testing.T) {
	for _, test := range []struct {
		class sdk.GuaranteeClass
		want  roster.LogEntry
	}{
		{sdk.ClassC, roster.LogEntry{Code: roster.LogFound, Kind: sdk.KindProspect, Record: "p00", Target: "t1"}},
		{sdk.ClassE, roster.LogEntry{
			Level: roster.LogError, Code: roster.LogParked, Kind: sdk.KindProspect, Record: "p00",
			Detail: "the target neither answered clearly nor can be searched for the record",
		}},
	} {
		p := newPair(t, newCRM(people(1)...), newClub(test.class))
		p.club.fault = func(int, sdk.Operation) string { return "lost" }
		run := p.run()
		if diff := cmp.Diff([]roster.LogEntry{test.want}, p.log.of(run.ID)); diff != "" {
			t.Errorf("class %s (-want +got):\n%s", test.class, diff)
		}
	}
}

func TestAConversionAndWhoLeftAreToldAsWhatTheyAre(t *testing.T) {
	p := newJoining(t, false)
	p.run()
	p.crm.joins(person{id: "p00", name: "Joined"})
	p.crm.remove("p01")
	run := p.order(pipeline.Order{Job: syncJob, Scope: roster.Scope{Sweep: true}})
	want := []roster.LogEntry{
		{Code: roster.LogConverted, Kind: sdk.KindMember, Record: "p00", Target: "mt1"},
		{Code: roster.LogDeactivated, Kind: sdk.KindProspect, Record: "p01", Target: "t2"},
	}
	if diff := cmp.Diff(want, p.log.of(run.ID)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
