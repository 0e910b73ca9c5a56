// Package storetest holds what every implementation of the daemon's store
// promises, as tests that an implementation runs against itself.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Store is all that an implementation offers.
type Store interface {
	RunStore
	QuarantineStore
	TargetStore
	TimeStore
	Installation
}

// TimeStore keeps what was due and who was told.
type TimeStore interface {
	ScheduleStore
	AlertStore
}

// TargetStore keeps what is known of the records that targets have, and what
// sources have pushed.
type TargetStore interface {
	InboundStore
	SessionStore
	SyncStore
}

// RunStore keeps runs and the cursors of their jobs.
type RunStore interface {
	CreateRun(ctx context.Context, run roster.Run) error
	Run(ctx context.Context, id string) (roster.Run, error)
	UpdateRun(ctx context.Context, id string, update func(*roster.Run) error) (roster.Run, error)
	Runs(ctx context.Context, filter roster.RunFilter) ([]roster.Run, error)
	DeliveryStore
}

// DeliveryStore moves a run, its job's cursors and its quarantine together.
type DeliveryStore interface {
	BeginDelivery(ctx context.Context, id string, d roster.Delivery, update func(*roster.Run) error) (roster.Run, error)
	Cursor(ctx context.Context, job string, kind sdk.Kind) (sdk.Cursor, error)
}

// QuarantineStore keeps refused records.
type QuarantineStore interface {
	AddQuarantine(ctx context.Context, records []roster.Quarantined) (replaced int, err error)
	DropRunQuarantine(ctx context.Context, run string) error
	DropQuarantined(ctx context.Context, ids ...string) (int, error)
	QuarantineReader
	QuarantineRetrier
}

// QuarantineRetrier gives refused records back to be read again, and takes back what
// was refused of earlier forms.
type QuarantineRetrier interface {
	Supersede(ctx context.Context, job, run string, kind sdk.Kind, later []roster.Superseded) (replaced int, err error)
	RetryQuarantine(ctx context.Context, job, after string, limit int) ([]roster.Quarantined, error)
	DropQuarantine(ctx context.Context, job string, ids []string) error
}

// QuarantineReader shows refused records.
type QuarantineReader interface {
	Quarantine(ctx context.Context, filter roster.QuarantineFilter) ([]roster.Quarantined, error)
	QuarantinedByID(ctx context.Context, id string) (roster.Quarantined, error)
	QuarantineGroups(ctx context.Context, filter roster.QuarantineFilter) ([]roster.QuarantineGroup, error)
}

// SessionStore keeps import sessions and what became of their clients.
type SessionStore interface {
	OutcomeStore
	SessionWriter
	Session(ctx context.Context, id string) (roster.Session, error)
	Sessions(ctx context.Context, filter roster.SessionFilter) ([]roster.Session, error)
}

// SessionWriter changes import sessions.
type SessionWriter interface {
	CreateSession(ctx context.Context, session roster.Session) error
	UpdateSession(ctx context.Context, id string, update func(*roster.Session) error) (roster.Session, error)
	NoteServed(ctx context.Context, session string, clients roster.Range) error
}

// ScheduleStore keeps when jobs were last due, and which are paused.
type ScheduleStore interface {
	LastDue(ctx context.Context, job string) (time.Time, error)
	SetLastDue(ctx context.Context, job string, due time.Time) error
	Pause(ctx context.Context, job string) (roster.Pause, error)
	PauseJob(ctx context.Context, job string, pause roster.Pause) error
	ResumeJob(ctx context.Context, job string) error
}

// AlertStore keeps what the receivers of alerts were told.
type AlertStore interface {
	Alerts(ctx context.Context) ([]roster.Alert, error)
	PutAlerts(ctx context.Context, alerts []roster.Alert) error
}

// Installation is what a store knows of itself.
type Installation interface {
	InstallID() string
	CleanShutdown() bool
	Close() error
}

// Open opens the store whose state directory is dir, with the master key that
// store.LoadKeyring finds there, and ends the test when that fails.
type Open func(t testing.TB, dir string) Store

