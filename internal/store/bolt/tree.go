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
	raw *bbolt.Bucket
	// path are the names of the buckets, each followed by a zero byte.
	path string
}

// bucket returns a top-level bucket. Open has made sure that there is one.
func bucket(tx *bbolt.Tx, name string) *tree {
	return &tree{raw: tx.Bucket([]byte(name)), path: name + "\x00"}
}

// nested returns the bucket name within a top-level bucket, which is made where
// it is absent.
func nested(tx *bbolt.Tx, top, name string) (*tree, error) {
	raw, err := bucket(tx, top).raw.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, err
	}
	return &tree{raw: raw, path: top + "\x00" + name + "\x00"}, nil
}

// peek returns the bucket name within a top-level bucket, nil where it is absent.
func peek(tx *bbolt.Tx, top, name string) *tree {
	raw := bucket(tx, top).raw.Bucket([]byte(name))
	if raw == nil {
		return nil
	}
	return &tree{raw: raw, path: top + "\x00" + name + "\x00"}
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
func (t *tree) Put(key, value []byte) error {
	crc := t.checksum(key, value)
	stored := binary.LittleEndian.AppendUint32(append(make([]byte, 0, len(value)+sealBytes), value...), crc)
	before := t.raw.Get(key)
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
	return addToSum(t.raw.Tx(), change)
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
	return addToSum(t.raw.Tx(), change)
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
	// Castagnoli's polynomial is the one that processors have an instruction for.
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, table, []byte(t.path))
	crc = crc32.Update(crc, table, binary.LittleEndian.AppendUint32(make([]byte, 0, sealBytes), uint32(len(key))))
	crc = crc32.Update(crc, table, key)
	return crc32.Update(crc, table, value)
}

// share is what an entry adds to the checksum of all entries. It covers the
// value by the value's checksum. Shares are hashes, so that the changes of
// several entries do not cancel out.
func (t *tree) share(key, stored []byte) uint64 {
	const most = 256 // for most entries on the stack
	text := append(make([]byte, 0, most), t.path...)
	text = binary.LittleEndian.AppendUint32(text, uint32(len(key)))
	text = append(append(text, key...), stored[len(stored)-sealBytes:]...)
	sum := sha256.Sum256(text)
	return binary.LittleEndian.Uint64(sum[:])
}

// sumOf reads the checksum of all entries, which is the only one without a
// checksum of its own.
func sumOf(tx *bbolt.Tx) (sum uint64, ok bool) {
	stored := tx.Bucket([]byte(bucketMeta)).Get([]byte(metaSum))
	if len(stored) != 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(stored), true
}

func addToSum(tx *bbolt.Tx, change uint64) error {
	sum, _ := sumOf(tx)
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(metaSum), binary.LittleEndian.AppendUint64(nil, sum+change))
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
