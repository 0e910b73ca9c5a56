// Package digest makes the keyed digests by which rosterd knows that a record
// has not changed, without keeping any of its values: of a source record as it
// was read (Row), and of a mapped record as it was sent, whole ([Sum]) and field
// by field ([Field]).
//
// All of them are SipHash-2-4 under one key of the installation, so that a
// digest says nothing of a value to whoever does not have the key. Sums do not
// depend on the order of the fields.
package digest

import (
	"encoding/binary"
	"fmt"

	"github.com/dchest/siphash"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Key is the key of an installation's digests.
type Key [16]byte

func (k Key) halves() (k0, k1 uint64) {
	return binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
}

// Columns are the columns of a page, ready for digests of its rows.
type Columns struct {
	k0    uint64
	seeds []uint64
}

// Columns prepares the digests of the rows of a page.
func (k Key) Columns(names []string) Columns {
	k0, k1 := k.halves()
	c := Columns{k0: k0, seeds: make([]uint64, len(names)+1)}
	var text []byte
	for i, name := range names {
		text = append(append(text[:0], 'c'), name...)
		c.seeds[i+1] = siphash.Hash(k0, k1, text)
	}
	c.seeds[0] = siphash.Hash(k0, k1, []byte{'r'})
	return c
}

// Row is the digest of a record as it was read: of its club and of the fields
// that it has, in whatever order and among whatever columns. It is never 0.
func (c Columns) Row(row sdk.Row) uint64 {
	sum := siphash.Hash(c.k0, c.seeds[0], row.ClubCell())
	for i, seed := range c.seeds[1:] {
		if cell := row.Cell(i); cell.Kind() != sdk.CellAbsent {
			sum += siphash.Hash(c.k0, seed, cell)
		}
	}
	return max(sum, 1)
}

// Sum is the digest of a mapped record: the sum of the digests of its fields.
// Its zero value is that of a record without fields.
type Sum struct{ Lo, Hi uint64 }

// Add returns the sum with another field.
func (s Sum) Add(f Field) Sum { return Sum{Lo: s.Lo + f.Lo, Hi: s.Hi + f.Hi} }

// Field is the digest of one field of a mapped record.
type Field struct {
	Lo, Hi uint64
	// Empty says that the field was null or an empty text.
	Empty bool
}

// Field makes the digest of a field from its value as JSON, as it is sent.
func (k Key) Field(name string, value []byte) Field {
	return k.Name(name).Field(value)
}

// Name is the name of a field, ready for digests of its values.
type Name struct{ k0, seed uint64 }

// Name prepares the digests of a field.
func (k Key) Name(name string) Name {
	const most = 64 // for most names on the stack
	k0, k1 := k.halves()
	return Name{k0: k0, seed: siphash.Hash(k0, k1, append(append(make([]byte, 0, most), 'f'), name...))}
}

// Field makes the digest of the field from its value as JSON, as it is sent.
func (n Name) Field(value []byte) Field {
	lo, hi := siphash.Hash128(n.k0, n.seed, value)
	return Field{Lo: lo, Hi: hi, Empty: string(value) == "null" || string(value) == `""`}
}

// Short is the digest of a field in 32 bits: enough to say which fields of a
// record have changed, and whether one was empty (bit 0).
func (f Field) Short() uint32 {
	short := uint32(f.Lo>>32) &^ 1
	if f.Empty {
		short |= 1
	}
	return short
}

// WasEmpty reports whether a [Field.Short] is that of an empty field.
func WasEmpty(short uint32) bool { return short&1 == 1 }

// Text is the digest of several texts in hexadecimal.
func (k Key) Text(parts ...string) string {
	k0, k1 := k.halves()
	var b []byte
	for _, part := range parts {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	lo, hi := siphash.Hash128(k0, k1, b)
	return fmt.Sprintf("%016x%016x", hi, lo)
}
