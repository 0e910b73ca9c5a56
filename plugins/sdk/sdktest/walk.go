package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// record is one record, or one rejected, as walks are compared by.
type record struct {
	id string
	// text holds everything but the position, which may depend on the page.
	text string
}

// step is one page of a walk.
type step struct {
	after    sdk.Cursor
	next     sdk.Cursor
	records  []record
	rejected []record
	bare     int // records without a position
	done     bool
}

// walk is a sequence of pages.
type walk struct {
	steps []step
	// whole says that the last page was done.
	whole bool
}

func (w walk) records() []record {
	var all []record
	for _, s := range w.steps {
		all = append(all, s.records...)
	}
	return all
}

func (w walk) rejected() []record {
	var all []record
	for _, s := range w.steps {
		all = append(all, s.rejected...)
	}
	return all
}

// reader reads one kind.
type reader struct {
	p      *probe
	source sdk.Source
	info   sdk.KindInfo
}

func (p *probe) reader(k sdk.KindInfo) (reader, error) {
	s, err := ability[sdk.Source](p, sdk.AbilitySource)
	return reader{p: p, source: s, info: k}, err
}

// read reads and checks one page.
func (r reader) read(ctx context.Context, after sdk.Cursor, limit int) (step, error) {
	page, err := call(ctx, "read", r.p.c.Patience, func(ctx context.Context) (*sdk.Page, error) {
		return r.source.Read(ctx, sdk.ReadRequest{Kind: r.info.Kind, After: slices.Clone(after), Limit: limit})
	})
	if err != nil {
		return step{}, err
	}
	if err := r.sound(page, limit); err != nil {
		return step{}, err
	}
	s := step{after: after, next: page.Next, done: page.Done}
	for i := range page.Rows {
		row := page.Row(i)
		if row.Position() == "" {
			s.bare++
		}
		s.records = append(s.records, record{id: row.ID(), text: rowText(page, row)})
	}
	for _, rej := range page.Rejected {
		if rej.Reason == "" || rej.ID == "" && rej.Position == "" {
			return step{}, errors.New("a rejected record has no reason, or neither id nor position")
		}
		s.rejected = append(s.rejected, record{id: rej.ID + " " + rej.Position, text: rej.Reason + "\x00" + string(rej.Raw)})
	}
	return s, nil
}

// sound checks what a page has to be whatever it holds.
func (r reader) sound(page *sdk.Page, limit int) error {
	if page == nil {
		return errors.New("read returned neither a page nor an error")
	}
	if err := page.Validate(); err != nil {
		return err
	}
	switch {
	case page.Kind != r.info.Kind:
		return fmt.Errorf("the page holds the kind %q where %q was asked for", page.Kind, r.info.Kind)
	case page.Rows > limit:
		return fmt.Errorf("the page holds %d records where the limit is %d", page.Rows, limit)
	case len(page.Next) == 0:
		return errors.New("the page has no cursor")
	}
	for _, column := range page.Columns {
		if len(r.info.Fields) > 0 && !slices.Contains(r.info.Fields, column) {
			return fmt.Errorf("the page has the column %q, which is not among the declared fields of the kind", column)
		}
	}
	return nil
}

// rowText is a record's whole content in an order of its own.
func rowText(page *sdk.Page, row sdk.Row) string {
	fields := make([]string, 0, len(page.Columns))
	for col, name := range page.Columns {
		if c := row.Cell(col); c.Kind() != sdk.CellAbsent {
			fields = append(fields, name+"\x00"+string(c))
		}
	}
	slices.Sort(fields)
	return row.ID() + "\x00" + row.Club() + "\x00" + strings.Join(fields, "\x01")
}

// walk reads page after page until one is done or enough was read.
func (r reader) walk(after sdk.Cursor, limit, enough int) (walk, error) {
	var w walk
	for n := 0; n < enough; {
		s, err := r.read(r.p.ctx, after, limit)
		if err != nil {
			return w, fmt.Errorf("read page %d, at most %d records each: %w", len(w.steps)+1, limit, err)
		}
		w.steps = append(w.steps, s)
		if s.done {
			w.whole = true
			return w, nil
		}
		if bytes.Equal(s.next, after) {
			return w, fmt.Errorf("page %d, at most %d records each, has the cursor that it was read from and is not done: nothing behind it can be reached", len(w.steps), limit)
		}
		after = s.next
		n += max(1, len(s.records)+len(s.rejected))
	}
	return w, nil
}

// distinct leaves out what an inclusive cursor delivered again.
func (r reader) distinct(all []record) []record {
	if r.info.Cursor != sdk.CursorInclusive {
		return all
	}
	seen := map[record]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(rec record) bool {
		again := seen[rec]
		seen[rec] = true
		return again
	})
}

// differ says how a walk differs from the one that is right. Where one of them
// stopped early, only what both have is compared.
func (r reader) differ(want, got walk) error {
	for _, kind := range []struct {
		name      string
		want, got []record
	}{
		{"record", want.records(), got.records()},
		{"rejected record", want.rejected(), got.rejected()},
	} {
		a, b := r.distinct(kind.want), r.distinct(kind.got)
		if !want.whole || !got.whole {
			short := min(len(a), len(b))
			a, b = a[:short], b[:short]
		}
		if err := sameRecords(kind.name, a, b); err != nil {
			return err
		}
	}
	return nil
}

// shown bounds the ids in an error.
const shown = 5

func sameRecords(name string, want, got []record) error {
	if slices.Equal(want, got) {
		return nil
	}
	if lost := without(want, got); len(lost) > 0 {
		return fmt.Errorf("%d of %d %ss are lost: %s", len(lost), len(want), name, ids(lost))
	}
	if more := without(got, want); len(more) > 0 {
		return fmt.Errorf("%d %ss are delivered that should not be, or twice: %s", len(more), name, ids(more))
	}
	return fmt.Errorf("the %ss are in another order", name)
}

// without returns what is in a and not in b, counting repetitions.
func without(a, b []record) []record {
	count := map[record]int{}
	for _, rec := range b {
		count[rec]++
	}
	var left []record
	for _, rec := range a {
		if count[rec]--; count[rec] < 0 {
			left = append(left, rec)
		}
	}
	return left
}

func ids(all []record) string {
	var b strings.Builder
	for i, rec := range all {
		if i == shown {
			fmt.Fprintf(&b, " and %d more", len(all)-shown)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strings.TrimSpace(rec.id))
	}
	return b.String()
}
