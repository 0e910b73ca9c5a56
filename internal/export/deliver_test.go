package export_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// inBubble runs a test with a clock of its own.
func inBubble(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t)) })
}

func faultCode(err error) string {
	if fault, ok := errors.AsType[*roster.Fault](err); ok {
		return fault.Code
	}
	return ""
}

func TestARunWithoutClientsAnnouncesNothing(t *testing.T) {
	w := newWorld(t)
	got, err := w.sessions.Deliver(t.Context(), w.imp("run-1", newPeople(0)))
	if err != nil || got.State != roster.SessionClosed || w.starter.count() != 0 || len(w.store.sessions) != 0 {
		t.Errorf("result %+v, %v; %d announcements, %d sessions", got, err, w.starter.count(), len(w.store.sessions))
	}
}

func TestARunThatCannotBeDeliveredIsRefusedClearly(t *testing.T) {
	w := newWorld(t)
	imp := w.imp("run-1", newPeople(1))
	imp.Identity.BusinessUID = ""
	if _, err := w.sessions.Deliver(t.Context(), imp); faultCode(err) != "export.no_business" {
		t.Errorf("without a business: %v", err)
	}
	if w.starter.count() != 0 {
		t.Error("an import was announced")
	}
}

func TestTheAnnouncementCarriesTheImport(t *testing.T) {
	inBubble(t, func(w *world) {
		imp := w.imp("run-1", newPeople(1))
		imp.Override, imp.Notify, imp.Upload = true, true, "multi"
		w.deliver(imp)
		synctest.Wait()
		want := []sdk.StartImportRequest{{Fields: imp.Fields, Override: true, Notify: true, Upload: "multi"}}
		if diff := cmp.Diff(want, w.starter.sent); diff != "" {
			w.t.Errorf("announcements (-want +got):\n%s", diff)
		}
		if got := w.session().Remote; got != "r1" {
			w.t.Errorf("the target's session id is %q, want r1", got)
		}
	})
}

func TestPagesAreServedWhileTheAnnouncementIsOnItsWay(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.meanwhile = func() {
			w.mustServe(1, 10)
			w.mustServe(-1, 10)
		}
		d := w.deliver(w.imp("run-1", newPeople(3)))
		<-d.done
		if d.err != nil || d.result.State != roster.SessionClosed || d.result.Served != 3 {
			w.t.Errorf("result %+v, %v", d.result, d.err)
		}
		if got := w.session().Remote; got != "r1" {
			w.t.Errorf("a session that ended before its announcement was answered has the target's id %q, want r1", got)
		}
	})
}

func TestARefusalDoesNotEndAnImportThatIsPulled(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.response = sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Detail: "an import is running"}
		w.starter.meanwhile = func() { w.mustServe(1, 2) }
		d := w.deliver(w.imp("run-1", newPeople(3)))
		synctest.Wait()
		w.mustServe(2, 2)
		w.mustServe(-1, 2)
		<-d.done
		if d.err != nil || d.result.State != roster.SessionClosed {
			w.t.Errorf("result %+v, %v", d.result, d.err)
		}
	})
}

func TestAnErrorOfTheAdapterIsAnUnknownOutcome(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.err = errors.New("the adapter died")
		w.deliver(w.imp("run-1", newPeople(1)))
		time.Sleep(3 * time.Minute)
		if got := w.session().State; got != roster.SessionParked || w.starter.count() != 1 {
			w.t.Errorf("the session is %s after %d announcements, want parked after 1", got, w.starter.count())
		}
	})
}

func TestARefusedImportIsRefusedAgainAfterARestart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.starter.response = sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Detail: "not\ninstalled"}
		imp := w.imp("run-1", newPeople(1))
		_, first := w.sessions.Deliver(w.t.Context(), imp)
		w.start()
		result, second := w.sessions.Deliver(w.t.Context(), imp)
		if faultCode(first) != "export.refused" || !strings.Contains(first.Error(), "not installed") {
			w.t.Errorf("the first error is %v", first)
		}
		if second == nil || second.Error() != first.Error() || result.State != roster.SessionRefused || w.starter.count() != 1 {
			w.t.Errorf("after a restart: %+v, %v, %d announcements", result, second, w.starter.count())
		}
	})
}

func TestAnEndedRunReturnsItsResultAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		imp := w.imp("run-1", newPeople(3))
		d := w.deliver(imp)
		synctest.Wait()
		w.mustServe(2, 2)
		w.mustServe(-1, 2)
		<-d.done
		w.start()
		again, err := w.sessions.Deliver(w.t.Context(), imp)
		if err != nil {
			w.t.Fatal(err)
		}
		if diff := cmp.Diff(d.result, again); diff != "" {
			w.t.Errorf("after a restart (-first +again):\n%s", diff)
		}
		if want := []roster.Range{{From: 0, To: 2}}; again.Unserved != 2 || !cmp.Equal(want, again.UnservedRanges) {
			w.t.Errorf("unserved %d: %v, want 2: %v", again.Unserved, again.UnservedRanges, want)
		}
	})
}

func TestCancellingLeavesTheSessionAsItIs(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(w.imp("run-1", newPeople(3)))
		synctest.Wait()
		w.mustServe(1, 2)
		before := w.session()
		d.stop()
		if !errors.Is(d.err, context.Canceled) {
			w.t.Errorf("the error is %v, want the cause of the context", d.err)
		}
		if diff := cmp.Diff(before, w.session()); diff != "" {
			w.t.Errorf("the session changed (-before +after):\n%s", diff)
		}
		if got := w.page(2, 2); got.Code != http.StatusServiceUnavailable || got.Body.Len() != 0 || got.Header().Get("Retry-After") == "" {
			w.t.Errorf("a page between two lives of the run: status %d, want 503 with Retry-After", got.Code)
		}
	})
}

func TestDeliveriesToOneBusinessTakeTurns(t *testing.T) {
	inBubble(t, func(w *world) {
		var waiting []*delivery
		for _, run := range []string{"run-1", "run-2", "run-3"} {
			waiting = append(waiting, w.deliver(w.imp(run, newPeople(1))))
			synctest.Wait()
		}
		cancelled := w.deliver(w.imp("run-4", newPeople(1)))
		last := w.deliver(w.imp("run-5", newPeople(1)))
		synctest.Wait()
		cancelled.stop()
		if !errors.Is(cancelled.err, context.Canceled) {
			w.t.Errorf("a delivery that was cancelled while it waited: %v", cancelled.err)
		}
		for i, d := range append(waiting, last) {
			if got := w.session(); w.starter.count() != i+1 || got.State != roster.SessionOpen {
				w.t.Fatalf("before delivery %d ends: %d announcements, the latest session is %s", i, w.starter.count(), got.State)
			}
			w.mustServe(1, 2)
			w.mustServe(-1, 2)
			<-d.done
			synctest.Wait()
			if d.err != nil || d.result.Served != 1 {
				w.t.Errorf("delivery %d: %+v, %v", i, d.result, d.err)
			}
			if i < 3 && w.starter.count() != i+1 {
				w.t.Errorf("delivery %d was announced at once, want a gap", i+1)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
	})
}

func TestDeliveriesToTwoBusinessesRunSideBySide(t *testing.T) {
	inBubble(t, func(w *world) {
		other := w.imp("run-2", newPeople(1))
		other.Identity.BusinessUID = "b2"
		w.deliver(w.imp("run-1", newPeople(1)))
		w.deliver(other)
		synctest.Wait()
		if w.starter.count() != 2 {
			w.t.Errorf("%d announcements, want 2", w.starter.count())
		}
	})
}

func TestAStoredSessionGoesBeforeADeliveryThatIsFaster(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		d.stop()
		w.start()
		second := w.deliver(w.imp("run-2", newPeople(1)))
		synctest.Wait()
		first := w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		w.mustServe(1, 2)
		w.mustServe(-1, 2)
		<-first.done
		time.Sleep(time.Minute)
		w.mustServe(1, 2)
		w.mustServe(-1, 2)
		<-second.done
		if first.result.Served != 1 || second.result.Served != 1 || w.starter.count() != 2 {
			w.t.Errorf("results %+v and %+v after %d announcements", first.result, second.result, w.starter.count())
		}
	})
}

