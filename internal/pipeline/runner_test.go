package pipeline_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestEveryRecordReadIsFrozenSkippedOrQuarantined(t *testing.T) {
	w := newWorld(t, newMemory(), "a", "skip1", "b", "bad1", "a", "huge", "c")
	w.source.reject = []sdk.Rejected{{Position: "line 9", Reason: "a stray quote"}}
	run := w.run(t)

	want := roster.Counts{Read: 8, Skipped: 1, Quarantined: 4, Frozen: 3, Served: 3, Unknown: 3}
	if diff := cmp.Diff(want, run.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if c := run.Counts; c.Read != c.Frozen+c.Skipped+c.Quarantined || c.Frozen != c.Served+c.Unserved {
		t.Errorf("counts do not add up: %+v", c)
	}
	codes := map[string]int{
		roster.CodeReadRejected: 1, roster.CodeMapRejected: 1,
		roster.CodeFreezeDuplicate: 1, roster.CodeFreezeTooLarge: 1,
	}
	if diff := cmp.Diff(codes, w.store.codes()); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
}

func TestARunThatLeftARecordBehindIsNeverOK(t *testing.T) {
	if run := newWorld(t, newMemory(), "a", "bad1").run(t); run.State != roster.RunPartial {
		t.Errorf("with a quarantined record: got %s, want partial", run.State)
	}
	w := newWorld(t, newMemory(), "a", "b")
	w.deliver = func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
		return pipeline.Delivery{Served: 1}, nil
	}
	run := w.run(t)
	if run.State != roster.RunPartial || run.Fault == nil || run.Fault.Code != "export.unserved" {
		t.Errorf("with an unserved client: got %s, %v", run.State, run.Fault)
	}
	if run := newWorld(t, newMemory(), "a", "b").run(t); run.State != roster.RunOK {
		t.Errorf("with everything served: got %s, want ok", run.State)
	}
}

func TestAClientThatFailedMakesARunPartialEvenAfterItsEnd(t *testing.T) {
	store := newMemory()
	w := newWorld(t, store, "a", "b", "c")
	w.deliver = func(ctx context.Context, run roster.Run, progress func(int)) (pipeline.Delivery, error) {
		progress(2)
		_, err := store.UpdateRun(ctx, run.ID, func(stored *roster.Run) error {
			stored.Counts.Tell(roster.OutcomeCounts{}, roster.OutcomeCounts{Created: 1})
			return nil
		})
		live, lerr := w.Live(ctx, run.ID)
		if c := live.Counts; c.Served != 2 || c.Unknown != 1 || c.Created == nil || *c.Created != 1 || *c.Failed != 0 {
			t.Errorf("while it is delivered: %+v", c)
		}
		return pipeline.Delivery{Served: 3}, errors.Join(err, lerr)
	}
	run := w.run(t)
	if run.State != roster.RunOK || run.Counts.Served != 3 || run.Counts.Unknown != 2 || *run.Counts.Created != 1 {
		t.Errorf("at its end: %s, %+v", run.State, run.Counts)
	}
	run.Counts.Tell(roster.OutcomeCounts{Created: 1}, roster.OutcomeCounts{Created: 1, Kept: 1, Failed: 1})
	run.Counts.TakeOutcome(run.Counts)
	pipeline.Settle(&run)
	if run.State != roster.RunPartial || run.Fault == nil || run.Fault.Code != roster.CodeDeliverFailed || run.Counts.Unknown != 0 {
		t.Errorf("after a client failed: %s, %v, %+v", run.State, run.Fault, run.Counts)
	}
	run.Counts.Tell(roster.OutcomeCounts{Failed: 1}, roster.OutcomeCounts{Created: 1})
	pipeline.Settle(&run)
	if run.State != roster.RunOK || run.Fault != nil {
		t.Errorf("after it was created all the same: %s, %v", run.State, run.Fault)
	}
	run.State = roster.RunFailed
	run.Counts.Tell(roster.OutcomeCounts{}, roster.OutcomeCounts{Failed: 1})
	if pipeline.Settle(&run); run.State != roster.RunFailed {
		t.Errorf("a failed run became %s", run.State)
	}
}

