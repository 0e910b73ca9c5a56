package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// maxCalls bounds the pages of the service that one page of records takes.
	maxCalls = 10
	// maxPageBytes bounds the JSON of a page's items, so that the page with its
	// ids, clubs and absent fields stays within the contract.
	maxPageBytes = sdk.MaxPageBytes / 4
	// maxCells bounds a page by its cells: each takes a byte in every record.
	maxCells = 512 << 10
)

// position is what a cursor holds. Nothing of a record is in it.
type position struct {
	Version int `json:"v"`
	// Print is what the list was read by. Another list is read from its beginning.
	Print uint64 `json:"p"`
	// Done says that the walk is over.
	Done bool `json:"d,omitempty"`
	// Club and At are where the page begins that is read next, and Skip is how
	// many of its items were taken.
	Club string `json:"c,omitempty"`
	At   string `json:"a,omitempty"`
	Skip int    `json:"s,omitempty"`
	// Items counts the items of the walk in front of that page.
	Items int `json:"n,omitempty"`
	// Last is a digest of the page before, which tells a list that repeats itself.
	Last uint64 `json:"l,omitempty"`
	// Turns tells one that never ends.
	Turns turns `json:"t,omitzero"`
	// Since is the moment from which the walk reads; Began when it began by the
	// clock of this machine, High the latest change that it saw.
	Since time.Time `json:"f,omitzero"`
	Began time.Time `json:"b,omitzero"`
	High  time.Time `json:"h,omitzero"`
}

const cursorVersion = 1

var errCursor = errors.New("the cursor was not made by this version of the adapter: rewind it to read everything again")

// resume returns where to go on.
func (c *connection) resume(k *kind, after sdk.Cursor) (position, error) {
	mark := k.print ^ fingerprint(c.base.String())
	fresh := position{Version: cursorVersion, Print: mark, Began: c.now().UTC().Truncate(time.Second), At: k.list.paging.begin()}
	if k.list.perClub {
		fresh.Club = c.clubs[0]
	}
	if len(after) == 0 {
		return fresh, nil
	}
	var pos position
	if err := json.Unmarshal(after, &pos); err != nil || pos.Version != cursorVersion || pos.Skip < 0 || pos.Items < 0 {
		return position{}, sdk.Fail(sdk.CodeConfig, errCursor)
	}
	switch {
	case pos.Print != mark, !k.list.perClub && pos.Club != "":
		c.log.Info("the description of the list changed: it is read from its beginning")
		return fresh, nil
	case pos.Done:
		fresh.Since = pos.Since
		return fresh, nil
	case k.list.perClub:
		// A club that was taken out of the connection is passed over.
		i, found := slices.BinarySearch(c.clubs, pos.Club)
		if !found {
			return c.beginClub(k, pos, i), nil
		}
	}
	return pos, nil
}

// beginClub moves to the beginning of a club; behind the last one the walk is
// over.
func (c *connection) beginClub(k *kind, pos position, i int) position {
	pos.At, pos.Skip, pos.Last, pos.Turns = k.list.paging.begin(), 0, 0, turns{}
	if i < len(c.clubs) {
		pos.Club = c.clubs[i]
		return pos
	}
	return c.over(k, pos)
}

// over ends the walk.
func (c *connection) over(k *kind, pos position) position {
	end := position{Version: cursorVersion, Print: pos.Print, Done: true}
	if s := k.list.since; s != nil {
		end.Since = s.next(pos.Since, pos.Began, pos.High)
	}
	return end
}

// Read implements [sdk.Source].
func (c *connection) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &rows{kind: req.Kind, columns: map[string]bool{}}
	k := c.spec.kinds[req.Kind]
	if k == nil || k.list == nil {
		// A job may handle more kinds than a service has.
		return r.page(position{Version: cursorVersion, Done: true}.cursor(), true)
	}
	pos, err := c.resume(k, req.After)
	if err != nil {
		return nil, err
	}
	limit := max(1, req.Limit)
	for n := 0; n < maxCalls && !pos.Done && r.count() < limit && r.bytes < maxPageBytes; n++ {
		next, err := c.step(ctx, k, r, pos, limit)
		if err != nil {
			// What was read is handed on; the error comes again where it lasts.
			if e := sdk.AsError(err); r.count() > 0 && e.Class == sdk.ClassRetry && ctx.Err() == nil {
				break
			}
			return nil, err
		}
		pos = next
	}
	return r.page(pos.cursor(), pos.Done)
}