func TestAChangeSetThatIsNotTheSessionsIsRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		w.deliver(w.imp("run-1", newPeople(5))).stop()
		w.start()
		if _, err := w.sessions.Deliver(w.t.Context(), w.imp("run-1", newPeople(4))); faultCode(err) != "export.changed" {
			w.t.Errorf("fewer clients than the session has: %v", err)
		}
	})
}

func TestProgressIsTold(t *testing.T) {
	inBubble(t, func(w *world) {
		imp := w.imp("run-1", newPeople(3))
		var told []int
		imp.Progress = func(served int) { told = append(told, served) }
		d := w.deliver(imp)
		synctest.Wait()
		w.mustServe(1, 2)
		synctest.Wait()
		w.mustServe(2, 2)
		w.mustServe(-1, 2)
		<-d.done
		if len(told) == 0 || told[0] != 0 || told[len(told)-1] != 3 {
			w.t.Errorf("told %v, want from 0 to 3", told)
		}
	})
}

func TestOnlyAParkedSessionIsRetried(t *testing.T) {
	inBubble(t, func(w *world) {
		ctx := w.t.Context()
		if err := w.sessions.Retry(ctx, "session-9"); !errors.Is(err, roster.ErrNotFound) {
			w.t.Errorf("retry of a session that is not there: %v", err)
		}
		d := w.deliver(w.imp("run-1", newPeople(1)))
		synctest.Wait()
		if err := w.sessions.Retry(ctx, "session-1"); !errors.Is(err, roster.ErrConflict) {
			w.t.Errorf("retry of an open session: %v", err)
		}
		d.stop()
		if err := w.sessions.Retry(ctx, "session-1"); !errors.Is(err, roster.ErrConflict) {
			w.t.Errorf("retry of a session that nobody delivers: %v", err)
		}
		if w.starter.count() != 1 {
			w.t.Errorf("%d announcements, want 1", w.starter.count())
		}
	})
}

func TestASessionIsClosedOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		ctx := w.t.Context()
		if err := w.sessions.Close(ctx, "session-9", "gone"); !errors.Is(err, roster.ErrNotFound) {
			w.t.Errorf("close of a session that is not there: %v", err)
		}
		d := w.deliver(w.imp("run-1", newPeople(2)))
		synctest.Wait()
		d.stop()
		if err := w.sessions.Close(ctx, "session-1", "not wanted"); err != nil {
			w.t.Errorf("close of a session that nobody delivers: %v", err)
		}
		if err := w.sessions.Close(ctx, "session-1", "again"); !errors.Is(err, roster.ErrConflict) {
			w.t.Errorf("second close: %v", err)
		}
		if got := w.session(); got.State != roster.SessionPartial || got.Reason != "not wanted" {
			w.t.Errorf("the session is %s: %s", got.State, got.Reason)
		}
	})
}

func TestASessionClosedBehindTheDeliveryEndsIt(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(w.imp("run-1", newPeople(2)))
		synctest.Wait()
		_, err := w.store.UpdateSession(w.t.Context(), "session-1", func(s *roster.Session) error {
			now := time.Now()
			s.State, s.EndedAt = roster.SessionPartial, &now
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		if got := w.page(1, 2); got.Code != http.StatusNotFound {
			w.t.Errorf("page of a session that was closed in the store: %d, want 404", got.Code)
		}
		time.Sleep(time.Hour)
		<-d.done
		if d.err != nil || d.result.State != roster.SessionPartial || d.result.Unserved != 2 {
			w.t.Errorf("result %+v, %v", d.result, d.err)
		}
	})
}
