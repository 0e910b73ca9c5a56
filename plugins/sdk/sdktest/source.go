package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// The bounds of what the suite does with a large source.
const (
	maxResumes  = 24
	fewRecords  = 3
	parallel    = 4
	behindLimit = 7
	// straightLimit is what a run asks for.
	straightLimit = 500
)

func limits() []int { return []int{1, 2, behindLimit, 500} }

// sourceChecks are those of one kind.
func sourceChecks(k sdk.KindInfo, wanted []sdk.Kind) []check {
	of := func(f func(reader) error) func(*probe) error {
		return func(p *probe) error {
			r, err := p.reader(k)
			if err != nil {
				return err
			}
			return f(r)
		}
	}
	name := "source/" + string(k.Kind) + "/"
	all := []check{
		{
			name + "read", "give settings that reach the outside system; make pages with sdk.PageBuilder, each with a cursor, and the last one done",
			of(func(r reader) error { return r.reads(slices.Contains(wanted, k.Kind)) }),
		},
	}
	if wanted != nil && !slices.Contains(wanted, k.Kind) {
		return all
	}
	return append(all,
		check{name + "cancel", "pass ctx to every call, and return ctx.Err() when it is done", of(reader.cancels)},
		check{name + "limit", "return at most req.Limit records, and the same ones for every limit", of(reader.limits)},
		check{name + "resume", "let the cursor say exactly how far the records of its page go, for any later process", of(reader.resumes)},
		check{name + "same-cursor", "decide what to read by req.After alone, not by what was read before", of(reader.repeats)},
		check{name + "end", "return a page with a cursor and done when there is nothing behind req.After", of(reader.ends)},
		check{name + "unknown-cursor", "check a cursor before it is used, and refuse one that was not made by this version with sdk.Fail(sdk.CodeConfig, err)", of(reader.damaged)},
		check{name + "position", "give every record its place in the source where it has one, as in \"line 12\"", of(reader.positions)},
		check{name + "concurrent", "guard what calls of one connection share; run the test with -race", of(reader.concurrent)},
		check{name + "hang", "pass ctx to every call that waits for the outside system", of(reader.hangs)},
		check{name + "fault", "return sdk.Retry for what may pass, sdk.Fail for what a person has to change", of(reader.faults)},
	)
}

func (r reader) reads(wanted bool) error {
	w, err := r.walk(nil, straightLimit, r.p.c.MaxRecords)
	switch {
	case err != nil:
		return err
	case wanted && len(w.records()) == 0:
		return errors.New("the connection has no record of a kind that is to be checked: name other kinds, or let it have some")
	}
	return nil
}

// straight reads the kind as a run does. Where that fails already, there is
// nothing to compare with.
func (r reader) straight() (walk, error) {
	w, err := r.walk(nil, straightLimit, r.p.c.MaxRecords)
	if err != nil {
		return w, leftOutError("the source cannot be read at all: see the check read")
	}
	return w, nil
}

// enough returns the straight walk, or says that it is too short.
func (r reader) enough() (walk, error) {
	w, err := r.straight()
	if err == nil && len(w.records())+len(w.rejected()) < fewRecords {
		return w, leftOutError(fmt.Sprintf("the source holds fewer than %d records of this kind", fewRecords))
	}
	return w, err
}

func (r reader) limits() error {
	want, err := r.enough()
	if err != nil {
		return err
	}
	for _, limit := range limits() {
		got, err := r.walk(nil, limit, r.p.c.MaxRecords)
		if err != nil {
			return err
		}
		if err := r.differ(want, got); err != nil {
			return fmt.Errorf("read with limit %d: %w", limit, err)
		}
	}
	return nil
}

// resumes goes on from cursors of one walk, each on a connection of its own as
// after a restart.
func (r reader) resumes() error {
	want, err := r.enough()
	if err != nil {
		return err
	}
	steps, err := r.walk(nil, 2, r.p.c.MaxRecords)
	if err != nil {
		return err
	}
	every := max(1, len(steps.steps)/maxResumes)
	for i, s := range steps.steps {
		if i%every != 0 && i != len(steps.steps)-2 || s.done {
			continue
		}
		if err := r.resume(want, steps.steps[:i+1]); err != nil {
			return fmt.Errorf("go on behind page %d of 2 records each: %w", i+1, err)
		}
	}
	return nil
}

// resume goes on behind what was read.
func (r reader) resume(want walk, read []step) error {
	fresh, err := r.p.reader(r.info)
	if err != nil {
		return err
	}
	rest, err := fresh.walk(read[len(read)-1].next, behindLimit, r.p.c.MaxRecords)
	if err != nil {
		return err
	}
	if r.info.Cursor == sdk.CursorInclusive {
		return r.differ(want, walk{steps: slices.Concat(read, rest.steps), whole: rest.whole})
	}
	behind := walk{whole: want.whole, steps: []step{{
		records:  tail(want.records(), (walk{steps: read}).records()),
		rejected: tail(want.rejected(), (walk{steps: read}).rejected()),
	}}}
	return r.differ(behind, rest)
}

// tail is what stands behind as many records as were read.
func tail(all, read []record) []record { return all[min(len(all), len(read)):] }

