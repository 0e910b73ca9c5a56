package export_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// event is what the target tells of clients that it created.
func event(session string, created ...string) string {
	return fmt.Sprintf(`{"data":{"session_id":%q,"clients_import_status":{"created":{"external_ids":[%s]}}}}`,
		session, strings.Join(created, ","))
}

// post sends the body of a webhook.
func (w *world) post(body string) *httptest.ResponseRecorder {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/c/"+secret+"/hook", strings.NewReader(body))
	w.sessions.Handler().ServeHTTP(recorder, request)
	return recorder
}

func (w *world) mustPost(body string) {
	w.t.Helper()
	if got := w.post(body); got.Code != http.StatusOK {
		w.t.Fatalf("an event is answered %d, want 200", got.Code)
	}
}

func (w *world) outcome(session string) roster.OutcomeCounts {
	w.t.Helper()
	all, err := w.store.Sessions(w.t.Context(), roster.SessionFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, one := range all {
		if one.ID == session && one.Outcome != nil {
			return *one.Outcome
		}
	}
	return roster.OutcomeCounts{}
}

func TestAnEventThatIsAnsweredIsStored(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", newPeople(4)))
		synctest.Wait()
		w.mustServe(1, 2)
		w.store.setBroken(errors.New("the disk is full"))
		if got := w.post(event("r1", "1")); got.Code != http.StatusServiceUnavailable {
			w.t.Errorf("an event that cannot be stored: status %d, want 503", got.Code)
		}
		w.store.setBroken(nil)
		w.mustPost(event("r1", "1"))
		if got := w.outcome("session-1"); got.Created != 1 {
			w.t.Errorf("outcome %+v", got)
		}
		if got := w.sessions.Stats(); got.Events != 1 || got.Failed != 1 {
			w.t.Errorf("stats %+v", got)
		}
	})
}

func TestTheHookTakesNoMoreThanAMebibyte(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", newPeople(4)))
		synctest.Wait()
		w.mustServe(1, 2)
		fits := strings.Repeat(" ", 1<<20-len(event("r1", "1"))) + event("r1", "1")
		if got := w.post(" " + fits); got.Code != http.StatusNotFound || got.Body.String() != "not found\n" {
			w.t.Errorf("a body over the limit: status %d", got.Code)
		}
		w.mustPost(fits)
	})
}

func TestATargetIsHeardUntilOutcomeWaitIsOver(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(w.imp("run-1", newPeople(2)))
		synctest.Wait()
		w.mustServe(1, 10)
		w.mustServe(-1, 10)
		<-d.done
		time.Sleep(23 * time.Hour)
		w.mustPost(event("r1", "1"))
		time.Sleep(2 * time.Hour)
		w.mustPost(event("r1", "2"))
		if got := w.outcome("session-1"); got.Created != 1 {
			w.t.Errorf("outcome %+v, want one created", got)
		}
		if len(w.store.ids) != 0 {
			w.t.Error("the clients' ids are still remembered")
		}
		if got := w.sessions.Stats(); got.Events != 1 || got.ForeignEvents != 1 {
			w.t.Errorf("stats %+v", got)
		}
	})
}

func TestClientsAreForgottenAlsoWhereTheTargetTellsNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, run := range []string{"run-1", "run-2"} {
			d := w.deliver(w.imp(run, newPeople(2)))
			synctest.Wait()
			w.mustServe(1, 10)
			w.mustServe(-1, 10)
			<-d.done
			time.Sleep(25 * time.Hour)
		}
		if got := len(w.store.ids); got != 1 {
			w.t.Errorf("the clients of %d sessions are remembered, want those of the latest", got)
		}
	})
}

// TestAnEventThatMayMeanTwoBusinessesMeansNone has two businesses whose sources
// count from 1 both, and a target that tells no id of its imports.
func TestAnEventThatMayMeanTwoBusinessesMeansNone(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.response = sdk.StartImportResponse{Outcome: sdk.OutcomeOK}
		other := w.imp("run-2", newPeople(4))
		other.Identity.BusinessUID = "b2"
		w.deliver(w.imp("run-1", newPeople(4)))
		synctest.Wait()
		w.deliver(other)
		synctest.Wait()
		w.mustServe(1, 2)
		w.mustPost(event("", "1"))
		if got := w.ask("business_uid=b2&staff_uid=s1&page=1&per_page=2"); got.Code != http.StatusOK {
			w.t.Fatalf("status %d", got.Code)
		}
		w.mustPost(event("", "2"))
		if a, b := w.outcome("session-1"), w.outcome("session-2"); a.Created != 1 || b.Created != 0 {
			w.t.Errorf("outcomes %+v and %+v, want only the first event's", a, b)
		}
	})
}

