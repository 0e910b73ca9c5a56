package main

import (
	"encoding/binary"
	"errors"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// cursorVersion leads every cursor.
const cursorVersion = 1

// position is what a cursor holds: how far which file was read. Names and
// values stay out of it, since a cursor is stored in clear.
type position struct {
	// whole says that the walk was over: what was appended since comes next.
	whole bool
	// settings is the fingerprint of the settings that read the file.
	settings uint64
	// inode, size and mtime (nanoseconds since 1970) tell whether the file is
	// the one that was read.
	inode       uint64
	size, mtime int64
	// offset is where the next line begins, in bytes; line is its number.
	offset, line int64
	// anchor is the checksum of the text around what was read: it tells a file
	// that grew from one that was written anew.
	anchor uint64
}

const cursorSize = 2 + 7*8

// cursor encodes the position.
func (p position) cursor() sdk.Cursor {
	c := make([]byte, 2, cursorSize)
	c[0] = cursorVersion
	if p.whole {
		c[1] = 1
	}
	for _, v := range []uint64{p.settings, p.inode, uint64(p.size), uint64(p.mtime), uint64(p.offset), uint64(p.line), p.anchor} {
		c = binary.LittleEndian.AppendUint64(c, v)
	}
	return c
}

var errCursor = errors.New("the cursor was not made by this version of the adapter: rewind it to read everything again")

// parseCursor decodes a position.
func parseCursor(c sdk.Cursor) (position, error) {
	if len(c) != cursorSize || c[0] != cursorVersion || c[1] > 1 {
		return position{}, errCursor
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(c[2+8*i:]) }
	p := position{
		whole: c[1] == 1, settings: word(0), inode: word(1), size: int64(word(2)), mtime: int64(word(3)),
		offset: int64(word(4)), line: int64(word(5)), anchor: word(6),
	}
	if p.offset < 0 || p.size < 0 || p.line < 1 || p.offset > p.size {
		return position{}, errCursor
	}
	return p, nil
}