func (r reader) repeats() error {
	if _, err := r.enough(); err != nil {
		return err
	}
	w, err := r.walk(nil, 2, r.p.c.MaxRecords)
	if err != nil {
		return err
	}
	fresh, err := r.p.reader(r.info)
	if err != nil {
		return err
	}
	// From the end to the beginning, so that nothing can go on by habit.
	for _, s := range slices.Backward(w.steps) {
		for _, again := range []reader{r, r, fresh} {
			got, err := again.read(r.p.ctx, s.after, 2)
			if err != nil {
				return err
			}
			if err := r.differ(walk{steps: []step{s}, whole: true}, walk{steps: []step{got}, whole: true}); err != nil {
				return fmt.Errorf("read twice behind the same cursor: %w", err)
			}
		}
	}
	return nil
}

func (r reader) ends() error {
	w, err := r.straight()
	switch {
	case err != nil:
		return err
	case !w.whole:
		return leftOutError(fmt.Sprintf("the source holds more than the %d records that are read", r.p.c.MaxRecords))
	}
	fresh, err := r.p.reader(r.info)
	if err != nil {
		return err
	}
	last := w.steps[len(w.steps)-1]
	got, err := fresh.walk(last.next, behindLimit, r.p.c.MaxRecords)
	if err != nil {
		return fmt.Errorf("read behind the last cursor: %w", err)
	}
	switch r.info.Cursor {
	case sdk.CursorExact:
		if len(got.records()) > 0 || len(got.steps) > 1 {
			return fmt.Errorf("behind the last cursor there are %d records in %d pages, where the semantics are exact", len(got.records()), len(got.steps))
		}
	case sdk.CursorInclusive:
		if more := without(got.records(), w.records()); len(more) > 0 {
			return fmt.Errorf("behind the last cursor there are records that were not read before: %s", ids(more))
		}
	case sdk.CursorWalk:
		if err := r.differ(w, got); err != nil {
			return fmt.Errorf("behind the last cursor of a walk the next one begins: %w", err)
		}
	}
	return nil
}

func (r reader) damaged() error {
	cursors := []sdk.Cursor{sdk.Cursor("\x00\xff sdktest: no such cursor"), slices.Repeat([]byte{0xff}, sdk.MaxCursorBytes)}
	if w, err := r.straight(); err == nil {
		last := w.steps[len(w.steps)-1].next
		cursors = append(cursors, append(slices.Clone(last), "\xff sdktest"...))
	}
	for _, cursor := range cursors {
		_, err := r.read(r.p.ctx, cursor[:min(len(cursor), sdk.MaxCursorBytes)], behindLimit)
		// To read everything again is an answer too: it loses nothing.
		if err == nil {
			continue
		}
		if err := r.p.classified(err, sdk.ClassFail); err != nil {
			return fmt.Errorf("read behind a damaged cursor: %w", err)
		}
	}
	return nil
}

func (r reader) positions() error {
	w, err := r.straight()
	if err != nil {
		return err
	}
	bare := 0
	for _, s := range w.steps {
		bare += s.bare
	}
	switch all := len(w.records()); {
	case all == 0:
		return leftOutError("the source holds no record of this kind")
	case bare == all:
		return leftOutError("no record has a position; an outside system may have none")
	case bare > 0:
		return fmt.Errorf("%d of %d records have no position and the others do", bare, all)
	}
	return nil
}

func (r reader) cancels() error {
	w, err := r.straight()
	switch {
	case err != nil:
		return err
	case len(w.records())+len(w.rejected()) == 0:
		return leftOutError("the source holds no record of this kind")
	}
	ctx, cancel := context.WithCancel(r.p.ctx)
	cancel()
	_, err = r.read(ctx, nil, behindLimit)
	return r.p.interrupted(err)
}

func (r reader) hangs() error {
	return r.p.hanging(func(ctx context.Context) error {
		_, err := r.read(ctx, nil, behindLimit)
		return err
	})
}

func (r reader) faults() error {
	read := func() error {
		_, err := r.read(r.p.ctx, nil, behindLimit)
		return err
	}
	if err := r.p.failing(read); err != nil {
		return err
	}
	if err := read(); err != nil {
		return fmt.Errorf("the outside system is well again: %w", err)
	}
	return nil
}

func (r reader) concurrent() error {
	want, err := r.straight()
	if err != nil {
		return err
	}
	if err := r.alternate(want); err != nil {
		return err
	}
	errs := make([]error, parallel)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			got, err := r.walk(nil, limits()[i%len(limits())]+1, r.p.c.MaxRecords)
			if err == nil {
				err = r.differ(want, got)
			}
			errs[i] = err
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%d walks at once on one connection: %w", parallel, err)
		}
	}
	return nil
}

// alternate reads the pages of two walks in turns.
func (r reader) alternate(want walk) error {
	walks := make([]walk, 2)
	for range r.p.c.MaxRecords {
		for i := range walks {
			w := &walks[i]
			if w.whole {
				continue
			}
			var after sdk.Cursor
			if n := len(w.steps); n > 0 {
				after = w.steps[n-1].next
			}
			s, err := r.read(r.p.ctx, after, i+1)
			if err != nil {
				return err
			}
			w.steps, w.whole = append(w.steps, s), s.done
		}
		if walks[0].whole && walks[1].whole {
			break
		}
	}
	for _, w := range walks {
		if err := r.differ(want, w); err != nil {
			return fmt.Errorf("two walks in turns on one connection: %w", err)
		}
	}
	return nil
}
