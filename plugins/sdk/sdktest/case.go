package sdktest

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Case is what the suite has to know about an adapter. Only Adapter and
// Connection are required, and Adapter only by [Run].
type Case struct {
	Adapter sdk.Adapter
	// Connection has settings that work.
	Connection sdk.Connection
	// Kinds are those of which the connection has records, best eight or more
	// of each. Nil means every kind that the adapter declares.
	Kinds []sdk.Kind
	// BadSettings are refused by the adapter, beside what the suite derives
	// from the schema: a missing, an unknown and a mistyped setting.
	BadSettings []json.RawMessage
	// Fault makes every call to the outside system fail until restore is
	// called, as a server does that answers 503.
	Fault func() (restore func())
	// Hang makes the outside system take calls and not answer until restore is
	// called.
	Hang func() (restore func())
	// Import is what the suite needs to start imports. Without it none is
	// started.
	Import *Import
	// Write is what the suite needs to write. Without it nothing is written.
	Write *Writing
	// StaffEmail is the address of a staff member whom the connection's
	// [sdk.StaffFinder] finds. Optional.
	StaffEmail string
	// MaxRecords bounds how many records of a kind are read in one walk: 1,000
	// when it is 0.
	MaxRecords int
	// Patience is how long a call may take to end after it was cancelled, and
	// how long what a connection started may take to end after it was closed:
	// 2 seconds when it is 0.
	Patience time.Duration

	// written counts the records that were made, over all checks of the case.
	written *atomic.Int64
}

// Import lets the suite start imports at a fake of the outside system.
type Import struct {
	// Request is one that the outside system accepts.
	Request sdk.StartImportRequest
	// Sent counts the announcements that reached the outside system.
	Sent func() int
	// Refuse makes the outside system refuse announcements until restore is
	// called. Optional.
	Refuse func() (restore func())
	// Lose makes the outside system take announcements and break the
	// connection instead of an answer until restore is called. Optional.
	Lose func() (restore func())
}

// T is a test that can have sub-tests: a [*testing.T].
type T[S any] interface {
	Helper()
	Context() context.Context
	Run(name string, f func(S)) bool
	Errorf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Run makes every check as a sub-test, on the adapter's value and over gRPC.
// It replaces os.Stdout for moments, so that no other test may run beside it.
func Run[S T[S]](t S, c Case) {
	t.Helper()
	c = c.withDefaults()
	for _, way := range []way{
		{name: "value", inProcess: true, reach: func() (Subject, func(), error) { return direct{c.Adapter}, func() {}, nil }},
		{name: "grpc", inProcess: true, reach: func() (Subject, func(), error) { return dial(c.Adapter) }},
	} {
		t.Run(way.name, func(t S) { runWay(t, way, c) })
	}
}

func runWay[S T[S]](t S, w way, c Case) {
	t.Helper()
	s, stop, err := w.reach()
	if err != nil {
		t.Errorf("reach the adapter: %v", err)
		return
	}
	defer stop()
	w.subject = s
	for _, ch := range checks(c.Adapter.Describe(), c) {
		t.Run(ch.name, func(t S) {
			t.Helper()
			switch r := ch.result(t.Context(), w, c); r.Status {
			case Failed:
				t.Errorf("%s\n  what to do: %s", r.Reason, r.Advice)
			case LeftOut:
				t.Skipf("left out: %s", r.Reason)
			case OK:
			}
		})
	}
}

// Status is what came of a check.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Failed  Status = "failed"
	LeftOut Status = "left out"
)

// Result is what came of one check.
type Result struct {
	// Check names it, as in "source/member/resume".
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Reason says what is wrong, or why the check was left out.
	Reason string `json:"reason,omitempty"`
	// Advice says what the adapter's author can do about a failure.
	Advice string `json:"advice,omitempty"`
}

// Evaluate makes the checks on an adapter that can be reached in one way, and
// reports each when it is done. Case.Adapter is not used; Case.Kinds are, when
// nil, those that the connection has records of. What can be seen from inside
// the adapter's process only, goroutines and what it prints, is left out.
func Evaluate(ctx context.Context, s Subject, c Case, report func(Result)) {
	c = c.withDefaults()
	w := way{name: "process", subject: s}
	info, err := s.Describe(ctx)
	if err != nil {
		report(Result{
			Check: "describe", Status: Failed, Reason: err.Error(),
			Advice: "make the program start and answer; run it by hand with --describe",
		})
		return
	}
	if c.Kinds == nil {
		c.Kinds = present(ctx, s, info, c)
	}
	for _, ch := range checks(info, c) {
		if ctx.Err() != nil {
			return
		}
		report(ch.result(ctx, w, c))
	}
}

// present finds the kinds that the connection has records of. A kind that
// cannot be read is among them: a check will say why.
func present(ctx context.Context, s Subject, info sdk.Info, c Case) []sdk.Kind {
	kinds := []sdk.Kind{}
	p := &probe{ctx: ctx, subject: s, c: c}
	for _, k := range info.Kinds {
		r, err := p.reader(k)
		if err == nil {
			var first step
			if first, err = r.read(ctx, nil, 1); err == nil && first.done && len(first.records)+len(first.rejected) == 0 {
				continue
			}
		}
		kinds = append(kinds, k.Kind)
	}
	_ = p.closeAll() // a check of its own
	return kinds
}

func (c Case) withDefaults() Case {
	if c.MaxRecords <= 0 {
		c.MaxRecords = 1000
	}
	if c.Patience <= 0 {
		c.Patience = 2 * time.Second
	}
	c.written = new(atomic.Int64)
	return c
}
