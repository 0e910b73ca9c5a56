package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/store"
)

// Verify reads a whole database file and returns [store.ErrDamaged] when its
// structure, one of its values, or the whole of them is not what was stored. It
// needs no key; sealed values prove themselves once more when they are opened.
// A page that is damaged in a way that bbolt does not expect can end the
// process: verify a doubtful file in a process of its own.
//
// A file whose last transactions are undone as a whole passes. [OpenVerified]
// notices that after a clean shutdown.
func Verify(path string) error {
	if err := verifyMetas(path); err != nil {
		return err
	}
	db, err := openFile(path, true)
	if err != nil {
		return err
	}
	err = db.View(viewing(func(tx *txn) error {
		if err := verifyPages(tx); err != nil {
			return err
		}
		return verifyValues(tx)
	}))
	if err != nil {
		err = fmt.Errorf("verify %s: %w", path, err)
	}
	return errors.Join(err, db.Close())
}

func verifyPages(tx *txn) error {
	var first error
	for fault := range tx.Check() {
		if first == nil {
			// The check recovers from panics of bbolt and says so. An operator
			// who reads that word looks for a crash.
			first = fmt.Errorf("%w: %s", store.ErrDamaged, strings.TrimPrefix(fault.Error(), "panic: "))
		}
	}
	return first
}

// verifyValues checks every value and all of them together. The values of a
// later program are not known to this one, which is [Open]'s to tell.
func verifyValues(tx *txn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			found, ok := p.(damage)
			if !ok {
				panic(p)
			}
			err = found.err
		}
	}()
	if tx.Bucket([]byte(bucketMeta)) == nil {
		return nil
	}
	if version, err := strconv.Atoi(schemaOf(tx)); err == nil && version > schemaVersion {
		return nil
	}
	var sum uint64
	err = tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		return sumTree(newTree(tx, b, string(name)+"\x00"), &sum)
	})
	if err != nil {
		return err
	}
	if stored, ok := tx.sum(); !ok || stored != sum {
		return fmt.Errorf("%w: entries are missing, or are older than the others", store.ErrDamaged)
	}
	return nil
}

func sumTree(t *tree, sum *uint64) error {
	isMeta := t.path == bucketMeta+"\x00"
	return t.raw.ForEach(func(key, stored []byte) error {
		switch {
		case stored == nil:
			return sumTree(newTree(t.tx, t.raw.Bucket(key), t.path+string(key)+"\x00"), sum)
		case isMeta && string(key) == metaSum:
			return nil
		}
		t.open(key, stored)
		*sum += t.share(key, stored)
		return nil
	})
}

// bbolt's meta pages: a header of 16 bytes; magic, version and size of a page
// with 32 bits each; at 56 the FNV-1a of the 56 bytes before it (go.etcd.io/bbolt,
// internal/common/meta.go).
const (
	metaHeader   = 16
	metaPageSize = metaHeader + 8
	metaHashed   = 56
	metaBytes    = metaHeader + metaHashed + 8
)

// verifyMetas checks both meta pages. bbolt is content with one, and then the
// last transaction may be undone without a word. A meta is smaller than what a
// disk writes at once, so that a power cut does not break one.
func verifyMetas(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	defer f.Close()
	var place int64
	for n := range 2 {
		page := make([]byte, metaBytes)
		if _, err := f.ReadAt(page, place); err != nil {
			return fmt.Errorf("verify %s: %w: it is cut: %w", path, store.ErrDamaged, err)
		}
		hash := fnv.New64a()
		hash.Write(page[metaHeader:][:metaHashed])
		if hash.Sum64() != binary.NativeEndian.Uint64(page[metaHeader+metaHashed:]) {
			return fmt.Errorf("verify %s: %w: meta page %d is not what was stored", path, store.ErrDamaged, n)
		}
		place = int64(binary.NativeEndian.Uint32(page[metaPageSize:]))
	}
	return nil
}