func TestARunThatFailsCountsWhatItsSessionsServed(t *testing.T) {
	w := newWorld(t, newMemory(), "a", "b", "c")
	w.abandon = func(int) (int, error) { return 1, nil }
	w.deliver = func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
		return pipeline.Delivery{}, &roster.Fault{Code: "export.refused", Message: "not installed"}
	}
	run := w.run(t)
	if run.State != roster.RunFailed || run.Counts.Served != 1 || run.Counts.Unserved != 2 {
		t.Errorf("got %s, %+v", run.State, run.Counts)
	}
}

func TestAResumedRunThatCannotGoOnCountsWhatItsSessionsServed(t *testing.T) {
	store := newMemory()
	store.runs["r1"] = roster.Run{ID: "r1", Job: job, State: roster.RunDelivering, Counts: roster.Counts{Read: 3, Frozen: 3}}
	w := newWorld(t, store)
	w.abandon = func(int) (int, error) { return 2, nil }
	w.Open = func(context.Context, roster.Run, roster.Job) (*pipeline.Flow, error) {
		return nil, &roster.Fault{Code: "adapter.not_installed", Message: "gone"}
	}
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := w.ended(t, "r1")
	want := roster.Counts{Read: 3, Frozen: 3, Served: 2, Unserved: 1, Unknown: 2}
	if diff := cmp.Diff(run.Counts, want); run.State != roster.RunFailed || diff != "" {
		t.Errorf("got %s with other counts:\n%s", run.State, diff)
	}
}

func TestARunEndsOnlyWhenItsSessionsAreClosed(t *testing.T) {
	store := newMemory()
	w := newWorld(t, store, "a")
	w.deliver = func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
		return pipeline.Delivery{}, &roster.Fault{Code: "export.changed", Message: "another business"}
	}
	w.abandon = func(n int) (int, error) {
		if n < 3 {
			return 0, &fs.PathError{Op: "write", Path: "rosterd.db", Err: syscall.ENOSPC}
		}
		return 0, nil
	}
	if run := w.run(t); run.State != roster.RunFailed || run.Fault.Code != "export.changed" || w.abandoned != 3 {
		t.Errorf("got %s, %v after %d tries", run.State, run.Fault, w.abandoned)
	}
}

func TestRecordsAreFrozenInTheOrderOfTheSource(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
	w := newWorld(t, newMemory(), ids...)
	w.run(t)
	if diff := cmp.Diff(ids, w.changes.ids); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestAnEmptySourceAnnouncesNothing(t *testing.T) {
	store := newMemory()
	store.quarantine = []roster.Quarantined{{Run: "earlier", Code: "left"}}
	w := newWorld(t, store)
	w.deliver = func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
		t.Error("delivered")
		return pipeline.Delivery{}, nil
	}
	run := w.run(t)
	if run.State != roster.RunBlocked || run.Fault.Code != "guard.empty_source" {
		t.Errorf("got %s, %v", run.State, run.Fault)
	}
	if w.dropped != 1 {
		t.Errorf("change set dropped %d times, want 1", w.dropped)
	}
	if codes := store.codes(); codes["left"] != 1 {
		t.Errorf("what was refused before is forgotten: %v", codes)
	}
}

func TestASourceThatFailsEndsTheRunWithItsCode(t *testing.T) {
	w := newWorld(t, newMemory(), "a", "b", "c")
	w.source.fail = func(call int) error {
		if call == 2 {
			return sdk.Fail(sdk.CodeChanged, errors.New("members.csv shrank while it was read"))
		}
		return nil
	}
	run := w.run(t)
	if run.State != roster.RunFailed || run.Fault.Code != "adapter.changed" || run.Fault.Hint == "" {
		t.Errorf("got %s, %v", run.State, run.Fault)
	}
	if w.changes.finished {
		t.Error("the change set of a failed preparation was finished")
	}
}