func TestAnEventWithoutASessionIDMeansTheLatestSessionOfABusiness(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.response = sdk.StartImportResponse{Outcome: sdk.OutcomeOK}
		for _, run := range []string{"run-1", "run-2"} {
			d := w.deliver(w.imp(run, newPeople(2)))
			w.nextPart()
			w.mustServe(1, 10)
			w.mustPost(event("", "1"))
			w.mustServe(-1, 10)
			<-d.done
		}
		w.mustPost(event("", "2"))
		if a, b := w.outcome("session-1"), w.outcome("session-2"); a.Created != 1 || b.Created != 2 {
			w.t.Errorf("outcomes %+v and %+v", a, b)
		}
	})
}

func TestTheFirstEventTeachesTheTargetsID(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.response = sdk.StartImportResponse{Outcome: sdk.OutcomeOK}
		w.deliver(w.imp("run-1", newPeople(2)))
		synctest.Wait()
		w.mustServe(1, 1)
		w.mustPost(event("x7", "1"))
		w.mustServe(2, 1)
		w.mustPost(event("x7", "2", "99"))
		if got := w.outcome("session-1"); got.Created != 2 || w.session().Remote != "x7" {
			w.t.Errorf("outcome %+v of %q", got, w.session().Remote)
		}
	})
}

func TestAFailedClientIsQuarantinedAndItsRunIsPartial(t *testing.T) {
	inBubble(t, func(w *world) {
		imp := w.imp("run-1", newPeople(2))
		imp.Kind = sdk.KindMember
		d := w.deliver(imp)
		synctest.Wait()
		w.mustServe(1, 10)
		failed := strings.ReplaceAll(event("r1", "2"), "created", "failed")
		w.mustPost(failed)
		want := roster.Quarantined{
			Job: "acme/launch", Run: "run-1", Kind: sdk.KindMember, Record: "2", Stage: roster.StageDeliver,
			Code: roster.CodeDeliverFailed, Reason: "the target could not import the client and did not say why",
			At: time.Now(), Payload: []byte(`{"first_name":"Ann2","external_id":"2"}`),
		}
		if diff := cmp.Diff(want, w.store.failed["2"]); diff != "" {
			w.t.Errorf("in quarantine (-want +got):\n%s", diff)
		}
		w.mustServe(-1, 10)
		<-d.done
		run := roster.Run{ID: "run-1", State: roster.RunOK, Counts: roster.Counts{Frozen: 2, Served: 2}}
		run.Counts.TakeOutcome(w.store.runs["run-1"].Counts)
		w.store.runs["run-1"] = run
		w.mustPost(failed)
		if got := w.store.runs["run-1"]; got.State != roster.RunPartial || *got.Counts.Failed != 1 || got.Counts.Unknown != 1 {
			w.t.Errorf("the run is %s with %+v", got.State, got.Counts)
		}
		w.mustPost(event("r1", "1", "2"))
		if got := w.store.runs["run-1"]; got.State != roster.RunOK || *got.Counts.Created != 2 || got.Counts.Unknown != 0 || len(w.store.failed) != 0 {
			w.t.Errorf("after all were created the run is %s with %+v", got.State, got.Counts)
		}
	})
}

// logged keeps what the record log is told.
type logged []roster.LogBatch

func (l *logged) Log(b roster.LogBatch) { *l = append(*l, b) }

func TestWhatTheTargetTellsOfEachClientIsInTheRecordLogOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		var log logged
		w.options.Records = &log
		w.start()
		imp := w.imp("run-1", newPeople(3))
		imp.Kind = sdk.KindMember
		d := w.deliver(imp)
		synctest.Wait()
		w.mustServe(1, 10)
		w.mustPost(strings.ReplaceAll(event("r1", "2"), "created", "failed"))
		w.mustPost(event("r1", "1"))
		w.mustPost(event("r1", "1")) // it tells nothing more
		w.mustPost(strings.ReplaceAll(event("r1", "2", "3"), "created", "updated"))
		w.mustServe(-1, 10)
		<-d.done
		want := logged{
			{Run: "run-1", Job: "acme/launch", Entries: []roster.LogEntry{{
				Level: roster.LogError, Code: roster.CodeDeliverFailed, Kind: sdk.KindMember, Record: "2",
				Detail: "the target could not import the client and did not say why",
			}}},
			{Run: "run-1", Job: "acme/launch", Entries: []roster.LogEntry{{Code: roster.LogImported, Kind: sdk.KindMember, Record: "1"}}},
			{Run: "run-1", Job: "acme/launch", Entries: []roster.LogEntry{
				{Code: roster.LogReplaced, Kind: sdk.KindMember, Record: "2"}, {Code: roster.LogReplaced, Kind: sdk.KindMember, Record: "3"},
			}},
		}
		for i := range log {
			log[i].At = time.Time{}
		}
		if diff := cmp.Diff(want, log); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestTheRealPartsLearnWhatBecameOfEachClient has targets that tell it in every
