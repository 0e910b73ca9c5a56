package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/alerts"
	"github.com/rosterd/rosterd/internal/roster"
)

var begin = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// world is a watch with a clock, a store and receivers that are moved by the test.
type world struct {
	now   time.Time
	ids   int
	view  []alerts.Condition
	fault error
	// stored outlives a watch; full says that it takes nothing.
	stored map[string]roster.Alert
	full   bool
	told   []string
	log    strings.Builder
}

func newWorld() *world { return &world{now: begin, stored: map[string]roster.Alert{}} }

func (w *world) Alerts(context.Context) ([]roster.Alert, error) {
	var all []roster.Alert
	for _, a := range w.stored {
		all = append(all, a)
	}
	return all, w.fault
}

func (w *world) PutAlerts(ctx context.Context, list []roster.Alert) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.full {
		return errors.New("no space left on device")
	}
	for _, a := range list {
		if w.stored[a.Key()] = a; a.Told == "" && a.Next == nil {
			delete(w.stored, a.Key())
		}
	}
	return nil
}

// watch begins a life of the daemon.
func (w *world) watch(receivers ...alerts.Receiver) *alerts.Watch {
	return &alerts.Watch{
		Receivers: receivers, Repeat: 24 * time.Hour, Origin: "https://sync.example.com", Store: w,
		View: func(context.Context) ([]alerts.Condition, error) { return w.view, w.fault },
		Now:  func() time.Time { return w.now },
		NewID: func() string {
			w.ids++
			return fmt.Sprint("i", w.ids)
		},
		Log:  slog.New(slog.NewTextHandler(&w.log, nil)),
		Told: func(receiver string, result alerts.Result) { w.told = append(w.told, receiver+" "+string(result)) },
	}
}

// is makes the run of acme/leads be in a state.
func (w *world) is(state string) {
	w.view = []alerts.Condition{{Subject: "acme/leads", Facet: "run", State: state, Account: "acme", Summary: "it is " + state}}
}

// inbox is a receiver that keeps what it is told, and takes nothing while closed.
type inbox struct {
	mu     sync.Mutex
	closed bool
	got    []alerts.Message
	tried  []string
	// sent is called with each message.
	sent func()
	// fault is what it answers while closed; nil for a refusal.
	fault error
}

func (i *inbox) Send(_ context.Context, m alerts.Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.sent != nil {
		i.sent()
	}
	i.tried = append(i.tried, m.ID)
	if i.closed && i.fault != nil {
		return i.fault
	}
	if i.closed {
		return &roster.Fault{Code: "alert.webhook", Message: "the webhook answered 503"}
	}
	i.got = append(i.got, m)
	return nil
}

// states are the changes that it was told, and forgets them.
func (i *inbox) states() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []string
	for _, m := range i.got {
		for _, item := range m.Items {
			text := item.Subject + " " + item.Facet + " " + item.State
			if item.Again {
				text += " again"
			}
			all = append(all, strings.TrimSpace(text))
		}
	}
	i.got = nil
	return strings.Join(all, ", ")
}

func (i *inbox) receiver(name string, on ...string) alerts.Receiver {
	if len(on) == 0 {
		on = []string{"failed", "blocked", "parked", "stale", "adapter_parked", "disk"}
	}
	return alerts.Receiver{Name: name, Type: "webhook", On: on, Sender: i}
}

func TestOnlyChangesAreToldAndWhatStaysBadOnceMore(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	watch := w.watch(in.receiver("ops"))
	for i, step := range []struct {
		state string
		after time.Duration
		want  string
	}{
		{"", 0, ""},
		{"failed", time.Minute, "acme/leads run failed"},
		{"failed", time.Hour, ""},
		{"failed", 22 * time.Hour, ""},
		{"failed", time.Hour, "acme/leads run failed again"},
		{"blocked", time.Minute, "acme/leads run blocked"},
		{"", time.Minute, "acme/leads run"},
		{"", 48 * time.Hour, ""},
		{"partial", time.Minute, ""},
		{"failed", time.Minute, "acme/leads run failed"},
		{"partial", time.Minute, "acme/leads run"},
	} {
		w.now = w.now.Add(step.after)
		w.is(step.state)
		watch.Turn(t.Context())
		if got := in.states(); got != step.want {
			t.Errorf("step %d, %s: told %q, want %q", i, step.state, got, step.want)
		}
	}
	if len(w.stored) != 0 {
		t.Errorf("left in the store: %v", w.stored)
	}
}

