package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// A link is stored once for both directions, under the id at the end that its
// set names first. The direction away from that end is forward.
const (
	forward = iota
	backward
	directions
)

func directionOf(route roster.Route) int {
	if route.Forward() {
		return forward
	}
	return backward
}

// linkRow is a link as it is stored. Decoded, it shares its memory with the row.
type linkRow struct {
	// back is the id at the other end.
	back []byte
	// by made the link.
	by            []byte
	origin        byte
	version       uint32
	made, changed int64 // nanoseconds since 1970
	halves        [directions]linkHalf
}

// linkHalf is what one direction knows of a link.
type linkHalf struct {
	// row and seen are the digests of the records at the two ends as they were last
	// in step: the row of one direction is what the other one has seen.
	row, seen  uint64
	mapping    uint32
	sum        digest.Sum
	open, gone bool
	// owner and leadSource are the references that are open; they are kept in a
	// bucket of their own.
	owner, leadSource string
	// shape names the fields, shorts are their digests, 4 bytes each.
	shape  uint64
	shorts []byte
}

// sent reports whether the half says more than its flags.
func (h *linkHalf) sent() bool {
	return h.mapping != 0 || h.sum != digest.Sum{} || h.shape != 0
}

// set takes over what one direction knows, of which the other one learns what the
// records at both ends are. Where its source record is another one by that, what it
// has sent of it is not what its target has any more.
func (r *linkRow) set(direction int, half linkHalf) {
	r.halves[direction] = half
	other := &r.halves[directions-1-direction]
	if half.seen != 0 && half.seen != other.row {
		other.mapping, other.sum = 0, digest.Sum{}
	}
	other.row, other.seen = half.seen, half.row
}

func (h *linkHalf) equal(other *linkHalf) bool {
	return h.row == other.row && h.mapping == other.mapping && h.sum == other.sum && h.seen == other.seen &&
		h.open == other.open && h.gone == other.gone && h.shape == other.shape && bytes.Equal(h.shorts, other.shorts)
}

// The flags that lead a row: one bit of each for forward, the next for backward.
const (
	flagSent = 1 << (directions * iota)
	flagOpen
	flagGone
)

const halfBytes = 4 + 16 + 8

// append packs a row, integers little-endian:
//
//	flags, origin                                1 byte each
//	version, length of back, length of by        varint
//	made, changed, the rows at both ends         8 bytes each
//	back, by
//	for each direction that has sent something:
//	    mapping 4, sum 16, shape 8, number of fields (varint), 4 a field
func (r *linkRow) append(dst []byte) []byte {
	var flags byte
	for d := range r.halves {
		h := &r.halves[d]
		if h.sent() {
			flags |= flagSent << d
		}
		if h.open {
			flags |= flagOpen << d
		}
		if h.gone {
			flags |= flagGone << d
		}
	}
	return r.appendFlagged(dst, flags)
}

func (r *linkRow) appendFlagged(dst []byte, flags byte) []byte {
	dst = append(dst, flags, r.origin)
	dst = binary.AppendUvarint(dst, uint64(r.version))
	dst = binary.AppendUvarint(dst, uint64(len(r.back)))
	dst = binary.AppendUvarint(dst, uint64(len(r.by)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.made))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.changed))
	dst = binary.LittleEndian.AppendUint64(dst, r.halves[forward].row)
	dst = binary.LittleEndian.AppendUint64(dst, r.halves[forward].seen)
	dst = append(append(dst, r.back...), r.by...)
	for d := range r.halves {
		h := &r.halves[d]
		if flags&(flagSent<<d) == 0 {
			continue
		}
		dst = binary.LittleEndian.AppendUint32(dst, h.mapping)
		dst = binary.LittleEndian.AppendUint64(dst, h.sum.Lo)
		dst = binary.LittleEndian.AppendUint64(dst, h.sum.Hi)
		dst = binary.LittleEndian.AppendUint64(dst, h.shape)
		dst = binary.AppendUvarint(dst, uint64(len(h.shorts)/shortBytes))
		dst = append(dst, h.shorts...)
	}
	return dst
}

// shortBytes is the length of a field's digest in a row.
const shortBytes = 4

// decode unpacks a row.
func (r *linkRow) decode(raw []byte) error {
	in := unpacker{raw: raw}
	flags := in.byte()
	r.origin = in.byte()
	r.version = uint32(in.uvarint(math.MaxUint32))
	back, by := in.length(), in.length()
	r.made, r.changed = int64(in.uint64()), int64(in.uint64())
	first, second := in.uint64(), in.uint64()
	r.back, r.by = in.bytes(back), in.bytes(by)
	for d := range r.halves {
		h := &r.halves[d]
		*h = linkHalf{row: first, seen: second, open: flags&(flagOpen<<d) != 0, gone: flags&(flagGone<<d) != 0}
		first, second = second, first
		if flags&(flagSent<<d) == 0 {
			continue
		}
		if fixed := in.bytes(halfBytes); fixed != nil {
			h.mapping = binary.LittleEndian.Uint32(fixed)
			h.sum.Lo, h.sum.Hi = binary.LittleEndian.Uint64(fixed[4:]), binary.LittleEndian.Uint64(fixed[12:])
			h.shape = binary.LittleEndian.Uint64(fixed[20:])
		}
		h.shorts = in.bytes(shortBytes * int(in.uvarint(roster.MaxFields)))
	}
	if in.failed || len(in.raw) > 0 {
		return fmt.Errorf("%w: a link cannot be decoded", store.ErrDamaged)
	}
	return nil
}

// unpacker takes packed values from the front of what is stored. Where something
// is not there it fails and goes on with zeros.
type unpacker struct {
	raw    []byte
	failed bool
}

func (u *unpacker) bytes(n int) []byte {
	if n > len(u.raw) {
		u.raw, u.failed = nil, true
		return nil
	}
	out := u.raw[:n:n]
	u.raw = u.raw[n:]
	return out
}

func (u *unpacker) byte() byte {
	if one := u.bytes(1); one != nil {
		return one[0]
	}
	return 0
}

func (u *unpacker) uint64() uint64 {
	if eight := u.bytes(8); eight != nil {
		return binary.LittleEndian.Uint64(eight)
	}
	return 0
}

func (u *unpacker) uvarint(most uint64) uint64 {
	n, size := binary.Uvarint(u.raw)
	if size <= 0 || n > most {
		u.raw, u.failed = nil, true
		return 0
	}
	u.raw = u.raw[size:]
	return n
}

// length takes a length, which cannot be more than what is left.
func (u *unpacker) length() int { return int(u.uvarint(uint64(len(u.raw)))) }

// text takes a text with its length before it.
func (u *unpacker) text() string { return string(u.bytes(u.length())) }

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// nanos packs a time; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// The origins of links as they are stored: their place in this list.
func origins() [4]roster.LinkOrigin {
	return [...]roster.LinkOrigin{roster.LinkCreated, roster.LinkFound, roster.LinkMatched, roster.LinkManual}
}

func originCode(origin roster.LinkOrigin) (byte, error) {
	for i, one := range origins() {
		if one == origin {
			return byte(i), nil
		}
	}
	return 0, fmt.Errorf("%w: a link needs an origin", roster.ErrInvalid)
}

func originOf(code byte) roster.LinkOrigin {
	if known := origins(); int(code) < len(known) {
		return known[code]
	}
	return ""
}
