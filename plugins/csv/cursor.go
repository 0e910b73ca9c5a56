package main

import (
	"encoding/binary"
	"errors"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// place is how far the text of one file was read.
type place struct {
	offset int64 // in the file's text as UTF-8
	line   int   // at offset, counted from 1
	sum    uint32
	// open says that the text before offset ends without a line break.
	open bool
}

// identity tells whether a file is the one that was read before.
type identity struct {
	inode uint64
	size  int64
	mtime int64 // nanoseconds since 1970
}

// position is what a cursor holds: where the walk over the files stands. Names
// and values stay out of it, since a cursor is stored in clear.
type position struct {
	// whole says that the walk was over: what came since is to be read next.
	whole bool
	// settings is the fingerprint of the settings that the walk began with.
	settings uint64
	// name is the hash of the file's name; earlier is the hash of the
	// identities of all files that were read before it.
	name, earlier uint64
	file          identity
	at            place
	// comma and encoding are what was found in the file, so that every page of
	// it is read alike.
	comma    byte
	encoding encoding
}

// cursorVersion leads every cursor.
const cursorVersion = 1

const (
	flagWhole = 1 << iota
	flagOpen
)

// cursor encodes the position.
func (p position) cursor() sdk.Cursor {
	var flags byte
	if p.whole {
		flags |= flagWhole
	}
	if p.at.open {
		flags |= flagOpen
	}
	c := []byte{cursorVersion, flags, p.comma, p.encoding.code()}
	for _, v := range []uint64{p.settings, p.name, p.earlier, uint64(p.file.mtime)} {
		c = binary.LittleEndian.AppendUint64(c, v)
	}
	c = binary.LittleEndian.AppendUint32(c, p.at.sum)
	for _, v := range []uint64{p.file.inode, uint64(p.file.size), uint64(p.at.offset), uint64(p.at.line)} {
		c = binary.AppendUvarint(c, v)
	}
	return c
}

var errCursor = errors.New("the cursor was not made by this version of the adapter: rewind it to read everything again")

// parseCursor decodes a position.
func parseCursor(c sdk.Cursor) (position, error) {
	const fixed = 4 + 4*8 + 4
	if len(c) < fixed || c[0] != cursorVersion {
		return position{}, errCursor
	}
	enc, ok := encodingOf(c[3])
	if !ok {
		return position{}, errCursor
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(c[4+8*i:]) }
	p := position{
		whole: c[1]&flagWhole != 0, comma: c[2], encoding: enc,
		settings: word(0), name: word(1), earlier: word(2),
	}
	p.file.mtime = int64(word(3))
	p.at.open = c[1]&flagOpen != 0
	p.at.sum = binary.LittleEndian.Uint32(c[36:])
	rest := c[fixed:]
	var numbers [4]uint64
	for i := range numbers {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > 1<<63-1 && i > 0 {
			return position{}, errCursor
		}
		numbers[i], rest = v, rest[n:]
	}
	if len(rest) != 0 {
		return position{}, errCursor
	}
	p.file.inode, p.file.size = numbers[0], int64(numbers[1])
	p.at.offset, p.at.line = int64(numbers[2]), int(numbers[3])
	return p, nil
}