func TestARestartNeitherRepeatsNorForgets(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	w.is("failed")
	w.watch(in.receiver("ops")).Turn(t.Context())
	in.states()
	w.watch(in.receiver("ops")).Turn(t.Context())
	if got := in.states(); got != "" {
		t.Errorf("told again: %s", got)
	}
	in.closed = true
	w.is("")
	w.watch(in.receiver("ops")).Turn(t.Context())
	in.closed = false
	w.watch(in.receiver("ops")).Turn(t.Context())
	if got := in.states(); got != "acme/leads run" {
		t.Errorf("told %q, want the recovery", got)
	}
	if n := len(in.tried); n != 3 || in.tried[1] != in.tried[2] || in.tried[0] == in.tried[1] {
		t.Errorf("ids %q: what is tried again has the same id", in.tried)
	}
}

func TestWhatWasOverBeforeItWasToldIsNotTold(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{closed: true}
	watch := w.watch(in.receiver("ops"))
	w.is("failed")
	watch.Turn(t.Context())
	w.is("")
	w.now = w.now.Add(time.Hour)
	in.closed = false
	watch.Turn(t.Context())
	if got := in.states(); got != "" || len(w.stored) != 0 {
		t.Errorf("told %q, stored %v", got, w.stored)
	}
}

func TestTriesAreBoundedAndGrowApart(t *testing.T) {
	t.Parallel()
	w, in, other := newWorld(), &inbox{closed: true}, &inbox{}
	watch := w.watch(in.receiver("ops"), other.receiver("other"))
	w.is("failed")
	for range 24 * 60 * 2 * 2 {
		watch.Turn(t.Context())
		w.now = w.now.Add(15 * time.Second)
	}
	if n := len(in.tried); n != 10 {
		t.Errorf("%d tries, want 10 within half a day", n)
	}
	if got := other.states(); got != "acme/leads run failed" {
		t.Errorf("a receiver that is well was told %q", got)
	}
	if got := w.told[len(w.told)-1]; got != "ops given_up" || !strings.Contains(w.log.String(), "alert given up") {
		t.Errorf("told %q, log %s", got, w.log.String())
	}
	in.closed = false
	w.now = w.now.Add(24 * time.Hour)
	watch.Turn(t.Context())
	if got := in.states(); got != "acme/leads run failed again" {
		t.Errorf("what was given up is said once more, got %q", got)
	}
}

func TestReceiversAreToldWhatTheyAskedFor(t *testing.T) {
	t.Parallel()
	w, all, acme, partial := newWorld(), &inbox{}, &inbox{}, &inbox{}
	ofAcme := acme.receiver("acme")
	ofAcme.Account = "acme"
	watch := w.watch(all.receiver("all"), ofAcme, partial.receiver("partial", "partial"))
	w.view = []alerts.Condition{
		{Subject: "acme/leads", Facet: "run", State: "partial", Account: "acme"},
		{Subject: "acme/leads", Facet: "parked", State: "parked", Account: "acme"},
		{Subject: "north/leads", Facet: "run", State: "failed", Account: "north"},
		{Subject: "csv", Facet: "adapter", State: "adapter_parked"},
	}
	watch.Turn(t.Context())
	for name, x := range map[string][2]string{
		"all":     {all.states(), "csv adapter adapter_parked, acme/leads parked parked, north/leads run failed"},
		"acme":    {acme.states(), "acme/leads parked parked"},
		"partial": {partial.states(), "acme/leads run partial"},
	} {
		if diff := cmp.Diff(x[0], x[1]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhatIsGoneFromTheConfigurationIsForgottenWithoutAWord(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	w.is("failed")
	w.watch(in.receiver("ops"), in.receiver("old")).Turn(t.Context())
	in.states()
	watch := w.watch(in.receiver("ops"))
	watch.Turn(t.Context())
	w.view = nil
	watch.Turn(t.Context())
	if got := in.states(); got != "" || len(w.stored) != 0 {
		t.Errorf("told %q, stored %v", got, w.stored)
	}
}

func TestAFullDiskIsToldAlthoughNothingCanBeStored(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	watch := w.watch(in.receiver("ops"))
	w.full = true
	w.view = []alerts.Condition{{Subject: "state", Facet: "disk", State: "disk"}}
	for range 5 {
		watch.Turn(t.Context())
	}
	if got := in.states(); got != "state disk disk" {
		t.Errorf("told %q", got)
	}
	w.full = false
	watch.Turn(t.Context())
	if len(w.stored) != 1 || in.states() != "" {
		t.Errorf("stored %v", w.stored)
	}
}

func TestManyChangesAreOneMessage(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	watch := w.watch(in.receiver("ops"))
	for i := range 120 {
		w.view = append(w.view, alerts.Condition{Subject: fmt.Sprintf("a%03d/leads", i), Facet: "run", State: "failed"})
	}
	watch.Turn(t.Context())
	if len(in.got) != 1 || len(in.got[0].Items) != 50 {
		t.Fatalf("%d messages", len(in.got))
	}
	watch.Turn(t.Context())
	watch.Turn(t.Context())
	watch.Turn(t.Context())
	if len(in.got) != 3 || len(in.got[2].Items) != 20 {
		t.Errorf("%d messages", len(in.got))
	}
}

func TestAViewThatCannotBeMadeTellsNothing(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	watch := w.watch(in.receiver("ops"))
	w.is("failed")
	watch.Turn(t.Context())
	in.states()
	w.view, w.fault = nil, errors.New("the store is gone")
	watch.Turn(t.Context())
	if got := in.states(); got != "" || len(w.stored) != 1 {
		t.Errorf("told %q, stored %v", got, w.stored)
	}
}

func TestAWatchIsWokenAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{}
	w.is("failed")
	watch, wake := w.watch(in.receiver("ops")), make(chan struct{})
	watch.Wake = wake
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); watch.Run(ctx) }()
	wake <- struct{}{} // taken when the first look is over
	cancel()
	<-done
	if got := in.states(); got != "acme/leads run failed" {
		t.Errorf("told %q", got)
	}
}