func TestASourceThatAsksToWaitIsCalledAgain(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	w.source.fail = func(call int) error {
		switch call {
		case 1:
			return sdk.Retry(7*time.Second, errors.New("quota"))
		case 2, 3:
			return sdk.Retry(0, errors.New("busy"))
		}
		return nil
	}
	var told []string
	sleep := w.Sleep
	w.Sleep = func(ctx context.Context, d time.Duration) error {
		live, err := w.Live(ctx, "run-1")
		told = append(told, live.Waits)
		return errors.Join(err, sleep(ctx, d))
	}
	if run := w.run(t); run.State != roster.RunOK {
		t.Fatalf("got %s, %v", run.State, run.Fault)
	}
	if len(told) != 3 || !strings.Contains(told[1], "the source cannot answer yet, and is asked again: ") || !strings.Contains(told[1], "busy") {
		t.Errorf("while it waits, it is told: %q", told)
	}
	want := []time.Duration{7 * time.Second, 2 * time.Second, 4 * time.Second}
	if diff := cmp.Diff(want, w.waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

func TestASourceThatNeverAnswersEndsTheRun(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	w.source.fail = func(int) error { return sdk.Retry(0, errors.New("busy")) }
	run := w.run(t)
	if run.State != roster.RunFailed || run.Fault.Code != "adapter.unavailable" {
		t.Errorf("got %s, %v", run.State, run.Fault)
	}
}

func TestACursorThatDoesNotMoveEndsTheRun(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	w.Open = func(ctx context.Context, run roster.Run, j roster.Job) (*pipeline.Flow, error) {
		flow, err := w.open(ctx, run, j)
		flow.Source = stuckSource{}
		return flow, err
	}
	if run := w.run(t); run.State != roster.RunFailed || run.Fault.Code != "adapter.internal" {
		t.Errorf("got %s, %v", run.State, run.Fault)
	}
}

// stuckSource has always more to read behind the same cursor.
type stuckSource struct{}

func (stuckSource) Read(_ context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	return sdk.NewPageBuilder(req.Kind, nil).Page(sdk.Cursor("here"), false)
}

func TestAFaultOfOneRunIsContained(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	w.deliver = func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) { panic("a fault") }
	run := w.run(t)
	if run.State != roster.RunFailed || run.Fault.Code != "internal.panic" {
		t.Errorf("in the delivery: got %s, %v", run.State, run.Fault)
	}
	if run := newWorld(t, newMemory(), "panic").run(t); run.State != roster.RunFailed || run.Fault.Code != "internal.panic" {
		t.Errorf("in the mapping: got %s, %v", run.State, run.Fault)
	}
	w = newWorld(t, newMemory(), "a")
	w.source.fail = func(int) error { panic("a fault") }
	if run := w.run(t); run.State != roster.RunFailed || run.Fault.Code != "internal.panic" {
		t.Errorf("in the reading: got %s, %v", run.State, run.Fault)
	}
}

func TestAJobRunsOnceAtATime(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	release := make(chan struct{})
	w.deliver = func(ctx context.Context, _ roster.Run, _ func(int)) (pipeline.Delivery, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return pipeline.Delivery{Served: 1}, nil
	}
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := w.Start(t.Context(), job, "manual")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Start(t.Context(), job, "manual")
	running, ok := errors.AsType[*roster.RunningError](err)
	if !ok || running.Run != first.ID {
		t.Errorf("second start: got %v, want it refused naming %s", err, first.ID)
	}
	close(release)
	w.ended(t, first.ID)
	if _, err := w.Start(t.Context(), job, "manual"); err != nil {
		t.Errorf("start after the end: %v", err)
	}
	if _, err := w.Start(t.Context(), "acme/other", "manual"); !errors.Is(err, roster.ErrNotFound) {
		t.Errorf("unknown job: got %v", err)
	}
}

func TestAPreparationThatWasCutOffStartsAgain(t *testing.T) {
	store := newMemory()
	store.runs["r1"] = roster.Run{ID: "r1", Job: job, State: roster.RunPreparing}
	store.quarantine = []roster.Quarantined{{Run: "r1", Code: "left"}}
	w := newWorld(t, store, "a", "bad1")
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := w.ended(t, "r1")
	if run.Counts.Read != 2 || run.Counts.Quarantined != 1 || w.created != 1 {
		t.Errorf("got %+v after %d preparations", run.Counts, w.created)
	}
	if codes := store.codes(); codes["left"] != 0 {
		t.Errorf("quarantine of the cut-off preparation is still there: %v", codes)
	}
}

func TestADeliveryThatWasCutOffGoesOnWithItsChangeSet(t *testing.T) {
	store := newMemory()
	w := newWorld(t, store, "a", "b")
	delivering := make(chan struct{})
	w.deliver = func(ctx context.Context, _ roster.Run, _ func(int)) (pipeline.Delivery, error) {
		close(delivering)
		<-ctx.Done()
		return pipeline.Delivery{}, ctx.Err()
	}
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	started, err := w.Start(t.Context(), job, "manual")
	if err != nil {
		t.Fatal(err)
	}
	<-delivering
	w.Stop()
	if run, _ := store.Run(t.Context(), started.ID); run.State != roster.RunDelivering || w.dropped+w.abandoned != 0 {
		t.Fatalf("after a stop: got %s, change set dropped %d times", run.State, w.dropped+w.abandoned)
	}

	again := newWorld(t, store)
	if err := again.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := again.ended(t, started.ID)
	if run.State != roster.RunOK || run.Counts.Served != 2 || again.created != 0 {
		t.Errorf("got %s with %+v after %d preparations", run.State, run.Counts, again.created)
	}
}

func TestACancelledRunSaysSo(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	delivering := make(chan struct{})
	w.deliver = func(ctx context.Context, _ roster.Run, _ func(int)) (pipeline.Delivery, error) {
		close(delivering)
		<-ctx.Done()
		return pipeline.Delivery{}, ctx.Err()
	}
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	started, err := w.Start(t.Context(), job, "manual")
	if err != nil {
		t.Fatal(err)
	}
	<-delivering
	if err := w.Cancel(t.Context(), started.ID); err != nil {
		t.Fatal(err)
	}
	if run := w.ended(t, started.ID); run.State != roster.RunCancelled || w.abandoned != 1 {
		t.Errorf("got %s, abandoned %d times", run.State, w.abandoned)
	}
	if err := w.Cancel(t.Context(), started.ID); !errors.Is(err, roster.ErrConflict) {
		t.Errorf("cancel of a run that is over: got %v", err)
	}
}

func TestAMapperThatBreaksEndsTheRunAndNotTheRunner(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	w.mapper = mapper{broken: &roster.Fault{Code: "mapping.worker", Message: "no worker could be started"}}
	run := w.run(t)
	if run.State != roster.RunFailed || run.Fault.Code != "mapping.worker" {
		t.Errorf("got %s, %v", run.State, run.Fault)
	}
	if _, err := w.Start(t.Context(), job, "manual"); err != nil {
		t.Errorf("start after a failed run: %v", err)
	}
}

func TestAnEndThatCannotBeStoredIsTriedAgain(t *testing.T) {
	store := &fullStore{memory: newMemory(), refusals: 3}
	w := newWorld(t, store.memory, "a")
	w.Runs = store
	run := w.run(t)
	if run.State != roster.RunOK || len(w.waits) != 3 {
		t.Errorf("got %s after %d waits", run.State, len(w.waits))
	}
}

func TestAChangeSetStaysUntilTheEndIsStored(t *testing.T) {
	store := &fullStore{memory: newMemory(), refusals: 1}
	w := newWorld(t, store.memory, "a")
	w.Runs = store
	full := make(chan struct{})
	w.Sleep = func(ctx context.Context, _ time.Duration) error {
		close(full)
		<-ctx.Done()
		return ctx.Err()
	}
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, err := w.Start(t.Context(), job, "manual")
	if err != nil {
		t.Fatal(err)
	}
	<-full
	w.Stop()
	if run, _ := store.Run(t.Context(), run.ID); run.State != roster.RunDelivering || w.dropped != 0 {
		t.Errorf("got %s, and the change set was dropped %d times: the delivery cannot go on", run.State, w.dropped)
	}
}

// fullStore has no room for the first ends of runs.
type fullStore struct {
	*memory
	refusals int
}

func (s *fullStore) BeginDelivery(
	ctx context.Context, id string, d roster.Delivery, update func(*roster.Run) error,
) (roster.Run, error) {
	return s.memory.BeginDelivery(ctx, id, d, func(run *roster.Run) error {
		if err := update(run); err != nil {
			return err
		}
		if run.State.Ended() && s.refusals > 0 {
			s.refusals--
			return &fs.PathError{Op: "write", Path: "rosterd.db", Err: syscall.ENOSPC}
		}
		return nil
	})
}

func TestAFullDiskIsNamedInTheFault(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	w.Open = func(ctx context.Context, run roster.Run, j roster.Job) (*pipeline.Flow, error) {
		flow, err := w.open(ctx, run, j)
		flow.Create = func() (pipeline.ChangeSet, error) {
			return nil, &fs.PathError{Op: "write", Path: "run.cs", Err: syscall.ENOSPC}
		}
		return flow, err
	}
	run := w.run(t)
	if run.State != roster.RunFailed || run.Fault.Code != "state.disk_full" || run.Fault.Hint == "" {
		t.Errorf("got %s, %v", run.State, run.Fault)
	}
}

func TestAJobThatReadsChangesGoesOnBehindWhatWasDelivered(t *testing.T) {
	store := newMemory()
	w := newWorld(t, store, "a", "b", "c")
	w.changesOnly = true
	if run := w.run(t); run.State != roster.RunOK || run.Counts.Read != 3 {
		t.Fatalf("first run: got %s, %+v", run.State, run.Counts)
	}
	again := newWorld(t, store, "a", "b", "c", "d")
	again.changesOnly = true
	again.NewID = func() string { return "second" }
	if run := again.run(t); run.State != roster.RunOK || !cmp.Equal(again.changes.ids, []string{"d"}) {
		t.Errorf("second run: got %s, %v", run.State, again.changes.ids)
	}
	third := newWorld(t, store, "a", "b", "c", "d")
	third.changesOnly = true
	third.NewID = func() string { return "third" }
	if run := third.run(t); run.State != roster.RunOK || run.Counts.Read != 0 {
		t.Errorf("with nothing changed: got %s, %+v, %v", run.State, run.Counts, run.Fault)
	}
}

func TestACursorDoesNotPassClientsThatWereNotServed(t *testing.T) {
	store := newMemory()
	w := newWorld(t, store, "a", "b")
	w.changesOnly = true
	w.deliver = func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
		return pipeline.Delivery{Served: 1}, nil
	}
	if run := w.run(t); run.State != roster.RunPartial {
		t.Fatalf("got %s", run.State)
	}
	if cursor := store.cursors[sdk.KindMember]; cursor != nil {
		t.Errorf("the cursor moved to %q", cursor)
	}
}

func TestAJobCanBeStartedAsSoonAsItsRunHasEnded(t *testing.T) {
	w := newWorld(t, newMemory(), "a")
	ended, proceed := make(chan struct{}), make(chan struct{})
	w.discard = func(n int) {
		if n == 1 {
			close(ended)
			<-proceed
		}
	}
	if err := w.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Start(t.Context(), job, "manual"); err != nil {
		t.Fatal(err)
	}
	<-ended
	started := make(chan error, 1)
	go func() {
		_, err := w.Start(t.Context(), job, "manual")
		started <- err
	}()
	close(proceed)
	if err := <-started; err != nil {
		t.Error(err)
	}
}

func TestANameThatNoRecordHasIsAWarning(t *testing.T) {
	w := newWorld(t, newMemory(), "a", "b", "c")
	w.source.columns = []string{"e_mail"}
	w.mapper = mapper{unknown: []string{"email", "e_mail"}}
	run := w.run(t)
	want := []string{`the script reads "email", which no record of the source has; compare it with the source's own names`}
	if diff := cmp.Diff(want, run.Warnings); diff != "" || run.State != roster.RunOK {
		t.Errorf("got %s; warnings (-want +got):\n%s", run.State, diff)
	}
}
