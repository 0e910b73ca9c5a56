package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// The defaults of [LagCase].
const (
	defaultLagEvery = 250 * time.Millisecond
	defaultLagLimit = 2 * time.Minute
)

// LagCase is what [MeasureLags] has to know. Query, Every, Limit and GiveUp are
// optional.
type LagCase struct {
	Target sdk.Target
	Finder sdk.Finder
	// Create returns create number i, from 0, of a record that the outside system
	// takes, with a marker that no record has.
	Create func(i int) sdk.Operation
	Kind   sdk.Kind
	// Query is what finds the record of a create: its marker, when it is nil.
	Query func(sdk.Operation) sdk.Query
	// Every is the time between two searches for a record, 250 ms when it is 0:
	// nothing is measured more finely.
	Every time.Duration
	// Limit is how long a record is searched for: 2 minutes when it is 0.
	Limit time.Duration
	// GiveUp says that creates are given up in the middle as well, which is the
	// only way to see from outside how late one may take effect.
	GiveUp bool
}

// Lags are what [MeasureLags] saw. What was seen is a lower bound of what may
// happen: a class rests on what the system's maker says, and this shows whether
// that can be true.
type Lags struct {
	// Index is how long after its answer a new record was found
	// ([sdk.TargetKind].IndexLag).
	Index Lag `json:"index"`
	// Exec is how long after it was given up a create was found to have taken
	// effect ([sdk.TargetKind].ExecLag); Index is part of it. It counts nothing
	// unless creates are given up.
	Exec Lag `json:"exec"`
	// IDs are the records that were made and found, to be deleted.
	IDs []string `json:"ids"`
}

// Lag is one measured time.
type Lag struct {
	// Tries is how many creates were sent; Seen how many of them were found.
	Tries int `json:"tries"`
	Seen  int `json:"seen"`
	// Median and Max are of those that were found.
	Median time.Duration `json:"median"`
	Max    time.Duration `json:"max"`

	all []time.Duration
}

func (l *Lag) add(d time.Duration) {
	l.all = append(l.all, d)
	slices.Sort(l.all)
	l.Seen, l.Median, l.Max = len(l.all), l.all[len(l.all)/2], l.all[len(l.all)-1]
}

// MeasureLags creates n records, one after another, and measures how long each
// takes to be found. With [LagCase].GiveUp it creates n more and
// gives each up at a random moment of the time that a create takes; one that was
// cancelled before it left is never found. A create that is refused, and a new
// record that is not found within the limit, are errors.
func MeasureLags(ctx context.Context, c LagCase, n int) (Lags, error) {
	if c.Every <= 0 {
		c.Every = defaultLagEvery
	}
	if c.Limit <= 0 {
		c.Limit = defaultLagLimit
	}
	if c.Query == nil {
		c.Query = func(op sdk.Operation) sdk.Query { return sdk.Query{Marker: op.Marker, Club: op.Club} }
	}
	var lags Lags
	var takes time.Duration
	for i := range n {
		op := c.Create(i)
		began := time.Now()
		result, err := c.create(ctx, op)
		answered := time.Now()
		switch {
		case err != nil:
			return lags, err
		case result.Outcome != sdk.OutcomeOK:
			return lags, fmt.Errorf("create %d: the outcome is %s: %s", i+1, result.Outcome, result.Detail)
		}
		takes = max(takes, answered.Sub(began))
		lags.Index.Tries++
		id, at, err := c.search(ctx, op)
		if err != nil {
			return lags, fmt.Errorf("create %d: %w", i+1, err)
		}
		if id == "" {
			return lags, fmt.Errorf("create %d: %w within %s", i+1, errNotFound, c.Limit)
		}
		lags.IDs = append(lags.IDs, id)
		lags.Index.add(at.Sub(answered))
	}
	if !c.GiveUp {
		return lags, nil
	}
	return lags, c.giveUp(ctx, &lags, n, takes)
}

var (
	errNotFound = errors.New("the record was created and cannot be found")
	errResults  = errors.New("the target returned another number of results than operations")
)

// giveUp creates records and gives each up within the time that one takes.
func (c LagCase) giveUp(ctx context.Context, lags *Lags, n int, takes time.Duration) error {
	for i := range n {
		op := c.Create(n + i)
		short, cancel := context.WithTimeout(ctx, rand.N(takes+1))
		result, err := c.create(short, op)
		cancel()
		dropped := time.Now()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && result.Outcome == sdk.OutcomeRefused {
			continue // proven not to have been sent
		}
		lags.Exec.Tries++
		id, at, err := c.search(ctx, op)
		if err != nil {
			return fmt.Errorf("create %d, given up: %w", i+1, err)
		}
		if id != "" {
			lags.IDs = append(lags.IDs, id)
			lags.Exec.add(max(0, at.Sub(dropped)))
		}
	}
	return nil
}

func (c LagCase) create(ctx context.Context, op sdk.Operation) (sdk.Result, error) {
	res, err := c.Target.Write(ctx, sdk.WriteRequest{Kind: c.Kind, Operations: []sdk.Operation{op}})
	if err == nil && len(res.Results) != 1 {
		err = errResults
	}
	if err != nil {
		return sdk.Result{}, fmt.Errorf("create: %w", err)
	}
	return res.Results[0], nil
}

// search looks for a record until it is found or the limit has passed.
func (c LagCase) search(ctx context.Context, op sdk.Operation) (id string, at time.Time, err error) {
	end := time.Now().Add(c.Limit)
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		res, err := c.Finder.Find(ctx, sdk.FindRequest{Kind: c.Kind, Queries: []sdk.Query{c.Query(op)}})
		at = time.Now()
		switch {
		case err != nil:
			return "", at, fmt.Errorf("find: %w", err)
		case len(res.Matches) == 1 && len(res.Matches[0]) > 0:
			return res.Matches[0][0].ID, at, nil
		case at.After(end):
			return "", at, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", at, ctx.Err()
		}
	}
}