func TestWhatWasToldWhileTheDaemonStoppedIsRemembered(t *testing.T) {
	w, box := newWorld(), &inbox{}
	ctx, stop := context.WithCancel(t.Context())
	box.sent = stop
	w.is("failed")
	w.watch(box.receiver("chat")).Turn(ctx)
	box.sent = nil
	w.is("")
	w.watch(box.receiver("chat")).Turn(t.Context())
	if got := box.states(); got != "acme/leads run failed, acme/leads run" {
		t.Errorf("told %q", got)
	}
}

// dies makes the next message the last thing that a life of the daemon does: nothing
// is stored behind it.
func (w *world) dies(in *inbox) { in.sent = func() { w.full = true } }

func (w *world) reborn(in *inbox) { in.sent, w.full = nil, false }

// TestADaemonThatDiesBetweenTellingAndStoringLosesNeitherEndNorBeginning: what came
// of its last message is not stored, and things stand otherwise when it is back.
func TestADaemonThatDiesBetweenTellingAndStoringLosesNeitherEndNorBeginning(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		// before is how it stood when all was stored, last what was told in death, then
		// how it stands after that.
		before, last, then, want string
	}{
		"the same, with the same id": {"", "failed", "failed", "acme/leads run failed, acme/leads run failed"},
		"its end":                    {"", "failed", "", "acme/leads run failed, acme/leads run"},
		"its end, twice":             {"failed", "", "", "acme/leads run, acme/leads run"},
		"its beginning":              {"failed", "", "failed", "acme/leads run, acme/leads run failed again"},
		"something else":             {"failed", "blocked", "failed", "acme/leads run blocked, acme/leads run failed again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, in := newWorld(), &inbox{}
			w.is(x.before)
			w.watch(in.receiver("ops")).Turn(t.Context())
			in.states()
			w.dies(in)
			w.is(x.last)
			w.watch(in.receiver("ops")).Turn(t.Context())
			w.reborn(in)
			w.is(x.then)
			w.watch(in.receiver("ops")).Turn(t.Context())
			if got := in.states(); got != x.want {
				t.Errorf("told %q, want %q", got, x.want)
			}
			n := len(in.tried)
			if same := in.tried[n-2] == in.tried[n-1]; same != (x.last == x.then) {
				t.Errorf("ids %q: the same has the same id, and nothing else has", in.tried)
			}
			w.watch(in.receiver("ops")).Turn(t.Context())
			if got := in.states(); got != "" {
				t.Errorf("told once more than needed: %q", got)
			}
		})
	}
}

// TestWhatMayHaveBeenTakenIsTakenBack: the receiver's answer was lost. It may take
// what follows to be told at a later time only, when it is over.
func TestWhatMayHaveBeenTakenIsTakenBack(t *testing.T) {
	t.Parallel()
	w, in := newWorld(), &inbox{closed: true, fault: fmt.Errorf("no answer: %w", alerts.ErrUnsure)}
	watch := w.watch(in.receiver("ops"))
	for _, state := range []string{"failed", ""} {
		w.is(state)
		watch.Turn(t.Context())
	}
	in.closed = false
	w.now = w.now.Add(time.Hour)
	watch.Turn(t.Context())
	if got := in.states(); got != "acme/leads run" || len(w.stored) != 0 {
		t.Errorf("told %q, want the end of what may have been told; stored %v", got, w.stored)
	}

	in.closed = true
	for _, state := range []string{"failed", "", "failed"} {
		w.is(state)
		watch.Turn(t.Context())
	}
	in.closed = false
	w.now = w.now.Add(time.Hour)
	watch.Turn(t.Context())
	if got := in.states(); got != "acme/leads run failed" {
		t.Errorf("told %q, want what is: the receiver may not have heard of it", got)
	}
}
