package bolt

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"syscall"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// beginLife writes what a life of the daemon begins with: the buckets that the
// schema has gained, and the epoch. A full disk keeps the daemon from starting
// only where the schema has to be raised; otherwise the epoch goes with the first
// transaction that finds room.
func (s *Store) beginLife(ctx context.Context, keys *store.Keyring) error {
	if err := s.guard(func() error { return s.migrate(keys) }); err != nil {
		return fmt.Errorf("raise the schema of %s: %w", s.path, err)
	}
	err := s.update(ctx, "begin a life of the daemon", func(tx *txn) error {
		// A process that was killed while it overwrote free pages leaves it.
		if err := dropFiller(tx); !errors.Is(err, errUnchanged) {
			return err
		}
		return nil
	})
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	return err
}

// migrate makes a database of an earlier schema one of this schema.
func (s *Store) migrate(keys *store.Keyring) error {
	err := s.db.Update(updating(func(tx *txn) error {
		if schemaOf(tx) == strconv.Itoa(schemaVersion) {
			return errUnchanged
		}
		for _, name := range buckets(schemaVersion) {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(
			bucket(tx, bucketMeta).Put([]byte(metaSchema), []byte(strconv.Itoa(schemaVersion))), putKeys(tx, keys, s.names),
		)
	}))
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// nextEpoch is the epoch behind the stored one.
func nextEpoch(meta *tree) (uint64, error) {
	stored := meta.Get([]byte(metaEpoch))
	if stored == nil {
		return 1, nil
	}
	epoch, err := strconv.ParseUint(string(stored), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: its epoch is no number", store.ErrDamaged)
	}
	return epoch + 1, nil
}

// inEpoch makes the epoch part of the first transaction of a life, so that
// nothing of this life is on disk without it.
func (s *Store) inEpoch(write func(*txn) error) func(*txn) error {
	if s.raised {
		return write
	}
	return func(tx *txn) error {
		if err := bucket(tx, bucketMeta).Put([]byte(metaEpoch), strconv.AppendUint(nil, s.epoch, 10)); err != nil {
			return err
		}
		return write(tx)
	}
}

// Epoch is the number of this life of the daemon: greater than that of every
// earlier life that has stored anything.
func (s *Store) Epoch() uint64 { return s.epoch }

// DigestKey is the key of the installation's digests.
func (s *Store) DigestKey() digest.Key { return s.digestKey }

// markerPrefix leads every marker, markerChars is the length of one: 110 bits
// behind the prefix.
const (
	markerPrefix = "rd"
	markerChars  = 24
)

// Marker names a source record at the target, from where a lost create can be
// found again: 24 lower-case letters and digits that tell nothing of the record.
// It is the same for ever, whatever the master key is.
func (s *Store) Marker(route roster.Route, source string) string {
	mac, ok := s.markers.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, s.markerKey)
	}
	defer s.markers.Put(mac)
	return markerPrefix + nameOf(mac, markerChars-len(markerPrefix), route.LinkSet(), route.From, string(route.Kind), source)
}

// keyedName is a name of n letters and digits that is derived from parts.
func keyedName(key []byte, n int, parts ...string) string {
	return nameOf(hmac.New(sha256.New, key), n, parts...)
}

// nameOf is keyedName with a hash that may have been used before.
func nameOf(mac hash.Hash, n int, parts ...string) string {
	text := make([]byte, 0, 128)
	for _, part := range parts {
		text = appendPart(text, part)
	}
	mac.Reset()
	mac.Write(text)
	var name [(sha256.Size + 4) / 5 * 8]byte
	base32.StdEncoding.Encode(name[:], mac.Sum(text[:0]))
	return string(bytes.ToLower(name[:n]))
}