// step reads one page of the service, and returns where to go on.
func (c *connection) step(ctx context.Context, k *kind, r *rows, pos position, limit int) (position, error) {
	at := place{club: pos.Club, at: pos.At}
	if s := k.list.since; s != nil && !pos.Since.IsZero() {
		at.since = s.format.text(pos.Since)
	}
	b, err := c.page(ctx, k.list, c.scope(nil, nil), at)
	if err != nil {
		return pos, err
	}
	digest := digestOf(b.items)
	if pos.Last != 0 && digest == pos.Last && b.next != "" {
		return pos, sdk.Fail(sdk.CodeConfig, fmt.Errorf(
			"%s %s: two pages are the same: the service does not know the parameter of the page; check paging", k.list.method, k.list.shown()))
	}
	from := min(pos.Skip, len(b.items))
	for i, item := range b.items[from:] {
		if r.full(limit) {
			pos.Skip = from + i
			return pos, nil
		}
		r.add(k, item, pos.Club, fmt.Sprint("item ", pos.Items+from+i+1))
		pos.High = k.list.since.later(pos.High, item)
	}
	pos.Items += len(b.items)
	pos.At, pos.Skip, pos.Last = b.next, 0, digest
	if b.next != "" {
		if err := pos.Turns.on(k.list.paging, b); err != nil {
			return pos, sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s %s: %w", k.list.method, k.list.shown(), err))
		}
		return pos, nil
	}
	if k.list.perClub {
		i, found := slices.BinarySearch(c.clubs, pos.Club)
		if found {
			i++
		}
		return c.beginClub(k, pos, i), nil
	}
	return c.over(k, pos), nil
}

// full reports whether the page can take no further item.
func (r *rows) full(limit int) bool {
	return r.count() >= limit || r.bytes >= maxPageBytes || (len(r.records)+1)*(3+len(r.columns)) > maxCells
}

// digestOf tells pages apart; it is 0 for an empty one.
func digestOf(items []any) uint64 {
	if len(items) == 0 {
		return 0
	}
	h := fnv.New64a()
	for _, item := range items {
		if raw, err := encode(item); err == nil {
			_, _ = h.Write(raw) // a hash takes everything
		}
	}
	return cmp.Or(h.Sum64(), 1)
}

func (p position) cursor() sdk.Cursor {
	raw, err := encode(p)
	if err != nil {
		return nil // numbers, texts and times can be encoded
	}
	return raw
}

// Check implements [sdk.Checker]: it makes the call that the file names for
// that, or reads the first page of a list.
func (c *connection) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	call := c.checks()
	if call == nil {
		return nil
	}
	return call(ctx)
}

// checks returns what tests the connection, nil where nothing can.
func (c *connection) checks() func(context.Context) error {
	if c.spec.check != nil {
		return func(ctx context.Context) error {
			a, err := c.ask(ctx, c.spec.check, c.scope(nil, nil), nil)
			if err == nil && a.gone {
				err = sdk.Fail(sdk.CodeConfig, errors.New("the call of \"check\" is not there: correct its path, or base_url"))
			}
			return err
		}
	}
	for _, kind := range sdk.Kinds() {
		k := c.spec.kinds[kind]
		if k == nil || k.list == nil {
			continue
		}
		return func(ctx context.Context) error {
			at := place{at: k.list.paging.begin()}
			if k.list.perClub {
				at.club = c.clubs[0]
			}
			_, err := c.page(ctx, k.list, c.scope(nil, nil), at)
			return err
		}
	}
	return nil
}