// Run runs the conformance suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, one := range []struct {
		promise string
		test    func(t *testing.T, open Open)
	}{
		{"RunsAreKept", testRuns},
		{"RunsAreListedLatestFirst", testRunsListed},
		{"AnUpdateIsWholeOrNotThere", testUpdateFails},
		{"ConcurrentUpdatesAllCount", testConcurrentUpdates},
		{"ADeliveryMovesRunCursorsAndQuarantineTogether", testDelivery},
		{"CursorsBelongToAJobAndAKind", testCursors},
		{"QuarantineNamesTheSameRecordTheSame", testQuarantineID},
		{"QuarantineHasTheLatestFormOfARecordThatARunRefused", testForms},
		{"QuarantineIsListedWithoutPayloads", testQuarantineListed},
		{"APreparationThatStartsAgainLosesNoOlderEntry", testQuarantineLayers},
		{"EntriesAreDroppedById", testQuarantineDropped},
		{"ABusinessHasOneSessionThatIsNotOver", testOneSession},
		{"SessionsAreListedLatestFirst", testSessionsListed},
		{"ClientsAreFoundByTheirIds", testClients},
		{"OutcomesMoveSessionRunAndQuarantineTogether", testOutcomes},
		{"OutcomesAreKeptWithoutARun", testOutcomeOfALostRun},
		{"TheScheduleIsKept", testSchedule},
		{"APauseIsKeptUntilTheJobIsResumed", testPause},
		{"WhatReceiversOfAlertsWereToldIsKept", testAlerts},
		{"TheInstallationIsKept", testInstallation},
		{"LinksAreSeenFromBothDirections", testLinks},
		{"LinksAreListedInTheOrderOfTheirSources", testLinksListed},
		{"ALinkIsOneToOne", testOneToOne},
		{"APersonMakesAndRemovesLinks", testManualLinks},
		{"WhatIsPushedWaitsInTheOrderOfArrival", testInbound},
		{"ARepeatedPushReplacesTheOneThatWaits", testInboundRepeated},
		{"PushesAtTheSameTimeAllCount", testInboundConcurrent},
		{"WhatIsPushedIsBoundedAndSealed", testInboundBounds},
		{"AMarkerIsForEverAndAnEpochIsForOneLife", testMarkers},
		{"ACreateIsArmedOnce", testArm},
		{"AParkedCreateIsKeptForAPerson", testParked},
		{"AVerdictSettlesAParkedCreate", testSettleParked},
		{"AReviewIsToldFromOtherParkedCreates", testReview},
		{"AClosingIsWholeOrNotThere", testClosingFails},
		{"WhatIsRetriedIsNotRefusedTwice", testRetry},
		{"AnEndedContextChangesNothing", testEndedContext},
		{"RunsAndQuarantineFollowTheModel", testModel},
		{"LinksAndIntentsFollowTheModel", testLinkModel},
	} {
		t.Run(one.promise, func(t *testing.T) { one.test(t, open) })
	}
}

// begin is the time at which the suite's runs are asked for.
func begin() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func run(id, job string, after time.Duration) roster.Run {
	return roster.Run{
		ID: id, Job: job, Type: roster.JobImport, Trigger: "manual", State: roster.RunQueued, Asked: begin().Add(after),
	}
}

func ids[T any](found []T, id func(T) string) []string {
	out := []string{}
	for _, one := range found {
		out = append(out, id(one))
	}
	return out
}

func runID(r roster.Run) string             { return r.ID }
func sessionID(s roster.Session) string     { return s.ID }
func entryRun(q roster.Quarantined) string  { return q.Run }
func entryCode(q roster.Quarantined) string { return q.Code }

// tester is what testing and rapid share.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(tb testing.TB, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Fatalf("got error %v, want %v", got, want)
	}
}

func same[T any](t tester, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("differs (-want +got):\n%s", diff)
	}
}

func opened(t *testing.T, open Open) Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}
