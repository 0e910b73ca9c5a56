package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// lagLimit is how long a record is searched for, unless a flag says otherwise.
const lagLimit = 30 * time.Second

// lagEvery is the time between two searches for a record: what was seen is
// longer than what happened by up to that.
const lagEvery = 250 * time.Millisecond

// measuredLags is what came of a measurement.
type measuredLags struct {
	Kind  sdk.Kind           `json:"kind"`
	Class sdk.GuaranteeClass `json:"class"`
	sdktest.Lags
	// Declared are the times of the connection, and Write those to put there.
	Declared lagPair `json:"declared"`
	Write    lagPair `json:"write"`
}

type lagPair struct {
	Exec  string `json:"exec_lag"`
	Index string `json:"index_lag"`
}

// measureLags creates records and shows how late they take effect and are found.
func (c *cli) measureLags(ctx context.Context, subject sdktest.Subject, suite sdktest.Case, o adapterTestOptions) error {
	opened, err := subject.Open(ctx, suite.Connection)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close(ctx) }() // the measurement is over
	target, finder, kind, err := measurable(ctx, opened, suite.Write.Kind)
	if err != nil {
		return &roster.Fault{
			Code: "adapter.config", Message: fmt.Sprintf("--measure-lags: %v", err),
			Hint: "the times are measured where rosterd can search for what it created: in the classes B', C and D",
		}
	}
	lags, err := sdktest.MeasureLags(ctx, sdktest.LagCase{
		Target: target, Finder: finder, Kind: kind.Kind, Create: trialCreate(suite.Write), Query: lagQuery(kind),
		Every: lagEvery, Limit: o.limit, GiveUp: true,
	}, o.lags)
	if err != nil {
		return fmt.Errorf("measure how late records are found, with %d made so far: %w", len(lags.IDs), err)
	}
	return c.showLags(kind, lags)
}

var (
	errNoCreate = errors.New("the connection creates no records of the kind that the settings file writes")
	errNoSearch = errors.New("the connection cannot search for records of the kind that the settings file writes")
)

// measurable returns what a measurement needs of a connection.
func measurable(ctx context.Context, opened sdktest.Opened, kind sdk.Kind) (sdk.Target, sdk.Finder, sdk.TargetKind, error) {
	target, writes := opened.Value.(sdk.Target)
	finder, finds := opened.Value.(sdk.Finder)
	if !writes || !slices.Contains(opened.Abilities, sdk.AbilityTarget) {
		return nil, nil, sdk.TargetKind{}, errNoCreate
	}
	info, err := target.Target(ctx)
	if err != nil {
		return nil, nil, sdk.TargetKind{}, err
	}
	k, known := info.Kind(kind)
	switch {
	case !known || !k.Can(sdk.OpCreate):
		return nil, nil, k, errNoCreate
	case !finds || !slices.Contains(opened.Abilities, sdk.AbilityFinder) ||
		k.Class != sdk.ClassC && k.Class != sdk.ClassD && k.Class != sdk.ClassBPrime:
		return nil, nil, k, errNoSearch
	}
	return target, finder, k, nil
}

// trialCreate makes the creates of a measurement.
func trialCreate(w *sdktest.Writing) func(i int) sdk.Operation {
	return func(i int) sdk.Operation {
		n := w.Base + i
		return sdk.Operation{
			Op: sdk.OpCreate, Key: fmt.Sprint("lag-", n), Marker: fmt.Sprintf("lagtest%017d", n), Attempt: 1,
			Club: w.Club, Owner: w.Owner, LeadSource: w.LeadSource, Data: w.Record(n),
		}
	}
}

// lagQuery is what finds a record of a class; nil is its marker.
func lagQuery(k sdk.TargetKind) func(sdk.Operation) sdk.Query {
	names := k.Natural
	switch k.Class {
	case sdk.ClassBPrime:
		names = []string{k.Unique}
	case sdk.ClassD:
	default:
		return nil
	}
	return func(op sdk.Operation) sdk.Query {
		var data map[string]any
		_ = json.Unmarshal(op.Data, &data) // it was made from an object
		fields := map[string]string{}
		for _, name := range names {
			if text, ok := data[name].(string); ok {
				fields[name] = text
			}
		}
		return sdk.Query{Fields: fields, Club: op.Club}
	}
}

// showLags prints a measurement. Declared times that are shorter than what was
// seen are a failure: what is promised of creates would not be kept.
func (c *cli) showLags(kind sdk.TargetKind, lags sdktest.Lags) error {
	m := measuredLags{
		Kind: kind.Kind, Class: kind.Class, Lags: lags, Declared: lagPair{kind.ExecLag.String(), kind.IndexLag.String()},
		Write: lagPair{longEnough(lags.Exec.Max, kind.ExecLag).String(), longEnough(lags.Index.Max, kind.IndexLag).String()},
	}
	short := lags.Index.Max-lagEvery > kind.IndexLag || lags.Exec.Max-lagEvery > kind.ExecLag+kind.IndexLag
	if c.json {
		c.print(map[string]any{"command": "adapter test", "ok": !short, "result": m, "error": nil})
	} else {
		c.sayLags(m, short)
	}
	if short {
		return &endError{code: exitFailure}
	}
	return nil
}

func (c *cli) sayLags(m measuredLags, short bool) {
	line := func(name string, l sdktest.Lag, declared, nothing string) {
		if l.Seen == 0 {
			fmt.Fprintf(c.stdout, "%-10s %d creates, %s; declared %s\n", name, l.Tries, nothing, declared)
			return
		}
		fmt.Fprintf(c.stdout, "%-10s %d creates, %d found: median %s, at most %s; declared %s\n",
			name, l.Tries, l.Seen, l.Median.Round(time.Millisecond), l.Max.Round(time.Millisecond), declared)
	}
	fmt.Fprintf(c.stdout, "records of the kind %s, class %s\n", m.Kind, m.Class)
	line("index_lag", m.Index, m.Declared.Index, "none found")
	line("exec_lag", m.Exec, m.Declared.Exec, "none of those that were given up took effect")
	if short {
		fmt.Fprintln(c.stdout, "TOO SHORT: records were found later than the connection declares, so that they could be created twice")
	}
	fmt.Fprintf(c.stdout, "write, in the connection's file or settings, no less than:\n\n    exec_lag: %s\n    index_lag: %s\n\n", m.Write.Exec, m.Write.Index)
	fmt.Fprintf(c.stdout, "What was seen is the least that may happen: ask the system's maker for the most. %d records stay there (--json lists them)\n", len(m.IDs))
}

// longEnough is a time to declare: twice what was seen, in whole seconds, and no
// less than what is declared.
func longEnough(seen, declared time.Duration) time.Duration {
	return max(declared, (2*seen + time.Second - 1).Truncate(time.Second))
}
