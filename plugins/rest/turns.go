package main

import (
	"cmp"
	"errors"
	"hash/fnv"
)

// turns watches whether a list comes to its end. What it remembers is small enough to
// stand in a cursor, because a walk goes on over many calls and processes: the mark of
// one page, with which those behind it are compared until twice as many have passed as
// before (Brent's way of finding a cycle).
type turns struct {
	Mark  uint64 `json:"m,omitempty"`
	Steps int    `json:"s,omitempty"`
	Power int    `json:"p,omitempty"`
	// Empty counts the pages without records in a row.
	Empty int `json:"e,omitempty"`
}

// maxEmpty is how many pages in a row may have no records.
const maxEmpty = 1000

var (
	errRound = errors.New("the list comes to the same page again and again: check its paging")
	errEmpty = errors.New("1,000 pages in a row have no records: check its paging")
)

// on takes notice of a page behind which the list goes on.
func (t *turns) on(p paging, b batch) error {
	if len(b.items) > 0 {
		t.Empty = 0
	} else if t.Empty++; t.Empty >= maxEmpty {
		return errEmpty
	}
	mark := p.mark(b)
	if mark == 0 {
		return nil
	}
	if mark == t.Mark {
		return errRound
	}
	if t.Steps++; t.Steps >= t.Power {
		t.Mark, t.Power, t.Steps = mark, max(1, 2*t.Power), 0
	}
	return nil
}

// mark tells pages apart: by where they go on or, where that only counts up, by what is
// on them. It is 0 where nothing tells.
func (p paging) mark(b batch) uint64 {
	switch p.style {
	case pageCursor, pageLink:
		h := fnv.New64a()
		_, _ = h.Write([]byte(b.next)) // a hash takes everything
		return cmp.Or(h.Sum64(), 1)
	case pageNumber, pageOffset, pageNone:
	}
	return digestOf(b.items)
}
