package export_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// inParts is a run of 5 clients in sessions of 2.
func inParts(w *world) *world {
	w.options.MaxClients = 2
	w.start()
	return w
}

// pullPart pulls the open part as the target does.
func (w *world) pullPart() {
	w.t.Helper()
	w.mustServe(1, 10)
	w.mustServe(-1, 10)
}

func (w *world) nextPart() {
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

func TestARunInPartsGoesOnAfterARestartAtAnyPoint(t *testing.T) {
	steps := []func(w *world){
		func(w *world) { w.mustServe(1, 1) },
		func(w *world) { w.mustServe(2, 1); w.mustServe(3, 1) },
		func(w *world) { w.mustServe(-1, 1) },
		func(*world) { time.Sleep(5 * time.Second) },
		func(w *world) { w.nextPart() },
		func(w *world) { w.pullPart() },
		func(w *world) { w.nextPart() },
		func(w *world) { w.mustServe(1, 1) },
		func(w *world) { w.pullPart() },
	}
	for restart := range steps {
		t.Run(fmt.Sprint("before step ", restart), func(t *testing.T) {
			inBubble(t, func(w *world) {
				imp := inParts(w).imp("run-1", newPeople(5))
				d := w.deliver(imp)
				for i, step := range steps {
					synctest.Wait()
					if i == restart {
						d.stop()
						w.start()
						d = w.deliver(imp)
						synctest.Wait()
					}
					step(w)
				}
				<-d.done
				if d.err != nil || d.result.State != roster.SessionClosed || d.result.Served != 5 || len(d.result.Sessions) != 3 {
					w.t.Errorf("result %+v, %v", d.result, d.err)
				}
				if w.starter.count() != 3 {
					w.t.Errorf("%d announcements, want 3", w.starter.count())
				}
			})
		})
	}
}

func TestPartsDivideTheClients(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(inParts(w).imp("run-1", newPeople(5)))
		for range 3 {
			synctest.Wait()
			w.pullPart()
			w.nextPart()
		}
		<-d.done
		var got []roster.Range
		for i, session := range d.result.Sessions {
			got = append(got, roster.Range{From: session.From, To: session.To})
			if session.Part != i+1 || session.Run != "run-1" {
				w.t.Errorf("session %d is part %d of %s", i, session.Part, session.Run)
			}
		}
		if diff := cmp.Diff([]roster.Range{{From: 0, To: 2}, {From: 2, To: 4}, {From: 4, To: 5}}, got); diff != "" {
			w.t.Errorf("parts (-want +got):\n%s", diff)
		}
	})
}

func TestProgressCountsEveryPart(t *testing.T) {
	inBubble(t, func(w *world) {
		imp := inParts(w).imp("run-1", newPeople(5))
		var told []int
		imp.Progress = func(served int) { told = append(told, served) }
		d := w.deliver(imp)
		for range 3 {
			synctest.Wait()
			w.pullPart()
			w.nextPart()
		}
		<-d.done
		if !slices.IsSorted(told) || told[len(told)-1] != 5 {
			w.t.Errorf("told %v, want ascending to 5", told)
		}
	})
}

func TestAPartialPartIsReportedAndTheNextIsServed(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(inParts(w).imp("run-1", newPeople(5)))
		synctest.Wait()
		w.mustServe(2, 1)
		w.mustServe(-1, 1)
		for range 2 {
			w.nextPart()
			w.pullPart()
		}
		<-d.done
		want := []roster.Range{{From: 0, To: 1}}
		if d.err != nil || d.result.State != roster.SessionPartial || d.result.Served != 4 || !cmp.Equal(want, d.result.UnservedRanges) {
			w.t.Errorf("result %+v, %v", d.result, d.err)
		}
	})
}

func TestARefusedPartLeavesWhatIsBehindItUnserved(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(inParts(w).imp("run-1", newPeople(5)))
		synctest.Wait()
		w.mustServe(1, 1)
		w.starter.answer(sdk.OutcomeRefused)
		w.mustServe(-1, 1)
		<-d.done
		want := []roster.Range{{From: 1, To: 5}}
		if faultCode(d.err) != "export.refused" || d.result.State != roster.SessionRefused || d.result.Unserved != 4 ||
			!cmp.Equal(want, d.result.UnservedRanges) || w.starter.count() != 2 {
			w.t.Errorf("result %+v, %v after %d announcements", d.result, d.err, w.starter.count())
		}
	})
}

func TestAnotherRunWaitsForEveryPart(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.deliver(inParts(w).imp("run-1", newPeople(4)))
		synctest.Wait()
		second := w.deliver(w.imp("run-2", newPeople(1)))
		for _, run := range []string{"run-1", "run-1", "run-2"} {
			synctest.Wait()
			if got := w.session().Run; got != run {
				w.t.Fatalf("a session of %s, want %s", got, run)
			}
			w.pullPart()
			w.nextPart()
		}
		<-first.done
		<-second.done
	})
}