// way the vendor's documents leave open, of a run in two parts.
func TestTheRealPartsLearnWhatBecameOfEachClient(t *testing.T) {
	for name, events := range map[string]sandbox.EventOptions{
		"objects":      {},
		"lists":        {Array: true, NumberIDs: true},
		"disorder":     {Shuffle: true, RepeatEvery: 2},
		"no sessionID": {NoSessionID: true, NumberIDs: true, RepeatEvery: 3},
	} {
		t.Run(name, func(t *testing.T) {
			all := newPeople(250)
			all[7] = `{"first_name":"","external_id":"8"}`
			existing := []sandbox.Client{{Fields: map[string]string{"first_name": "Zoe", "email": "zoe@example.com"}}}
			all[9] = `{"first_name":"Zoe","email":"zoe@example.com","external_id":"10"}`
			in := install(t, all, sandbox.Options{PerPage: 20, Events: events, Existing: existing})
			in.options.MaxClients = 150
			in.restart()
			in.createRun()
			in.subscribe()
			d := in.deliver(in.imp)
			in.await(2)
			<-d.done
			in.checkOutcome()
		})
	}
}

func (in *installation) createRun() {
	in.t.Helper()
	err := in.db.CreateRun(in.t.Context(), roster.Run{ID: "run-1", Job: "acme/launch", State: roster.RunDelivering})
	if err != nil {
		in.t.Fatal(err)
	}
}

// subscribe does as the adapter does.
func (in *installation) subscribe() {
	in.t.Helper()
	body := fmt.Sprintf(`{"event":"bulk_import/done","target_url":%q}`, in.sessions.HookURL().Reveal())
	request, err := http.NewRequestWithContext(in.t.Context(), http.MethodPost, in.url+"/platform/v1/webhook/subscribe", strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusCreated {
		in.t.Fatalf("subscribe: %v, %v", response, err)
	}
	_ = response.Body.Close()
}

func (in *installation) checkOutcome() {
	in.t.Helper()
	want := roster.OutcomeCounts{Created: 248, Kept: 1, Failed: 1}
	ctx := in.t.Context()
	sessions, err := in.db.Sessions(ctx, roster.SessionFilter{Run: "run-1"})
	if err != nil || len(sessions) != 2 {
		in.t.Fatalf("%d sessions, %v", len(sessions), err)
	}
	var got, byPage roster.OutcomeCounts
	for _, session := range sessions {
		report, err := in.sessions.Report(ctx, session)
		if err != nil {
			in.t.Fatal(err)
		}
		got = plus(got, *session.Outcome)
		for _, page := range report.Pages {
			if page.Unknown != 0 || page.Served != page.Clients || page.Outcome.Sum() != page.Served {
				in.t.Errorf("page %d: %+v", page.Page, page)
			}
			byPage = plus(byPage, *page.Outcome)
		}
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(want, byPage); diff != "" {
		in.t.Errorf("outcome (-want +got):\n%s", diff)
	}
	run, err := in.db.Run(ctx, "run-1")
	if err != nil || run.Counts.Created == nil || *run.Counts.Created != 248 || *run.Counts.Kept != 1 || *run.Counts.Failed != 1 {
		in.t.Errorf("run %+v, %v", run.Counts, err)
	}
	entries, err := in.db.Quarantine(ctx, roster.QuarantineFilter{Run: "run-1"})
	if err != nil || len(entries) != 1 || entries[0].Record != "8" || entries[0].Code != roster.CodeDeliverFailed {
		in.t.Errorf("quarantine %+v, %v", entries, err)
	}
}

func plus(a, b roster.OutcomeCounts) roster.OutcomeCounts {
	return roster.OutcomeCounts{Created: a.Created + b.Created, Updated: a.Updated + b.Updated, Kept: a.Kept + b.Kept, Failed: a.Failed + b.Failed}
}

var _ export.Outcomes = (*memory)(nil)
