package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/store"
)

// sealBytes is the length of the checksum behind every value.
const sealBytes = 4

// damage is what reading a damaged value panics with: [Store.view] and
// [Store.update] return it as an error. A panic, because bbolt itself panics at
// a damaged page: a reader has one way to meet damage, and cannot forget to
// look.
type damage struct{ err error }

// tree is a bucket whose values prove themselves. bbolt has checksums for its
// two meta pages only: a flipped bit elsewhere comes back as another value or
// under another key (measured: every sixth). So every value, also the empty one
// of an index, is followed by a CRC-32C of the bucket's path, the key and the
// value. The checksum of all entries together is in meta under "sum": it tells
// [Verify] of entries that are gone, and of pages that came back as they once
// were.
type tree struct {
	tx  *txn
	raw *bbolt.Bucket
	// path are the names of the buckets, each followed by a zero byte.
	path string
	// crc is the checksum of the path, with which that of every entry begins.
	crc uint32
}

func newTree(tx *txn, raw *bbolt.Bucket, path string) *tree {
	return &tree{tx: tx, raw: raw, path: path, crc: crc32.Checksum([]byte(path), castagnoli())}
}

// castagnoli is the polynomial that processors have an instruction for.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// bucket returns a top-level bucket. Open has made sure that there is one.
func bucket(tx *txn, name string) *tree {
	return newTree(tx, tx.Bucket([]byte(name)), name+"\x00")
}

// nested returns the bucket name within a top-level bucket, which is made where
// it is absent.
func nested(tx *txn, top, name string) (*tree, error) {
	raw, err := bucket(tx, top).raw.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, err
	}
	return newTree(tx, raw, top+"\x00"+name+"\x00"), nil
}

// peek returns the bucket name within a top-level bucket, nil where it is absent.
func peek(tx *txn, top, name string) *tree {
	raw := bucket(tx, top).raw.Bucket([]byte(name))
	if raw == nil {
		return nil
	}
	return newTree(tx, raw, top+"\x00"+name+"\x00")
}

// Get returns the value under key, nil where there is none. It is valid until
// the transaction ends and may not be changed.
func (t *tree) Get(key []byte) []byte {
	stored := t.raw.Get(key)
	if stored == nil {
		return nil
	}
	return t.open(key, stored)
}

// Put stores a value under key.
func (t *tree) Put(key, value []byte) error { return t.replace(key, t.raw.Get(key), value) }

// replace is [tree.Put] for a caller that knows what is stored under key: nil, or
// the value with its checksum.
func (t *tree) replace(key, before, value []byte) error {
	crc := t.checksum(key, value)
	stored := binary.LittleEndian.AppendUint32(append(t.tx.alloc(len(value)+sealBytes), value...), crc)
	if bytes.Equal(before, stored) {
		return nil
	}
	change := t.share(key, stored)
	if before != nil {
		t.open(key, before)
		change -= t.share(key, before)
	}
	if err := t.raw.Put(key, stored); err != nil {
		return err
	}
	t.tx.change += change
	return nil
}

// Delete removes the value under key, if there is one.
func (t *tree) Delete(key []byte) error {
	before := t.raw.Get(key)
	if before == nil {
		return nil
	}
	t.open(key, before)
	change := -t.share(key, before)
	if err := t.raw.Delete(key); err != nil {
		return err
	}
	t.tx.change += change
	return nil
}

// ForEach calls visit with every key and value, in the order of the keys.
func (t *tree) ForEach(visit func(key, value []byte) error) error {
	c := t.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if err := visit(k, v); err != nil {
			return err
		}
	}
	return nil
}

// names returns the names of the buckets within a top-level bucket.
func (t *tree) names() []string {
	var names []string
	c := t.raw.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		names = append(names, string(k))
	}
	return names
}

// open takes the value out of what is stored, or panics with damage.
func (t *tree) open(key, stored []byte) []byte {
	end := len(stored) - sealBytes
	if end < 0 || binary.LittleEndian.Uint32(stored[end:]) != t.checksum(key, stored[:end]) {
		panic(damage{fmt.Errorf("%w: a value in %s is not what was stored", store.ErrDamaged, t.top())})
	}
	return stored[:end:end]
}

func (t *tree) top() string { return t.path[:bytes.IndexByte([]byte(t.path), 0)] }

func (t *tree) checksum(key, value []byte) uint32 {
	head := binary.LittleEndian.AppendUint32(t.tx.scratch[:0], uint32(len(key)))
	t.tx.scratch = append(head, key...)
	return crc32.Update(crc32.Update(t.crc, castagnoli(), t.tx.scratch), castagnoli(), value)
}

// share is what an entry adds to the checksum of all entries. It covers the
// value by the value's checksum. Shares are hashes, so that the changes of
// several entries do not cancel out.
func (t *tree) share(key, stored []byte) uint64 {
	text := append(t.tx.scratch[:0], t.path...)
	text = binary.LittleEndian.AppendUint32(text, uint32(len(key)))
	text = append(append(text, key...), stored[len(stored)-sealBytes:]...)
	t.tx.scratch = text
	sum := sha256.Sum256(text)
	return binary.LittleEndian.Uint64(sum[:])
}

// treeCursor walks over a tree.
type treeCursor struct {
	of  *tree
	raw *bbolt.Cursor
}

// Cursor returns a cursor, which is valid until the transaction ends. Nothing
// may be removed while it is used.
func (t *tree) Cursor() treeCursor { return treeCursor{of: t, raw: t.raw.Cursor()} }

// First moves to the first entry; the key is nil where there is none.
func (c treeCursor) First() (key, value []byte) { return c.opened(c.raw.First()) }

// Last moves to the last entry.
func (c treeCursor) Last() (key, value []byte) { return c.opened(c.raw.Last()) }

// Next moves to the next entry.
func (c treeCursor) Next() (key, value []byte) { return c.opened(c.raw.Next()) }

// Prev moves to the entry before.
func (c treeCursor) Prev() (key, value []byte) { return c.opened(c.raw.Prev()) }

// Seek moves to the first entry that is not before key.
func (c treeCursor) Seek(key []byte) (k, value []byte) { return c.opened(c.raw.Seek(key)) }

func (c treeCursor) opened(key, stored []byte) (k, value []byte) {
	if key == nil {
		return nil, nil
	}
	return key, c.of.open(key, stored)
}
